package cursor

import "weir/internal/record"

// ages knows when leases were given, where leases can time out.
type ages struct {
	at paged[int64] // of leased offsets
	// log[head:] is what was leased or renewed, in the order of time. A part of
	// it counts only while it is leased and at says the same time.
	log     []stamp
	head    int
	sweepAt int
	// unstamped says that there may be leases from before leases could time out;
	// they begin to age at the next LeaseTimeouts.
	unstamped bool
}

type stamp struct {
	at     int64
	id     ConsumerID
	lo, hi record.Offset
}

// stamp notes that [lo, hi) is leased as of now.
func (w *crowd) stamp(id ConsumerID, lo, hi record.Offset, now int64) {
	a := &w.ages
	now = max(now, 1)
	if len(a.log) > a.head {
		now = max(now, a.log[len(a.log)-1].at)
	}
	for o := lo; o < hi; o++ {
		a.at.set(o, now)
	}
	if len(a.log) > a.head {
		last := &a.log[len(a.log)-1]
		if last.at == now && last.id == id && last.hi == lo {
			last.hi = hi
			return
		}
	}
	if len(a.log) >= max(a.sweepAt, sweepMin) {
		w.sweepLog()
	}
	a.log = append(a.log, stamp{now, id, lo, hi})
}

// sweepLog drops what does not count any more from the log.
func (w *crowd) sweepLog() {
	a := &w.ages
	kept := a.log[:0]
	for _, e := range a.log[a.head:] {
		if w.first(&e) {
			kept = append(kept, e)
		}
	}
	a.log, a.head, a.sweepAt = kept, 0, 2*len(kept)
}

// first moves e.lo to the first offset that still counts, if there is one.
func (w *crowd) first(e *stamp) bool {
	c := w.byID[e.id]
	if c == nil {
		return false
	}
	found := false
	c.leased.RangesWithin(e.lo, e.hi, func(lo, hi record.Offset) bool {
		for o := lo; o < hi && !found; o++ {
			if w.ages.at.get(o) == e.at {
				e.lo, found = o, true
			}
		}
		return !found
	})
	return found
}

// oldestLease returns when the oldest lease was given, and drops what is older
// and does not count from the log.
func (w *crowd) oldestLease() (int64, bool) {
	a := &w.ages
	for a.head < len(a.log) {
		if w.first(&a.log[a.head]) {
			return a.log[a.head].at, true
		}
		a.head++
	}
	a.log, a.head = a.log[:0], 0
	return 0, false
}

// LeaseTimeouts takes back the leases that are LeaseTimeout old and appends
// their ranges, which are now held: the caller proposes their release. The
// consumers stay attached.
func (s *Settling) LeaseTimeouts(now int64, out []Range) []Range {
	w := s.crowd
	if s.config.LeaseTimeout <= 0 || w == nil || w.leased == 0 {
		return out
	}
	if w.ages.unstamped {
		w.stampAll(now)
	}
	for {
		at, ok := w.oldestLease()
		if !ok || at+s.config.LeaseTimeout > now {
			return out
		}
		e := w.ages.log[w.ages.head]
		w.ages.head++
		c := w.byID[e.id]
		start := len(out)
		c.leased.RangesWithin(e.lo, e.hi, func(lo, hi record.Offset) bool {
			for o := lo; o < hi; o++ {
				if w.ages.at.get(o) != at {
					continue
				}
				if n := len(out); n > start && out[n-1].Hi == o {
					out[n-1].Hi++
				} else {
					out = append(out, Range{o, o + 1})
				}
			}
			return true
		})
		for _, r := range out[start:] {
			w.leased -= c.leased.RemoveRange(r.Lo, r.Hi)
			w.ages.at.drop(r.Lo, r.Hi)
			s.held.AddRange(r.Lo, r.Hi)
		}
	}
}

// stampAll has the leases age from now on that have no time yet.
func (w *crowd) stampAll(now int64) {
	w.ages.unstamped = false
	for _, c := range w.all {
		var fresh []Range
		c.leased.Ranges(func(lo, hi record.Offset) bool {
			for o := lo; o < hi; o++ {
				if w.ages.at.get(o) == 0 {
					fresh = append(fresh, Range{o, o + 1})
				}
			}
			return true
		})
		for _, r := range fresh {
			w.stamp(c.id, r.Lo, r.Hi, now)
		}
	}
}
