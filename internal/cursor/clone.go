package cursor

import "weir/internal/record"

// Clone returns a copy of the set's part in [lo, hi).
func (s *Set) Clone(lo, hi record.Offset) *Set {
	c := &Set{}
	s.RangesWithin(lo, hi, func(lo, hi record.Offset) bool {
		c.AddRange(lo, hi)
		return true
	})
	return c
}
