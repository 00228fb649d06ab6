package shard

import "weir/internal/record"

// deliverySlack is how far deliveries may run ahead of the replicated mark that
// says what was delivered. After a crash everything below mark and slack is
// flagged as possibly delivered: too much by at most so many messages, never too
// little. It covers what a fast queue delivers while one entry is on its way.
const deliverySlack = 16384

// mayDeliver says whether o may be handed out now. If not, the mark is proposed
// and dispatch goes on once that is applied.
func (m *Machine) mayDeliver(l *Log, o record.Offset) bool {
	if m.shelf == nil || o < l.allowed {
		return true // what is volatile has no after
	}
	if !l.announcing {
		l.announcing = true
		mark := max(l.delivered, o)
		m.Command(func(dst []byte) []byte { return appendOffset(dst, commandDelivered, l.id, mark) })
	}
	l.held = l.held || l.fresh == m.turns
	return false
}

func (m *Machine) applyDelivered(l *Log, end record.Offset) {
	l.cursor.Delivered(end)
	l.attended = true
	if m.leading {
		l.announcing = false
		if l.held {
			l.held, l.fresh = false, m.turns
		}
		l.allowed = max(l.allowed, end+deliverySlack)
		m.heat(l)
	}
}

// Calm proposes the exact marks at a clean stop, when nobody is attached any more:
// the next start has nothing new to suspect. What this one suspected and has not
// handed out again stays under suspicion.
func (m *Machine) Calm() {
	for _, l := range m.logs {
		if l.attended {
			end := max(l.delivered, l.cursor.HighWater(), l.suspect)
			m.Command(func(dst []byte) []byte { return appendOffset(dst, commandCalm, l.id, end) })
		}
	}
}
