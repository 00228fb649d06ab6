package shard

import (
	"weir/internal/cursor"
	"weir/internal/record"
)

// stamped is a run of messages leased to a consumer at one time.
type stamped struct {
	at     int64
	lo, hi record.Offset
}

// stamp notes a lease of a consumer with an age limit of its own.
func (c *consumer) stamp(o record.Offset, now int64) {
	if n := len(c.stamps); n > 0 && c.stamps[n-1].hi == o && c.stamps[n-1].at == now {
		c.stamps[n-1].hi++
		return
	}
	c.forget()
	c.stamps = append(c.stamps, stamped{now, o, o + 1})
}

// forget drops the oldest stamps of which nothing is leased any more.
func (c *consumer) forget() {
	leased := c.log.cursor.Leased(c.id)
	n := 0
	for n < len(c.stamps) && (leased == nil || leased.CountRange(c.stamps[n].lo, c.stamps[n].hi) == 0) {
		n++
	}
	if n > 0 {
		c.stamps = append(c.stamps[:0], c.stamps[n:]...)
	}
}

// takeBack releases what a consumer has kept too long.
func (m *Machine) takeBack(l *Log, c *consumer) {
	for c.forget(); len(c.stamps) > 0 && c.stamps[0].at+c.leaseMillis <= m.now; c.forget() {
		var late []cursor.Range
		s := c.stamps[0]
		l.cursor.Leased(c.id).RangesWithin(s.lo, s.hi, func(lo, hi record.Offset) bool {
			late = append(late, cursor.Range{Lo: lo, Hi: hi})
			return true
		})
		for _, r := range late {
			l.cursor.SettleLocal(c.id, r.Lo, r.Hi)
			m.release(l, r.Lo, r.Hi, true)
		}
	}
}

// deadline is when something of the log is due, if anything is.
func (l *Log) deadline() (int64, bool) {
	d, ok := l.cursor.Deadline()
	if l.leasing == 0 {
		return d, ok
	}
	for _, c := range l.consumers {
		if c.leaseMillis == 0 {
			continue
		}
		if c.forget(); len(c.stamps) > 0 && (!ok || c.stamps[0].at+c.leaseMillis < d) {
			d, ok = c.stamps[0].at+c.leaseMillis, true
		}
	}
	return d, ok
}
