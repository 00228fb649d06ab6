package invariant

import "fmt"

// Check panics with the formatted text unless ok holds.
func Check(ok bool, format string, args ...any) {
	if !ok {
		panic("invariant broken: " + fmt.Sprintf(format, args...))
	}
}
