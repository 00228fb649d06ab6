package route_test

import (
	"testing"

	"weir/internal/route"
)

// TestPartition has the values of the clients' own tests, spread over a million.
func TestPartition(t *testing.T) {
	for key, hash := range map[string]int32{
		"21": -973932308, "foobar": -790332482, "a-little-bit-long-string": -985981536,
		"a-little-bit-longer-string": -1486304829, "lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8": -58897971,
	} {
		if got, want := route.Partition([]byte(key), 1_000_000), int(hash&0x7fffffff)%1_000_000; got != want {
			t.Errorf("%s: %d, not %d", key, got, want)
		}
	}
}
