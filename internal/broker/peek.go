package broker

import (
	"weir/internal/cursor"
	"weir/internal/record"
	"weir/internal/shard"
)

// Standing is the state of one message in its queue.
type Standing = cursor.Standing

// The standings.
const (
	Settled = cursor.Settled
	Ready   = cursor.Ready
)

// Peeked is a message somebody looks at without taking it.
type Peeked struct {
	Delivery
	Standing Standing
}

// Peek is Read with the state of every message.
func (s *Session) Peek(queue string, from Position, n int) ([]Peeked, record.Offset, *Error) {
	ds, next, err := s.Read(queue, from, n)
	if err != nil || len(ds) == 0 {
		return nil, next, err
	}
	q, err := s.readable(queue)
	if err != nil {
		return nil, 0, err
	}
	out := make([]Peeked, len(ds))
	err = s.call(q, func(m *shard.Machine) {
		for i := range ds {
			p := &out[i]
			p.Delivery = ds[i]
			p.Standing, p.Count, p.Redelivered = m.Standing(q.Log, ds[i].Offset)
		}
	})
	return out, next, err
}

// End is the offset the queue's next message gets.
func (s *Session) End(queue string) (record.Offset, *Error) {
	q, err := s.readable(queue)
	if err != nil {
		return 0, err
	}
	var end record.Offset
	err = s.call(q, func(m *shard.Machine) {
		if c, ok := m.Counts(q.Log); ok {
			end = c.Next
		}
	})
	return end, err
}
