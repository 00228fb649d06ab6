package kafka

import (
	"encoding/binary"
	"sync"

	"weir/internal/broker"
	"weir/internal/record"
)

// producerIDs gives out producer ids, none of them twice: what is given out has
// been set aside durably before, many at a time.
type producerIDs struct {
	session *broker.Session
	mu      struct {
		sync.Mutex
		next, end record.ProducerID
	}
}

const (
	producerLedger    = "producers"
	producerNext      = "next"
	producerIDsAtOnce = 1000
)

// take returns an id nobody has.
func (p *producerIDs) take() (record.ProducerID, *broker.Error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.mu.next == p.mu.end {
		if err := p.reserve(); err != nil {
			return 0, err
		}
	}
	p.mu.next++
	return p.mu.next - 1, nil
}

func (p *producerIDs) reserve() *broker.Error {
	noted, err := p.session.Noted(producerLedger, producerNext)
	if err != nil {
		return err
	}
	next := record.ProducerID(0)
	if len(noted) == 8 {
		next = record.ProducerID(binary.BigEndian.Uint64(noted))
	}
	value := binary.BigEndian.AppendUint64(nil, uint64(next+producerIDsAtOnce))
	if err := p.session.NoteNow(producerLedger, broker.Note{Key: producerNext, Value: value}); err != nil {
		return err
	}
	p.mu.next, p.mu.end = next, next+producerIDsAtOnce
	return nil
}
