package cursor

import "weir/internal/record"

// Peek returns the next message to hand out, if there is one and the rate
// allows it. Expired first holds what must not be handed out any more.
func (s *Settling) Peek(now int64) (record.Offset, bool) {
	if s.waiting != nil {
		s.promote(now)
	}
	if s.config.RatePerSecond > 0 {
		if s.bucket.refill(now, &s.config); !s.bucket.has() {
			return 0, false
		}
	}
	return s.topLane().First()
}

// PeekRange returns up to limit messages in a row that are next to be handed
// out together.
func (s *Settling) PeekRange(now int64, limit uint64) (lo, hi record.Offset, ok bool) {
	if limit == 0 {
		return 0, 0, false
	}
	if s.waiting != nil {
		s.promote(now)
	}
	if s.config.RatePerSecond > 0 {
		if s.bucket.refill(now, &s.config); !s.bucket.has() {
			return 0, 0, false
		}
		limit = min(limit, uint64(s.bucket.tokens+(1-tokenMin)))
	}
	return s.topLane().FirstRange(limit)
}

// Lease gives a ready message to a consumer, which takes one credit, if it has
// one, and one token. It tells whether the message was ready and the consumer
// attached.
func (s *Settling) Lease(o record.Offset, id ConsumerID, now int64) bool {
	c := s.consumer(id)
	if c == nil || !s.takeReady(o) {
		return false
	}
	c.leased.Add(o)
	s.leasedRange(c, o, o+1, now)
	return true
}

// LeaseRange is Lease of what is ready of [lo, hi). It returns how many that is.
func (s *Settling) LeaseRange(lo, hi record.Offset, id ConsumerID, now int64) (n uint64) {
	c := s.consumer(id)
	if c == nil || lo >= hi {
		return 0
	}
	if s.lane(lo).CountRange(lo, hi) == uint64(hi-lo) {
		s.takeReadyRange(lo, hi)
		c.leased.AddRange(lo, hi)
		s.leasedRange(c, lo, hi, now)
		return uint64(hi - lo)
	}
	for o := lo; o < hi; o++ {
		if s.Lease(o, id, now) {
			n++
		}
	}
	return n
}

// leasedRange does what follows when a range has become leased.
func (s *Settling) leasedRange(c *consumer, lo, hi record.Offset, now int64) {
	s.crowd.leased += uint64(hi - lo)
	s.leasedTo = max(s.leasedTo, hi)
	c.spend(uint64(hi - lo))
	if s.config.RatePerSecond > 0 {
		s.bucket.refill(now, &s.config)
		s.bucket.take(uint64(hi - lo))
	}
	if s.config.LeaseTimeout > 0 {
		s.crowd.stamp(c.id, lo, hi, now)
	}
}

// SettleLocal frees the leases a consumer has in [lo, hi), because it is done
// with them: they are held until the settling or release is applied. It returns
// how many there were.
func (s *Settling) SettleLocal(id ConsumerID, lo, hi record.Offset) uint64 {
	c := s.consumer(id)
	if c == nil {
		return 0
	}
	if lo+1 == hi {
		if !c.leased.Remove(lo) {
			return 0
		}
		s.held.Add(lo)
		s.crowd.leased--
		if s.config.LeaseTimeout > 0 {
			s.crowd.ages.at.set(lo, 0)
		}
		return 1
	}
	c.leased.RangesWithin(lo, hi, func(from, to record.Offset) bool {
		s.held.AddRange(from, to)
		if s.config.LeaseTimeout > 0 {
			s.crowd.ages.at.drop(from, to)
		}
		return true
	})
	n := c.leased.RemoveRange(lo, hi)
	s.crowd.leased -= n
	return n
}

// Renew makes the leases a consumer has in [lo, hi) as young as new ones.
func (s *Settling) Renew(id ConsumerID, lo, hi record.Offset, now int64) {
	c := s.consumer(id)
	if c == nil || s.config.LeaseTimeout <= 0 {
		return
	}
	c.leased.RangesWithin(lo, hi, func(from, to record.Offset) bool {
		s.crowd.stamp(id, from, to, now)
		return true
	})
}
