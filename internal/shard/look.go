package shard

import (
	"weir/internal/cursor"
	"weir/internal/record"
)

// Standing tells the state of a message, how many counted returns it has had and
// whether it may have been delivered before.
func (m *Machine) Standing(log record.LogID, o record.Offset) (s cursor.Standing, count uint32, redelivered bool) {
	l := m.logs[log]
	if l == nil {
		return cursor.Settled, 0, false
	}
	return l.cursor.Standing(o), l.cursor.Count(o), o < l.suspect || l.cursor.Redelivered(o)
}

// Claim leases one ready message to a consumer, out of turn and without counting
// that as a delivery. It tells whether it did.
func (m *Machine) Claim(log record.LogID, id cursor.ConsumerID, o record.Offset) bool {
	l := m.logs[log]
	if l == nil || l.consumers[id] == nil {
		return false
	}
	if d, ok := l.cursor.Deadline(); ok && d < m.now {
		m.expire(l)
	}
	return l.cursor.Standing(o) == cursor.Ready && l.cursor.Lease(o, id, m.now)
}

// Unclaim undoes Claim.
func (m *Machine) Unclaim(log record.LogID, id cursor.ConsumerID, o record.Offset) {
	if l := m.logs[log]; l != nil && l.cursor.Unlease(id, o) {
		m.heat(l)
		m.watch(l)
	}
}
