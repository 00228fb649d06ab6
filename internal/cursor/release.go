package cursor

import "weir/internal/record"

// Verdict is what a release led to.
type Verdict uint8

// The verdicts of a release.
const (
	Ignored   Verdict = iota // settled or dead: nothing changed
	Returned                 // ready again, at its old position
	Postponed                // ready again after a delay
	OverLimit                // beyond the delivery limit: held, the caller buries or settles it
)

// waiting is the delayed messages.
//
// Invariant: an offset in timed has exactly one timer in the heap, and set is
// what of timed is delayed; the rest is held or dead.
type waiting struct {
	set    Set
	timed  Set
	timers timers
}

// wait delays an offset that is in no state until a time, or to the time it is
// waiting for already.
func (s *Settling) wait(o record.Offset, at int64) {
	if s.waiting == nil {
		s.waiting = new(waiting)
	}
	w := s.waiting
	if w.timed.Add(o) {
		w.timers.push(timer{at, o}, &w.timed)
	}
	w.set.Add(o)
	if s.expiring != nil {
		s.expiring.returned(o, &s.unsettled)
	}
}

// promote makes the delayed messages ready whose time has come.
func (s *Settling) promote(now int64) {
	w := s.waiting
	for {
		t, ok := w.timers.top(&w.timed)
		if !ok || t.at > now {
			return
		}
		w.timers.pop()
		w.timed.Remove(t.o)
		if w.set.Remove(t.o) {
			s.makeReady(t.o)
		}
	}
}

// putBack makes an offset that is in no state ready, or delayed if the time it
// was waiting for has not come.
func (s *Settling) putBack(o record.Offset) {
	if s.waiting != nil && s.waiting.timed.Contains(o) {
		s.wait(o, 0)
		return
	}
	s.makeReady(o)
}

// ReleaseOne returns one message to the queue, after at least delay
// milliseconds, and counts that unless counted is false.
func (s *Settling) ReleaseOne(o record.Offset, delay, now int64, counted bool) Verdict {
	if s.waiting != nil {
		s.promote(now)
	}
	return s.release(o, delay, now, counted)
}

func (s *Settling) release(o record.Offset, delay, now int64, counted bool) Verdict {
	if !s.unsettled.Contains(o) || s.dead.Contains(o) {
		return Ignored
	}
	if !s.held.Remove(o) {
		s.evict(o)
	}
	count := s.returned.add(o, counted)
	if limit := s.config.DeliveryLimit; counted && (s.config.NoReturns || limit > 0 && count > limit) {
		s.held.Add(o)
		return OverLimit
	}
	delay = max(delay, s.backoff(count))
	if delay > 0 || s.waiting != nil && s.waiting.timed.Contains(o) {
		s.wait(o, now+delay)
		return Postponed
	}
	s.makeReady(o)
	return Returned
}

func (s *Settling) backoff(count uint32) int64 {
	delay := s.config.BackoffMin * int64(count)
	if s.config.BackoffMax > 0 {
		delay = min(delay, s.config.BackoffMax)
	}
	return delay
}

// Release returns the unsettled messages of [lo, hi) to the queue and counts
// that unless counted is false. It appends those that went over the delivery
// limit to over; they are held, and the caller buries or settles them.
func (s *Settling) Release(
	lo, hi record.Offset, now int64, counted bool, over []record.Offset,
) []record.Offset {
	if s.waiting != nil {
		s.promote(now)
	}
	s.unsettled.RangesWithin(lo, hi, func(from, to record.Offset) bool {
		if s.releasesPlainly(from, to, counted) {
			s.evictRange(from, to)
			s.returned.addRange(from, to, counted)
			s.makeReadyRange(from, to)
			return true
		}
		for o := from; o < to; o++ {
			if s.release(o, 0, now, counted) == OverLimit {
				over = append(over, o)
			}
		}
		return true
	})
	return over
}

// releasesPlainly tells whether every message of the range becomes ready at
// once with a count the range has in common.
func (s *Settling) releasesPlainly(lo, hi record.Offset, counted bool) bool {
	return s.config.BackoffMin == 0 &&
		!s.dead.touches(lo, hi) &&
		(s.waiting == nil || !s.waiting.timed.touches(lo, hi)) &&
		(!counted || !s.config.NoReturns && !s.returned.once.touches(lo, hi))
}

// touches tells whether the set has an offset of [lo, hi).
func (s *Set) touches(lo, hi record.Offset) bool {
	o, ok := s.Next(lo)
	return ok && o < hi
}
