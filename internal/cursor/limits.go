package cursor

import "weir/internal/record"

// BatchMax is how many messages one call of Expired or Overflowing holds at
// most, so that a long queue cannot stop its shard. What is left makes Deadline
// due at once.
const BatchMax = 16384

// expiring is the messages that have an expiry.
type expiring struct {
	timers timers
	// overdue is the unsettled messages whose timer has fired: held because of
	// it, or to be held when they are returned.
	overdue Set
}

// returned has an overdue message fire again, now that it can be held.
func (e *expiring) returned(o record.Offset, unsettled *Set) {
	if e.overdue.Len() > 0 && e.overdue.Remove(o) {
		e.timers.push(timer{0, o}, unsettled)
	}
}

func (s *Settling) expireAt(o record.Offset, at int64) {
	if s.expiring == nil {
		s.expiring = new(expiring)
	}
	s.expiring.timers.push(timer{at, o}, &s.unsettled)
}

// Expired holds the ready and delayed messages whose expiry is not after now,
// wherever in the queue they are, and appends them in the order of expiry. A
// leased one expires once it is returned.
func (s *Settling) Expired(now int64, out []record.Offset) []record.Offset {
	e := s.expiring
	if e == nil {
		return out
	}
	for n := 0; n < BatchMax; {
		t, ok := e.timers.top(&s.unsettled)
		if !ok || t.at > now {
			break
		}
		e.timers.pop()
		if s.dead.Contains(t.o) {
			continue
		}
		e.overdue.Add(t.o)
		if s.takeReady(t.o) || s.waiting != nil && s.waiting.set.Remove(t.o) {
			s.held.Add(t.o)
			out = append(out, t.o)
			n++
		}
	}
	return out
}

// Room tells whether the ready messages stay within the limits with these many
// more: what is proposed but not applied, and the message in question.
func (s *Settling) Room(pendingCount, pendingBytes int64) bool {
	c := &s.config
	return (c.MaxLength < 0 || int64(s.readyLen())+pendingCount <= c.MaxLength) &&
		(c.MaxBytes < 0 || s.readyBytes+pendingBytes <= c.MaxBytes)
}

// Overflowing holds the ready messages beyond the limits and appends them: the
// oldest of the lowest lane first. It does nothing unless the overflow is
// OverflowDropHead.
func (s *Settling) Overflowing(out []record.Offset) []record.Offset {
	for n := 0; n < BatchMax && s.overflows(); n++ {
		o, _ := s.bottomLane().First()
		s.takeReady(o)
		s.held.Add(o)
		out = append(out, o)
	}
	return out
}

func (s *Settling) overflows() bool {
	return s.config.Overflow == OverflowDropHead && s.readyLen() > 0 && !s.Room(0, 0)
}

// HoldReady holds all ready and delayed messages and appends their ranges, in no
// particular order.
func (s *Settling) HoldReady(out []Range) []Range {
	if s.waiting != nil {
		out = s.holdAll(&s.waiting.set, out)
	}
	s.eachLane(func(lane *Set) { out = s.holdAll(lane, out) })
	if s.upper != nil {
		s.upper.ready = 0
	}
	s.readyBytes = 0
	return out
}

func (s *Settling) holdAll(set *Set, out []Range) []Range {
	set.Ranges(func(lo, hi record.Offset) bool {
		s.held.AddRange(lo, hi)
		out = append(out, Range{lo, hi})
		return true
	})
	set.Clear()
	return out
}

// Unhold takes back what put o on hold: it is ready or delayed as before. It
// tells whether o was held.
func (s *Settling) Unhold(o record.Offset) bool {
	if !s.held.Remove(o) {
		return false
	}
	s.putBack(o)
	return true
}

// Held returns the messages on hold. The caller must not change the set.
func (s *Settling) Held() *Set { return &s.held }

// Deadline returns the next time at which a call here would do something that
// no other event announces: something is due, expired, allowed by the rate, or
// leased for too long. A time of 0 is at once. It may be early, never late.
func (s *Settling) Deadline() (unixMillis int64, ok bool) {
	if s.overflows() {
		return 0, true
	}
	earliest := func(at int64) {
		if !ok || at < unixMillis {
			unixMillis, ok = at, true
		}
	}
	if s.waiting != nil {
		if t, some := s.waiting.timers.top(&s.waiting.timed); some {
			earliest(t.at)
		}
	}
	if s.expiring != nil {
		if t, some := s.expiring.timers.top(&s.unsettled); some {
			earliest(t.at)
		}
	}
	if s.config.RatePerSecond > 0 && s.readyLen() > 0 && !s.bucket.has() {
		earliest(s.bucket.readyAt(&s.config))
	}
	if s.config.LeaseTimeout > 0 && s.crowd != nil && s.crowd.leased > 0 {
		if at, some := s.crowd.oldestLease(); some {
			earliest(at + s.config.LeaseTimeout)
		} else if s.crowd.ages.unstamped {
			earliest(0)
		}
	}
	return unixMillis, ok
}

// Counts returns a look at the queue. Delayed messages whose time has come count
// as delayed until the next Peek.
func (s *Settling) Counts() Counts {
	c := Counts{
		Ready:     s.readyLen(),
		Held:      s.held.Len(),
		Dead:      s.dead.Len(),
		Unsettled: s.unsettled.Len(),
	}
	if s.waiting != nil {
		c.Delayed = s.waiting.set.Len()
	}
	if s.crowd != nil {
		c.Leased = s.crowd.leased
		c.Consumers = len(s.crowd.all) - s.crowd.pulls
	}
	if s.weight != nil {
		c.Bytes = s.weight.total
	}
	c.ReadyBytes = s.readyBytes
	if !s.exact() && c.Unsettled > 0 {
		c.ReadyBytes = int64(float64(c.Bytes) * (float64(c.Ready) / float64(c.Unsettled)))
	}
	return c
}
