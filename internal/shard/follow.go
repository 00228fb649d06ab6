package shard

import (
	"weir/internal/cursor"
	"weir/internal/record"
)

// follower is a consumer that is handed a log's messages in order from an offset
// on, without taking them from anybody. It belongs to the leader.
type follower struct {
	id       cursor.ConsumerID
	receiver Receiver
	accept   func(rec []byte) bool // nil takes everything
	next     record.Offset
	credit   int64
	paused   bool
	cold     cold
	batch    []Delivery
}

// Start says where a follower begins.
type Start struct {
	Offset record.Offset
	Last   bool // at the last message there is
	End    bool // behind it
}

// Follow adds a follower to a log. accept, if not nil, picks the messages it is
// handed; the others are passed over and cost no credit.
func (m *Machine) Follow(log record.LogID, id cursor.ConsumerID, r Receiver, from Start, accept func(rec []byte) bool) error {
	l := m.logs[log]
	if l == nil {
		return ErrNoLog
	}
	f := &follower{id: id, receiver: r, accept: accept, next: from.Offset}
	switch {
	case from.End:
		f.next = l.next
	case from.Last:
		f.next = max(l.next, 1) - 1
	}
	if l.followers == nil {
		l.followers = map[cursor.ConsumerID]*follower{}
	}
	l.followers[id] = f
	m.heat(l)
	return nil
}

// feed hands every follower what it has credit for.
func (m *Machine) feed(l *Log) {
	for _, f := range l.followers {
		n := m.feedOne(l, f)
		if len(f.batch) > 0 {
			l.stats.Delivered += uint64(len(f.batch))
			m.counts.Delivered += uint64(len(f.batch))
			f.receiver.Deliver(f.batch)
			clear(f.batch)
			f.batch = f.batch[:0]
		}
		if n == dispatchMax {
			m.heat(l)
		}
	}
}

// feedOne gathers what one follower gets and returns how many messages it looked
// at.
func (m *Machine) feedOne(l *Log, f *follower) int {
	n := 0
	for f.next = max(f.next, l.firstWanted()); n < dispatchMax && f.credit > 0 && !f.paused && f.next < l.next; n++ {
		rec, ok := m.following(l, f)
		if !ok {
			break
		}
		if rec == nil || f.accept != nil && !f.accept(rec) {
			f.next++
			continue
		}
		if !f.receiver.Reserve(len(rec)) {
			f.paused = true
			break
		}
		f.batch = append(f.batch, Delivery{Offset: f.next, Record: rec})
		f.credit--
		f.next++
	}
	return n
}

// following returns the record at the follower's place, nil where nobody wants it
// any more; false says that it has to be read first.
func (m *Machine) following(l *Log, f *follower) ([]byte, bool) {
	if f.next >= l.tail.Base() {
		f.cold.drop()
		if !l.wanted(f.next) {
			return nil, true
		}
		return m.tail.Record(l.tail.At(f.next)), true
	}
	if rec, ok := f.cold.find(f.next); ok {
		if !l.wanted(f.next) {
			return nil, true
		}
		return rec, true
	}
	if f.cold.covers(f.next) {
		return nil, true
	}
	if !f.cold.reading {
		f.cold.reading = true
		m.reads = append(m.reads, Read{Log: l.id, From: f.next, MaxBytes: coldReadBytes, follower: f.id, upto: l.tail.Base()})
	}
	return nil, false
}

// covers says whether what was read begins before o and ends behind it.
func (c *cold) covers(o record.Offset) bool { return o >= c.from && o < c.upto }

// loadedFor takes in what was read for a follower.
func (m *Machine) loadedFor(l *Log, r *Read, records []coldRecord) {
	f := l.followers[r.follower]
	if f == nil {
		return
	}
	f.cold = cold{records: records, from: r.From, upto: r.upto}
	if n := len(records); n > 0 { // the shelf may have more behind it
		f.cold.upto = records[n-1].offset + 1
	}
	m.heat(l)
}
