package cursor

import "weir/internal/record"

// upper is the ready sets of lanes 1 and above and the priorities of all
// unsettled messages that came while there were such lanes.
type upper struct {
	lanes      []Set // lanes[i] is lane i+1
	ready      uint64
	priorities paged[uint8]
}

// lane returns the ready set of a message. It is for messages that are
// unsettled, since a settled one has lost its priority.
func (s *Settling) lane(o record.Offset) *Set {
	if s.upper == nil || len(s.upper.lanes) == 0 {
		return &s.ready
	}
	if p := min(int(s.upper.priorities.get(o)), len(s.upper.lanes)); p > 0 {
		return &s.upper.lanes[p-1]
	}
	return &s.ready
}

// eachLane visits the ready sets, the lowest first.
func (s *Settling) eachLane(visit func(*Set)) {
	visit(&s.ready)
	if s.upper != nil {
		for i := range s.upper.lanes {
			visit(&s.upper.lanes[i])
		}
	}
}

// topLane returns the highest lane that has a message, or an empty lane.
func (s *Settling) topLane() *Set {
	if s.upper != nil && s.upper.ready > 0 {
		for i := len(s.upper.lanes) - 1; i >= 0; i-- {
			if s.upper.lanes[i].Len() > 0 {
				return &s.upper.lanes[i]
			}
		}
	}
	return &s.ready
}

// bottomLane returns the lowest lane that has a message, or an empty lane.
func (s *Settling) bottomLane() *Set {
	if s.ready.Len() == 0 && s.upper != nil && s.upper.ready > 0 {
		for i := range s.upper.lanes {
			if s.upper.lanes[i].Len() > 0 {
				return &s.upper.lanes[i]
			}
		}
	}
	return &s.ready
}

func (s *Settling) readyLen() uint64 {
	if s.upper == nil {
		return s.ready.Len()
	}
	return s.ready.Len() + s.upper.ready
}

func (s *Settling) exact() bool { return s.config.MaxBytes >= 0 }

// makeReady puts an offset that is in no state into its lane.
func (s *Settling) makeReady(o record.Offset) {
	lane := s.lane(o)
	lane.Add(o)
	if lane != &s.ready {
		s.upper.ready++
	}
	if s.exact() {
		s.readyBytes += s.weight.of(o, o+1)
	}
	if s.expiring != nil {
		s.expiring.returned(o, &s.unsettled)
	}
}

// makeReadyRange puts a range of offsets that are in no state into their lanes.
// What it does by offset, it does only for those with a priority or overdue.
func (s *Settling) makeReadyRange(lo, hi record.Offset) {
	s.ready.AddRange(lo, hi)
	if s.exact() {
		s.readyBytes += s.weight.of(lo, hi)
	}
	if s.upper != nil && len(s.upper.lanes) > 0 {
		s.upper.priorities.each(lo, hi, func(o record.Offset, _ *uint8) {
			if lane := s.lane(o); lane != &s.ready {
				s.ready.Remove(o)
				lane.Add(o)
				s.upper.ready++
			}
		})
	}
	if s.expiring != nil {
		overdue := &s.expiring.overdue
		for o, ok := overdue.Next(lo); ok && o < hi; o, ok = overdue.Next(o) {
			s.expiring.returned(o, &s.unsettled)
		}
	}
}

// takeReady takes o out of its lane if it is ready.
func (s *Settling) takeReady(o record.Offset) bool {
	lane := s.lane(o)
	if !lane.Remove(o) {
		return false
	}
	if lane != &s.ready {
		s.upper.ready--
	}
	if s.exact() {
		s.readyBytes -= s.weight.of(o, o+1)
	}
	return true
}

// takeReadyRange takes all of [lo, hi) out of the lanes.
func (s *Settling) takeReadyRange(lo, hi record.Offset) {
	s.eachLane(func(lane *Set) {
		if s.exact() {
			lane.RangesWithin(lo, hi, func(from, to record.Offset) bool {
				s.readyBytes -= s.weight.of(from, to)
				return true
			})
		}
		taken := lane.RemoveRange(lo, hi)
		if lane != &s.ready {
			s.upper.ready -= taken
		}
	})
}

// relane sorts the ready messages into the lanes there are now.
func (s *Settling) relane() {
	var all Set
	s.eachLane(func(lane *Set) {
		lane.Ranges(func(lo, hi record.Offset) bool {
			all.AddRange(lo, hi)
			return true
		})
		lane.Clear()
	})
	count := lanes(s.config) - 1
	if s.upper == nil && count > 0 {
		s.upper = new(upper)
	}
	if s.upper != nil {
		s.upper.lanes = make([]Set, count)
		s.upper.ready = 0
		if count == 0 && s.upper.priorities.dir.len() == 0 {
			s.upper = nil
		}
	}
	s.readyBytes = 0
	all.Ranges(func(lo, hi record.Offset) bool {
		s.makeReadyRange(lo, hi)
		return true
	})
}
