package shard

import (
	"weir/internal/cursor"
	"weir/internal/record"
)

// TakeLimits bound what a Take gets.
type TakeLimits struct {
	Messages  int
	Bytes     int // of records, each counted once; the first one comes anyway
	LeasedMax int // messages of the log that all may have together
}

// take is a pull of several messages.
type take struct {
	limits TakeLimits
	got    []Delivery
	bytes  int
	reply  func(ds []Delivery)
}

// Take asks for messages on behalf of a hidden consumer; reply is called once, now
// or after a read, with what was ready.
func (m *Machine) Take(log record.LogID, id cursor.ConsumerID, limits TakeLimits, reply func(ds []Delivery)) {
	l := m.logs[log]
	if l == nil || l.consumers[id] == nil {
		reply(nil)
		return
	}
	l.pulls = append(l.pulls, pull{c: l.consumers[id], take: &take{limits: limits, reply: reply}})
	m.heat(l)
}

// refuse answers a pull of a log that is gone.
func (p *pull) refuse() {
	if p.take != nil {
		p.take.reply(nil)
		return
	}
	p.reply(Delivery{}, false, 0)
}

// serveTake leases what is ready. It reports false where something has to be read
// or noted first.
func (m *Machine) serveTake(l *Log, p pull) bool {
	t := p.take
	for len(t.got) < t.limits.Messages && l.consumers[p.c.id] == p.c && l.cursor.Counts().Leased < uint64(t.limits.LeasedMax) {
		o, ok := l.cursor.Peek(m.now)
		if !ok {
			break
		}
		if !m.mayDeliver(l, o) {
			return false
		}
		found, ok := m.load(l, o)
		if !ok {
			return false
		}
		if l.viewing() && m.passes(l, o) {
			continue
		}
		if n := len(t.got); n == 0 || &t.got[n-1].Record[0] != &found.record[0] {
			if t.bytes += len(found.record); n > 0 && t.bytes > t.limits.Bytes {
				break
			}
		}
		t.got = append(t.got, m.lease(l, p.c, o, found))
	}
	return true
}

// Holds says whether a consumer has leases of all of [lo, hi).
func (m *Machine) Holds(log record.LogID, id cursor.ConsumerID, lo, hi record.Offset) bool {
	l := m.logs[log]
	if l == nil {
		return false
	}
	leased := l.cursor.Leased(id)
	return leased != nil && leased.CountRange(lo, hi) == uint64(hi-lo)
}

// Renew makes the leases that a consumer has in [lo, hi) as young as new ones.
func (m *Machine) Renew(log record.LogID, id cursor.ConsumerID, lo, hi record.Offset) {
	if l := m.logs[log]; l != nil {
		l.cursor.Renew(id, lo, hi, m.now)
		m.watch(l)
	}
}

// AppendReset adds commands that settle a view below an offset and make everything
// from there on ready again.
func AppendReset(dst []byte, log record.LogID, to record.Offset) []byte {
	dst = appendRange(dst, commandSettle, log, byte(WhyPurged), 0, to)
	return AppendRewind(dst, log, to)
}

// FirstUnsettled is the first offset of a log that is not settled, or its end.
func (m *Machine) FirstUnsettled(log record.LogID) (record.Offset, bool) {
	l := m.logs[log]
	if l == nil {
		return 0, false
	}
	if o, ok := l.cursor.Unsettled().First(); ok {
		return o, true
	}
	return l.next, true
}
