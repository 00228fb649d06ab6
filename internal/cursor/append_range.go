package cursor

import "weir/internal/record"

// AppendRange takes in the new messages of [lo, hi), which have no attributes. No
// offset from lo on was ever taken in. Its cost does not grow with their number.
func (s *Settling) AppendRange(lo, hi record.Offset) {
	s.unsettled.AddRange(lo, hi)
	s.makeReadyRange(lo, hi)
}

// HoldRange holds the ready messages of [lo, hi) and returns their ranges.
func (s *Settling) HoldRange(lo, hi record.Offset) []Range {
	var out []Range
	s.eachLane(func(lane *Set) {
		lane.RangesWithin(lo, hi, func(from, to record.Offset) bool {
			out = append(out, Range{from, to})
			return true
		})
	})
	for _, r := range out {
		s.takeReadyRange(r.Lo, r.Hi)
		s.held.AddRange(r.Lo, r.Hi)
	}
	return out
}
