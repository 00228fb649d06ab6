package admin

import (
	"sync"

	"weir/internal/broker"
	"weir/internal/record"
)

const (
	// rateMillisMin is the shortest time a rate is taken over.
	rateMillisMin = 5_000
	// sampleMillisMax is how long a queue nobody asked for is remembered.
	sampleMillisMax = 10 * 60 * 1000
)

// rates are counters as they were when somebody last asked, so that a rate is
// that since then: no background work, and right for whoever polls.
type rates struct {
	sync.Mutex
	samples map[record.LogID]*sample
}

type counts struct{ messages, published, delivered, acked, redelivered float64 }

type sample struct {
	at   int64
	from counts
	rate counts
}

func countsOf(q *broker.QueueInfo) counts {
	return counts{float64(q.Total), float64(q.Published), float64(q.Delivered), float64(q.Acked), float64(q.Redelivered)}
}

// of returns a queue's rates per second; the first time they are unknown and 0.
func (r *rates) of(q *broker.QueueInfo, now int64) counts {
	r.Lock()
	defer r.Unlock()
	s := r.samples[q.Log]
	if s == nil {
		if r.samples == nil {
			r.samples = map[record.LogID]*sample{}
		}
		r.samples[q.Log] = &sample{at: now, from: countsOf(q)}
		return counts{}
	}
	if now-s.at >= rateMillisMin {
		is, seconds := countsOf(q), float64(now-s.at)/1000
		s.rate = counts{
			(is.messages - s.from.messages) / seconds, (is.published - s.from.published) / seconds,
			(is.delivered - s.from.delivered) / seconds, (is.acked - s.from.acked) / seconds,
			(is.redelivered - s.from.redelivered) / seconds,
		}
		s.at, s.from = now, is
	}
	return s.rate
}

// prune forgets queues that are gone, when there are many.
func (r *rates) prune(queues int, now int64) {
	r.Lock()
	defer r.Unlock()
	if len(r.samples) < 2*queues+100 {
		return
	}
	for id, s := range r.samples {
		if now-s.at > sampleMillisMax {
			delete(r.samples, id)
		}
	}
}
