package broker

import (
	"weir/internal/meta"
	"weir/internal/record"
	"weir/internal/route"
	"weir/internal/shard"
)

// PublishedFunc returns the routing keys, at least one, and what exchanges may look at of a
// message's native bytes.
type PublishedFunc func(native []byte) (keys []string, m route.Message, err error)

// newExchange is what the control state is told of a declaration.
func (s *Session) newExchange(spec *ExchangeSpec) *meta.Exchange {
	x := &meta.Exchange{
		Namespace: s.namespace, Name: spec.Name, Kind: spec.Kind, Durable: spec.Durable,
		AutoDelete: spec.AutoDelete, Internal: spec.Internal, Alternate: spec.Alternate, HashBy: spec.HashBy, Arguments: spec.Arguments,
	}
	if spec.Remember > 0 {
		x.Memory = &meta.Queue{
			Namespace: s.namespace, Name: spec.Name, Shard: volatileShard, Durable: spec.Durable,
			Settings: Settings{MaxLength: &spec.Remember},
		}
		if spec.Durable {
			x.Memory.Shard = s.engine.place()
		}
	}
	return x
}

// memorySlack is by how many messages a memory may exceed its length for a moment.
const memorySlack = 1 << 16

// recall stores what the source of a new binding remembers at its destination,
// and returns when it is there. A destination without room for all gets nothing.
func (s *Session) recall(b *BindingSpec) {
	e := s.engine
	e.control.mu.RLock()
	x := e.control.state.Exchange(s.namespace, b.Source)
	e.control.mu.RUnlock()
	if x == nil || x.Memory == nil {
		return
	}
	// What is over the length may not have been dropped yet.
	most := int(*x.Memory.Settings.MaxLength)
	messages, _, err := s.read(x.Memory, 0, most+memorySlack)
	if err != nil {
		return // shutting down
	}
	messages = messages[max(len(messages)-most, 0):]
	tx := s.Begin()
	var router meta.Router
	for _, d := range messages {
		e.control.mu.RLock()
		for _, q := range s.recalled(&router, b, d.Record) {
			part := tx.part(e.hosts[q.Shard])
			part.data = append(shard.AppendMessage(part.data, []record.LogID{q.Log}), d.Record...)
		}
		e.control.mu.RUnlock()
	}
	if err := tx.Commit(); err != nil {
		e.options.Log.Warn("a new binding gets nothing of what its exchange remembers", "exchange", b.Source, "to", b.Destination, "err", err)
	}
}

// recalled returns the queues that a remembered message reaches through the
// binding. The caller holds the control state.
func (s *Session) recalled(router *meta.Router, b *BindingSpec, rec []byte) []*meta.Queue {
	state := s.engine.control.state
	if !b.ToExchange {
		if q := state.Queue(s.namespace, b.Destination); q != nil {
			return []*meta.Queue{q}
		}
		if t := state.Topic(s.namespace, b.Destination); t != nil {
			return []*meta.Queue{router.Partition(t, nil)}
		}
		return nil
	}
	x := state.Exchange(s.namespace, b.Destination)
	var env record.Envelope
	native, err := record.Decode(rec, &env)
	published := s.engine.options.Published[env.Dialect]
	if x == nil || err != nil || published == nil {
		return nil
	}
	keys, m, err := published(native)
	if err != nil {
		return nil
	}
	return router.Route(state, x, []byte(keys[0]), m, keys[1:]...)
}
