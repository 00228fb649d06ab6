package broker

import (
	"weir/internal/meta"
	"weir/internal/shard"
)

func describe(q *meta.Queue) QueueInfo {
	return QueueInfo{
		Namespace: q.Namespace, Name: q.Name, Durable: q.Durable, Exclusive: q.Exclusive, AutoDelete: q.AutoDelete,
		Owner: q.Owner, Arguments: q.Arguments, Log: q.Log,
	}
}

// fill adds the counts of q at this moment.
func (e *engine) fill(info *QueueInfo, q *meta.Queue) {
	h := e.hosts[q.Shard]
	h.call(func(m *shard.Machine) { info.count(m, q) })
}

func (i *QueueInfo) count(m *shard.Machine, q *meta.Queue) {
	c, ok := m.Counts(q.Log)
	if !ok {
		return
	}
	i.Ready, i.Unsettled = c.Ready, c.Leased
	i.Total = c.Ready + c.Leased + c.Delayed
	i.ReadyBytes, i.Bytes = c.ReadyBytes, c.Bytes
	i.Consumers = c.Consumers
	i.Published, i.Delivered, i.Acked, i.Redelivered = c.Published, c.Delivered, c.Acked, c.Redelivered
}

// Unready says why the broker cannot take everything, or nothing if it can.
func (b *Broker) Unready() string {
	if b.engine.closing.Load() {
		return "shutting down"
	}
	if r := b.engine.pressure(); r != "" && r != reasonBusy {
		return r
	}
	return ""
}

// MessageBytesMax is the largest message the broker takes.
func (b *Broker) MessageBytesMax() int64 { return b.engine.options.MessageBytesMax }
