package shard

import (
	"math"

	"weir/internal/cursor"
	"weir/internal/record"
)

const (
	// One read from the shelf. Large enough to amortise a system call, small
	// enough that many queues may read at once.
	coldReadBytes = 1 << 20
	// A dispatch hands at most this many messages of one log over in a row, so
	// that thousands of busy queues share the goroutine fairly.
	dispatchMax = 1024
)

// heat puts the log on the list of those that may have something to hand out.
func (m *Machine) heat(l *Log) {
	if m.leading && !l.hot {
		l.hot = true
		m.hot = append(m.hot, l)
	}
}

// watch puts the log on the list of those with a deadline.
func (m *Machine) watch(l *Log) {
	if !m.leading {
		return
	}
	if l.timed {
		if d, ok := l.deadline(); ok {
			m.deadline = min(m.deadline, d)
		}
		return
	}
	if d, ok := l.deadline(); ok {
		l.timed = true
		m.timers = append(m.timers, l)
		m.deadline = min(m.deadline, d)
	}
}

// Turn sets the time for everything that follows until the next Turn.
func (m *Machine) Turn(now int64) {
	m.now = now
	m.turns++
}

// late is up to when messages of the log have expired: now, but for messages that
// may not wait at all and have just come in; they get this turn's hand-out, or the
// one after the mark that it had to wait for.
func (m *Machine) late(l *Log) int64 {
	if l.fresh == m.turns || l.held {
		return l.freshFrom - 1
	}
	return m.now
}

// AttachOptions say how a consumer takes part.
type AttachOptions struct {
	cursor.AttachOptions
	Auto        bool  // settled by being delivered
	Hidden      bool  // a puller, not a consumer to anybody else
	LeaseMillis int64 // its own limit of a lease's age; 0 is none
}

// Attach adds a consumer to a log.
func (m *Machine) Attach(log record.LogID, id cursor.ConsumerID, r Receiver, o AttachOptions) error {
	l := m.logs[log]
	if l == nil {
		return ErrNoLog
	}
	if err := l.cursor.Attach(id, o.AttachOptions); err != nil {
		return err
	}
	if l.consumers == nil {
		l.consumers = map[cursor.ConsumerID]*consumer{}
	}
	l.consumers[id] = &consumer{id: id, log: l, receiver: r, auto: o.Auto, hidden: o.Hidden, leaseMillis: o.LeaseMillis}
	if o.LeaseMillis > 0 {
		l.leasing++
	}
	m.heat(l)
	return nil
}

// Leased is how many messages a consumer has.
func (m *Machine) Leased(log record.LogID, id cursor.ConsumerID) uint64 {
	if l := m.logs[log]; l != nil {
		if set := l.cursor.Leased(id); set != nil {
			return set.Len()
		}
	}
	return 0
}

// Cancel ends the hand-out to a consumer; its leases stay until settled. It
// returns how many consumers are left.
func (m *Machine) Cancel(log record.LogID, id cursor.ConsumerID) int {
	l := m.logs[log]
	switch {
	case l == nil:
		return -1
	case l.followers[id] != nil:
		delete(l.followers, id)
	case l.consumers[id] == nil:
		return -1
	default:
		l.cursor.Cancel(id)
		m.heat(l)
	}
	return l.cursor.Counts().Consumers + len(l.followers)
}

// Detach removes a consumer. Its leases are released: counted as deliveries if
// count says so. It returns how many it had.
func (m *Machine) Detach(log record.LogID, id cursor.ConsumerID, count bool) uint64 {
	l := m.logs[log]
	if l == nil || l.consumers[id] == nil {
		return 0
	}
	var n uint64
	for _, r := range l.cursor.Detach(id, nil) {
		n += uint64(r.Hi - r.Lo)
		m.release(l, r.Lo, r.Hi, count)
	}
	if l.consumers[id].leaseMillis > 0 {
		l.leasing--
	}
	delete(l.consumers, id)
	m.heat(l)
	return n
}

func flag(set bool) byte {
	if set {
		return 1
	}
	return 0
}

// Credit allows a consumer so many more leases.
func (m *Machine) Credit(log record.LogID, id cursor.ConsumerID, delta int64) {
	l := m.logs[log]
	switch {
	case l == nil:
	case l.followers[id] != nil:
		l.followers[id].credit += delta
		m.heat(l)
	case l.consumers[id] != nil:
		l.cursor.Credit(id, delta)
		m.heat(l)
	}
}

// Resume takes a consumer back whose Receiver has room again.
func (m *Machine) Resume(log record.LogID, id cursor.ConsumerID) {
	l := m.logs[log]
	if l == nil {
		return
	}
	if f := l.followers[id]; f != nil {
		f.paused = false
		m.heat(l)
	}
	if c := l.consumers[id]; c != nil && c.paused {
		c.paused = false
		l.cursor.Pause(id, false)
		m.heat(l)
	}
}

// Settled says that a consumer is done with its leases in [lo, hi): accepted
// (WhyAccepted) or rejected. It returns how many it really held.
func (m *Machine) Settled(log record.LogID, id cursor.ConsumerID, lo, hi record.Offset, why Why) uint64 {
	l := m.logs[log]
	if l == nil {
		return 0
	}
	n := l.cursor.SettleLocal(id, lo, hi)
	if n == 0 {
		return 0
	}
	if why == WhyRejected && l.config.DeadLetter {
		m.emit(commandBury, log, byte(why), lo, hi)
	} else {
		m.emit(commandSettle, log, byte(why), lo, hi)
	}
	return n
}

// Released says that a consumer gives its leases in [lo, hi) back.
func (m *Machine) Released(log record.LogID, id cursor.ConsumerID, lo, hi record.Offset, count bool) uint64 {
	l := m.logs[log]
	if l == nil {
		return 0
	}
	n := l.cursor.SettleLocal(id, lo, hi)
	if n > 0 {
		m.release(l, lo, hi, count)
	}
	return n
}

// release proposes to give messages back. Until that is applied the log hands
// nothing out: what follows them must not overtake them.
func (m *Machine) release(l *Log, lo, hi record.Offset, count bool) {
	l.releasing += int64(hi - lo)
	m.emit(commandRelease, l.id, flag(count), lo, hi)
}

// Stored says that a dead letter has reached its target.
func (m *Machine) Stored(log record.LogID, o record.Offset) {
	if m.logs[log] != nil {
		m.emit(commandSettle, log, byte(WhyStored), o, o+1)
	}
}

// WhenReleased calls f once nothing that was given back is on its way any more.
func (m *Machine) WhenReleased(log record.LogID, f func()) {
	l := m.logs[log]
	if l == nil || l.releasing == 0 {
		f()
		return
	}
	l.waiting = append(l.waiting, f)
}

// Purge removes every message that nobody holds and returns their number.
func (m *Machine) Purge(log record.LogID) uint64 {
	l := m.logs[log]
	if l == nil {
		return 0
	}
	var n uint64
	for _, r := range l.cursor.HoldReady(nil) {
		n += uint64(r.Hi - r.Lo)
		m.emit(commandSettle, log, byte(WhyPurged), r.Lo, r.Hi)
	}
	return n
}

// Dispatch hands ready messages to consumers with credit.
func (m *Machine) Dispatch() {
	list := m.hot
	m.hot = nil
	for i, l := range list {
		list[i] = nil
		l.hot = false
		if m.logs[l.id] == l {
			m.dispatch(l)
		}
	}
	if m.hot == nil {
		m.hot = list[:0]
	}
}

// Hot says that Dispatch has more to do.
func (m *Machine) Hot() bool { return len(m.hot) > 0 }

func (m *Machine) dispatch(l *Log) {
	if d, ok := l.deadline(); ok && d <= m.late(l) {
		m.expire(l)
	}
	if l.releasing == 0 && len(l.consumers) > 0 {
		m.handOut(l)
	}
	if len(l.followers) > 0 {
		m.feed(l)
	}
	if len(l.awaited) > 0 && (l.appended || l.viewing() && l.cursor.Counts().Ready > 0) {
		l.wake()
	}
	l.appended = false
	m.overflow(l)
	if l.releasing == 0 && len(l.waiting) > 0 {
		waiting := l.waiting
		l.waiting = nil
		for _, f := range waiting {
			f()
		}
	}
	if l.releasing == 0 && len(l.pulls) > 0 {
		m.expireTo(l, m.now)
		m.servePulls(l)
	}
	m.watch(l)
}

func (m *Machine) handOut(l *Log) {
	n := 0
	for ; n < dispatchMax; n++ {
		o, ok := l.cursor.Peek(m.now)
		if !ok {
			break
		}
		id, ok := l.cursor.Pick()
		if !ok || !m.mayDeliver(l, o) {
			break
		}
		rec, ok := m.load(l, o)
		if !ok {
			break
		}
		if l.viewing() && m.passes(l, o) {
			continue
		}
		c := l.consumers[id]
		if !c.receiver.Reserve(rec.bytes()) {
			c.paused = true
			l.cursor.Pause(id, true)
			continue
		}
		c.batch = append(c.batch, m.lease(l, c, o, rec))
	}
	l.blob = blob{}
	if n == 0 {
		return
	}
	for _, c := range l.consumers {
		if len(c.batch) > 0 {
			c.receiver.Deliver(c.batch)
			clear(c.batch)
			c.batch = c.batch[:0]
		}
	}
	if n == dispatchMax {
		m.heat(l)
	}
}

// lease gives o to the consumer and counts it.
func (m *Machine) lease(l *Log, c *consumer, o record.Offset, p piece) Delivery {
	d := Delivery{
		Offset: o, Count: l.cursor.Count(o), Redelivered: o < l.suspect || l.cursor.Redelivered(o),
		Record: p.record, Of: p.of, Index: p.index,
	}
	l.cursor.Lease(o, c.id, m.now)
	l.stats.Delivered++
	m.counts.Delivered++
	if d.Redelivered {
		l.stats.Redelivered++
		m.counts.Redelivered++
	}
	if o >= l.delivered {
		if l.delivered <= l.announced {
			m.raised = append(m.raised, l)
		}
		l.delivered = o + 1
	}
	switch {
	case c.leaseMillis > 0:
		c.stamp(o, m.now)
	case c.auto:
		l.cursor.SettleLocal(c.id, o, o+1)
		m.emit(commandSettle, l.id, byte(WhyAccepted), o, o+1)
	}
	return d
}

// loadOwn is load of a log that has its messages itself.
func (m *Machine) loadOwn(l *Log, o record.Offset) ([]byte, bool) {
	if o >= l.tail.Base() && o < l.tail.End() {
		if l.cold.records != nil {
			l.cold.drop()
		}
		return m.tail.Record(l.tail.At(o)), true
	}
	if rec, ok := l.cold.find(o); ok {
		return rec, true
	}
	if !l.cold.reading {
		l.cold.reading = true
		m.reads = append(m.reads, Read{Log: l.id, From: o, MaxBytes: coldReadBytes})
	}
	return nil, false
}

// TakeReads returns the reads to make. Each must be answered by Loaded.
func (m *Machine) TakeReads() []Read {
	r := m.reads
	m.reads = nil
	return r
}

// Loaded takes in what a Read brought.
func (m *Machine) Loaded(r Read, offsets []record.Offset, records [][]byte) {
	l := m.logs[r.Log]
	if l == nil {
		return
	}
	loaded := make([]coldRecord, len(offsets))
	for i, o := range offsets {
		loaded[i] = coldRecord{o, records[i]}
	}
	if r.view != 0 {
		m.loadedView(&r, loaded)
		return
	}
	if r.follower != 0 {
		m.loadedFor(l, &r, loaded)
		return
	}
	l.cold.reading = false
	l.cold.at = 0
	l.cold.records = loaded
	m.heat(l)
}

// Pull asks for one message on behalf of a hidden consumer; reply is called once,
// now or after a read.
func (m *Machine) Pull(log record.LogID, id cursor.ConsumerID, reply func(d Delivery, ok bool, ready uint64)) {
	l := m.logs[log]
	if l == nil || l.consumers[id] == nil {
		reply(Delivery{}, false, 0)
		return
	}
	l.pulls = append(l.pulls, pull{c: l.consumers[id], reply: reply})
	m.heat(l)
}

func (m *Machine) servePulls(l *Log) {
	for len(l.pulls) > 0 {
		p := l.pulls[0]
		if p.take != nil {
			if !m.serveTake(l, p) {
				return
			}
			l.pulls = l.pulls[1:]
			p.take.reply(p.take.got)
			continue
		}
		o, ok := l.cursor.Peek(m.now)
		var d Delivery
		if ok {
			if !m.mayDeliver(l, o) {
				return
			}
			rec, loaded := m.load(l, o)
			if !loaded {
				return
			}
			if l.viewing() && m.passes(l, o) {
				continue
			}
			d = m.lease(l, p.c, o, rec)
		}
		l.pulls = l.pulls[1:]
		p.reply(d, ok, l.cursor.Counts().Ready)
	}
	l.pulls, l.blob = nil, blob{}
}

// deadMax is how many messages of a log may wait to be dead-lettered before no
// more are expired or dropped into that state: each holds its record in memory.
const deadMax = 65536

// expire takes expired messages, wherever they are, and leases that ran out.
func (m *Machine) expire(l *Log) {
	m.expireTo(l, m.late(l))
	for _, r := range l.cursor.LeaseTimeouts(m.now, nil) {
		m.release(l, r.Lo, r.Hi, true)
	}
	if l.leasing == 0 {
		return
	}
	for _, c := range l.consumers {
		if c.leaseMillis > 0 {
			m.takeBack(l, c)
		}
	}
}

// expireTo takes the messages that expire at the time or before.
func (m *Machine) expireTo(l *Log, at int64) {
	if l.config.DeadLetter && l.cursor.Dead().Len() >= deadMax {
		return
	}
	for _, o := range l.cursor.Expired(at, nil) {
		m.discard(l, o, WhyExpired)
	}
}

// overflow takes the head of a queue that is over its limit.
func (m *Machine) overflow(l *Log) {
	if l.config.Overflow != cursor.OverflowDropHead || l.config.MaxLength < 0 && l.config.MaxBytes < 0 {
		return
	}
	if l.config.DeadLetter && l.cursor.Dead().Len() >= deadMax {
		return
	}
	for _, o := range l.cursor.Overflowing(nil) {
		m.discard(l, o, WhyMaxLength)
	}
}

func (m *Machine) discard(l *Log, o record.Offset, why Why) {
	if l.config.DeadLetter {
		m.emit(commandBury, l.id, byte(why), o, o+1)
	} else {
		m.emit(commandSettle, l.id, byte(why), o, o+1)
	}
}

const (
	// noDeadline is later than any.
	noDeadline = int64(math.MaxInt64)
	// A look at all deadlines costs about this many logs a millisecond; looks
	// keep that much distance, so that many deadlines cost little precision
	// instead of much time.
	timersPerMilli = 2000
)

// Timers handles every deadline that has passed and returns when to call again,
// if there is any.
func (m *Machine) Timers() (next int64, ok bool) {
	due := max(m.deadline, m.looked+int64(len(m.timers)/timersPerMilli))
	if m.now < due {
		return due, m.deadline != noDeadline
	}
	m.looked = m.now
	m.deadline = noDeadline
	kept := m.timers[:0]
	for _, l := range m.timers {
		d, pending := l.deadline()
		if pending && d <= m.now && m.logs[l.id] == l {
			m.heat(l)
			if d <= m.late(l) {
				m.expire(l)
			}
			d, pending = l.deadline()
		}
		if !pending || m.logs[l.id] != l {
			l.timed = false
			continue
		}
		kept = append(kept, l)
		m.deadline = min(m.deadline, d)
	}
	clear(m.timers[len(kept):])
	m.timers = kept
	return max(m.deadline, m.now+1), m.deadline != noDeadline
}

// TakeDead returns the dead letters to store elsewhere.
func (m *Machine) TakeDead() []DeadLetter {
	d := m.dead
	m.dead = nil
	return d
}
