package broker

import (
	"cmp"
	"slices"

	"weir/internal/meta"
	"weir/internal/record"
	"weir/internal/shard"
)

// QueueCounts are a queue's numbers at one moment. Those of what happened count
// since this node leads.
type QueueCounts struct {
	Namespace, Name             string
	Ready, Unsettled, Total     uint64
	ReadyBytes, Bytes           int64
	Consumers                   int
	Published, Delivered, Acked uint64
	Redelivered                 uint64
}

// Survey is the queues there were at one moment, to be gone through any number of
// times. It is made for very many: nothing is built per queue. It belongs to one
// goroutine.
type Survey struct {
	engine *engine
	queues []*meta.Queue
	counts []QueueCounts // scratch
}

// surveyStep queues are looked at together.
const surveyStep = 512

// Survey takes down the queues of these namespaces, by namespace and name.
func (b *Broker) Survey(spaces ...string) *Survey {
	s := &Survey{engine: b.engine}
	c := b.engine.control
	c.mu.RLock()
	n := 0
	for _, space := range spaces {
		if ns := c.state.Namespace(space); ns != nil {
			n += len(ns.Queues)
		}
	}
	s.queues = make([]*meta.Queue, 0, n)
	for _, space := range spaces {
		if ns := c.state.Namespace(space); ns != nil {
			for _, q := range ns.Queues {
				s.queues = append(s.queues, q)
			}
		}
	}
	c.mu.RUnlock()
	slices.SortFunc(s.queues, func(a, b *meta.Queue) int {
		return cmp.Or(cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Name, b.Name))
	})
	return s
}

// Len is the number of queues.
func (s *Survey) Len() int { return len(s.queues) }

// Each calls yield for every queue until it says false. The counts are of the
// time of the call and reused after it.
func (s *Survey) Each(yield func(q *QueueCounts) bool) {
	if s.counts == nil {
		s.counts = make([]QueueCounts, min(surveyStep, len(s.queues)))
	}
	counts := s.counts
	var shards []record.ShardID
	for rest := s.queues; len(rest) > 0; {
		some := rest[:min(surveyStep, len(rest))]
		rest = rest[len(some):]
		shards = shards[:0]
		for i, q := range some {
			counts[i] = QueueCounts{Namespace: q.Namespace, Name: q.Name}
			if !slices.Contains(shards, q.Shard) {
				shards = append(shards, q.Shard)
			}
		}
		for _, id := range shards {
			s.engine.hosts[id].call(func(m *shard.Machine) {
				for i, q := range some {
					if q.Shard == id {
						counts[i].count(m, q)
					}
				}
			})
		}
		for i, q := range some {
			for _, part := range q.Parts()[1:] {
				s.engine.hosts[part.Shard].call(func(m *shard.Machine) { counts[i].addPart(m, part) })
			}
			if !yield(&counts[i]) {
				return
			}
		}
	}
}

// addPart adds the counts of a part of the queue. Who consumes one consumes all.
func (i *QueueCounts) addPart(m *shard.Machine, part *meta.Queue) {
	var c QueueCounts
	c.count(m, part)
	i.Ready, i.Unsettled, i.Total = i.Ready+c.Ready, i.Unsettled+c.Unsettled, i.Total+c.Total
	i.ReadyBytes, i.Bytes = i.ReadyBytes+c.ReadyBytes, i.Bytes+c.Bytes
	i.Published, i.Delivered = i.Published+c.Published, i.Delivered+c.Delivered
	i.Acked, i.Redelivered = i.Acked+c.Acked, i.Redelivered+c.Redelivered
}

func (i *QueueCounts) count(m *shard.Machine, q *meta.Queue) {
	c, ok := m.Counts(q.Log)
	if !ok {
		return
	}
	i.Ready, i.Unsettled, i.Total = c.Ready, c.Leased, c.Ready+c.Leased+c.Delayed
	i.ReadyBytes, i.Bytes, i.Consumers = c.ReadyBytes, c.Bytes, c.Consumers
	i.Published, i.Delivered, i.Acked, i.Redelivered = c.Published, c.Delivered, c.Acked, c.Redelivered
}
