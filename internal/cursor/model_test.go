package cursor_test

import (
	"math"
	"slices"

	"weir/internal/cursor"
	"weir/internal/record"
)

type state uint8

const (
	ready state = iota
	delayed
	leased
	held
	dead
)

// message is all there is to know of an unsettled message, without cleverness.
type message struct {
	o        record.Offset
	state    state
	by       cursor.ConsumerID
	at       int64 // of the lease; 0 is not known
	lane     uint8
	expiry   int64
	until    int64 // 0 is not waiting
	bytes    uint32
	count    uint32
	returned bool
	bare     bool // has lost its attributes
}

type customer struct {
	id       cursor.ConsumerID
	priority int32
	pull     bool
	paused   bool
	credit   int64
	turn     int
	entered  bool
}

// model is a queue as plain as can be.
type model struct {
	config    cursor.Config
	messages  map[record.Offset]*message
	customers []*customer
	active    *customer
	turn      int
	highWater record.Offset
	leasedTo  record.Offset
	restored  record.Offset
}

func (m *model) sorted(keep func(*message) bool) (out []record.Offset) {
	for o, msg := range m.messages {
		if keep(msg) {
			out = append(out, o)
		}
	}
	slices.Sort(out)
	return out
}

func (m *model) in(st state) []record.Offset {
	return m.sorted(func(msg *message) bool { return msg.state == st })
}

func (m *model) append(o record.Offset, a cursor.Attributes) {
	msg := m.messages[o]
	if msg == nil {
		msg = &message{o: o}
		m.messages[o] = msg
	}
	if a.Bytes != 0 {
		msg.bytes = a.Bytes
	}
	if a.Priority != 0 && m.config.Lanes > 1 && msg.state != dead {
		msg.lane = a.Priority
	}
	if a.Expiry != 0 && msg.state != dead {
		msg.expiry = a.Expiry
	}
	if a.Due != 0 && msg.state == ready {
		msg.state, msg.until = delayed, a.Due
	}
	msg.bare = false
}

func (m *model) lane(msg *message) uint8 {
	return uint8(min(uint16(msg.lane), max(m.config.Lanes, 1)-1))
}

func (m *model) settle(lo, hi record.Offset) (n uint64) {
	for o := range m.messages {
		if o >= lo && o < hi {
			delete(m.messages, o)
			n++
		}
	}
	return n
}

func (m *model) promote(now int64) {
	for _, msg := range m.messages {
		if msg.until != 0 && msg.until <= now {
			msg.until = 0
			if msg.state == delayed {
				msg.state = ready
			}
		}
	}
}

func (m *model) putBack(msg *message) {
	msg.state = ready
	if msg.until != 0 {
		msg.state = delayed
	}
}

func (m *model) release(o record.Offset, delay, now int64, counted bool) cursor.Verdict {
	m.promote(now)
	msg := m.messages[o]
	if msg == nil || msg.state == dead {
		return cursor.Ignored
	}
	msg.returned = true
	if counted {
		msg.count++
		if m.config.NoReturns || m.config.DeliveryLimit > 0 && msg.count > m.config.DeliveryLimit {
			msg.state = held
			return cursor.OverLimit
		}
	}
	backoff := m.config.BackoffMin * int64(msg.count)
	if m.config.BackoffMax > 0 {
		backoff = min(backoff, m.config.BackoffMax)
	}
	if delay = max(delay, backoff); delay > 0 && msg.until == 0 {
		msg.until = now + delay
	}
	m.putBack(msg)
	if msg.state == delayed {
		return cursor.Postponed
	}
	return cursor.Returned
}

func (m *model) peek(now int64) (record.Offset, bool) {
	m.promote(now)
	var best *message
	for _, msg := range m.messages {
		if msg.state != ready {
			continue
		}
		if best == nil || m.lane(msg) > m.lane(best) || m.lane(msg) == m.lane(best) && msg.o < best.o {
			best = msg
		}
	}
	if best == nil {
		return 0, false
	}
	return best.o, true
}

func (m *model) expired(now int64) []record.Offset {
	out := m.sorted(func(msg *message) bool {
		return msg.expiry != 0 && msg.expiry <= now && (msg.state == ready || msg.state == delayed)
	})
	for _, o := range out {
		m.messages[o].state = held
	}
	return out
}

func (m *model) load() (count, bytes int64) {
	for _, msg := range m.messages {
		if msg.state == ready {
			count++
			bytes += int64(msg.bytes)
		}
	}
	return count, bytes
}

func (m *model) room(moreCount, moreBytes int64) bool {
	count, bytes := m.load()
	return (m.config.MaxLength < 0 || count+moreCount <= m.config.MaxLength) &&
		(m.config.MaxBytes < 0 || bytes+moreBytes <= m.config.MaxBytes)
}

func (m *model) overflowing() (out []record.Offset) {
	for m.config.Overflow == cursor.OverflowDropHead && !m.room(0, 0) {
		var worst *message
		for _, msg := range m.messages {
			if msg.state != ready {
				continue
			}
			if worst == nil || m.lane(msg) < m.lane(worst) || m.lane(msg) == m.lane(worst) && msg.o < worst.o {
				worst = msg
			}
		}
		if worst == nil {
			break
		}
		worst.state = held
		out = append(out, worst.o)
	}
	return out
}

func (m *model) customer(id cursor.ConsumerID) *customer {
	for _, c := range m.customers {
		if c.id == id {
			return c
		}
	}
	return nil
}

// refresh lets those who have just become able to take a message queue up.
func (m *model) refresh() {
	for _, c := range m.customers {
		able := c.credit > 0 && !c.paused && !c.pull
		if able && !c.entered {
			m.turn++
			c.turn = m.turn
		}
		c.entered = able
	}
}

func (m *model) leases(id cursor.ConsumerID) []record.Offset {
	return m.sorted(func(msg *message) bool { return msg.state == leased && msg.by == id })
}

func (m *model) activate() (c *customer, handover bool) {
	var best *customer
	for _, c := range m.customers {
		if !c.pull && (best == nil || c.priority > best.priority) {
			best = c
		}
	}
	if m.active == nil || best == nil {
		m.active = best
	}
	if best != nil && m.active.priority < best.priority {
		if len(m.leases(m.active.id)) > 0 {
			return m.active, true
		}
		m.active = best
	}
	return m.active, false
}

func (m *model) pick() (cursor.ConsumerID, bool) {
	if m.config.SingleActive {
		c, handover := m.activate()
		if c == nil || handover || !c.entered {
			return 0, false
		}
		return c.id, true
	}
	var best *customer
	for _, c := range m.customers {
		if c.entered && (best == nil || c.priority > best.priority ||
			c.priority == best.priority && c.turn < best.turn) {
			best = c
		}
	}
	if best == nil {
		return 0, false
	}
	return best.id, true
}

func (m *model) lease(o record.Offset, id cursor.ConsumerID, now int64) bool {
	c, msg := m.customer(id), m.messages[o]
	if c == nil || msg == nil || msg.state != ready {
		return false
	}
	msg.state, msg.by, msg.at = leased, id, 0
	if m.config.LeaseTimeout > 0 {
		msg.at = now
	}
	m.leasedTo = max(m.leasedTo, o+1)
	if c.credit > 0 && c.credit != math.MaxInt64 {
		c.credit--
	}
	m.turn++
	c.turn = m.turn
	return true
}

func (m *model) timeouts(now int64) []record.Offset {
	if m.config.LeaseTimeout <= 0 {
		return nil
	}
	out := m.sorted(func(msg *message) bool {
		if msg.state == leased && msg.at == 0 {
			msg.at = now
		}
		return msg.state == leased && msg.at+m.config.LeaseTimeout <= now
	})
	for _, o := range out {
		m.messages[o].state = held
	}
	return out
}

// due returns the first time at which something happens by itself.
func (m *model) due() (at int64, ok bool) {
	earliest := func(t int64) {
		if !ok || t < at {
			at, ok = t, true
		}
	}
	for _, msg := range m.messages {
		if msg.state == delayed {
			earliest(msg.until)
		}
		if msg.expiry != 0 && (msg.state == ready || msg.state == delayed) {
			earliest(msg.expiry)
		}
		if msg.state == leased && m.config.LeaseTimeout > 0 && msg.at != 0 {
			earliest(msg.at + m.config.LeaseTimeout)
		}
	}
	return at, ok
}

func (m *model) resetLocal() {
	m.customers, m.active = nil, nil
	m.restored = max(m.restored, m.highWater, m.leasedTo)
	for _, msg := range m.messages {
		if msg.state != dead {
			m.putBack(msg)
		}
	}
}

// restore is a restart: the replicated half is all that is left.
func (m *model) restore() {
	m.customers, m.active, m.leasedTo = nil, nil, 0
	m.restored = m.highWater
	for o, msg := range m.messages {
		fresh := &message{o: o, count: msg.count, returned: msg.returned, bare: true}
		if msg.state == dead {
			fresh.state = dead
		}
		m.messages[o] = fresh
	}
}
