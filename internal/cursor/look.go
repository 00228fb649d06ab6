package cursor

import "weir/internal/record"

// Standing is the state of one message, for those who look at a queue.
type Standing uint8

// The standings.
const (
	Settled Standing = iota // or never there
	Ready
	Leased  // handed to a consumer
	Delayed // ready when its time has come
	Held    // its settling or return is under way
	Dead    // on its way to the dead-letter target
)

// String is a word for listings.
func (s Standing) String() string {
	return [...]string{"settled", "ready", "unacked", "delayed", "returning", "dead-lettering"}[s]
}

// Standing tells the state of the message at o. Its cost grows with the number of
// consumers.
func (s *Settling) Standing(o record.Offset) Standing {
	switch {
	case !s.unsettled.Contains(o):
		return Settled
	case s.dead.Contains(o):
		return Dead
	case s.lane(o).Contains(o):
		return Ready
	case s.waiting != nil && s.waiting.set.Contains(o):
		return Delayed
	case s.held.Contains(o):
		return Held
	}
	return Leased
}

// Unlease takes a lease back as if it had never been given: the message is where
// it was, and nobody has seen it. It tells whether the consumer had it.
func (s *Settling) Unlease(id ConsumerID, o record.Offset) bool {
	c := s.consumer(id)
	if c == nil || !c.leased.Remove(o) {
		return false
	}
	s.crowd.leased--
	if s.config.LeaseTimeout > 0 {
		s.crowd.ages.at.set(o, 0)
	}
	s.putBack(o)
	return true
}
