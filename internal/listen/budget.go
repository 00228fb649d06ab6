package listen

import "sync/atomic"

// Budget is how many connections several doors may have together. It is safe for
// concurrent use.
type Budget struct {
	max  int64
	open atomic.Int64
}

// NewBudget returns a budget of so many connections, at least one.
func NewBudget(connections int) *Budget { return &Budget{max: int64(max(connections, 1))} }

// take reports whether there was room for one more.
func (b *Budget) take() bool {
	if b == nil {
		return true
	}
	if b.open.Add(1) > b.max {
		b.open.Add(-1)
		return false
	}
	return true
}

func (b *Budget) give() {
	if b != nil {
		b.open.Add(-1)
	}
}
