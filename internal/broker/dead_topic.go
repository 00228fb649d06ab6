package broker

import (
	"slices"

	"weir/internal/meta"
	"weir/internal/record"
)

// GivenUp is a message that a group which reads together has given up.
type GivenUp struct {
	Group, Topic string
	Partition    int
	Offset       record.Offset
	Deliveries   uint32
	Why          DeadReason
	UnixMillis   int64
	Native       []byte // nil: only where it stood is told
	Index        uint32 // of the message in Native
}

// DeadTopicFunc makes what is stored of a message that was given up.
type DeadTopicFunc func(g *GivenUp) (Blob, error)

// giveUp stores what a group gave up in its topic for that, at least once. Where
// there is no such topic, or it may not be used for that, the message is settled as
// without one.
func (w *deadLetterer) giveUp(l deadLetter, q *meta.Queue, to string, rec, native []byte, env *record.Envelope) {
	o := &w.engine.options
	g := &GivenUp{
		Group: q.Name, Topic: q.View.Topic, Offset: l.Offset, Deliveries: l.Count, Why: deadReason(l.Why), UnixMillis: o.Clock.Millis(),
	}
	if g.Why == DeadRejected {
		g.Deliveries++ // the one that ended with it
	}
	target := w.deadPartition(q, to, g)
	if target == nil {
		o.Log.Warn("topic for messages given up is missing or not made for that", "topic", to, "group", q.Name)
		w.stored(l)
		return
	}
	if whole := q.Effective().DeadWhole; whole != nil && *whole {
		g.Native, g.Index = native, l.Index
		if env.Dialect != o.DeadTopicAs {
			var err error
			if g.Native, err = w.convert(rec, l.Index, env, o.DeadTopicAs); err != nil {
				g.Native = nil
			}
			g.Index = 0
		}
	}
	b, err := o.DeadTopic(g)
	most := o.MessageBytesMax
	if limit := target.Effective().MessageBytes; limit != nil {
		most = min(most, *limit)
	}
	if err != nil || int64(len(b.Native)) > most {
		g.Native = nil // that it was there can be told still
		if b, err = o.DeadTopic(g); err != nil {
			w.engine.fail(err)
			return
		}
	}
	w.session.appendBlob(target, &b, func(_, _ record.Offset, err *Error) {
		switch {
		case err == nil || err.Code == CodeNotFound || err.Code == CodeTooLarge:
			w.stored(l)
		default:
			w.again(l)
		}
	})
}

// deadPartition finds where a message that was given up goes, and which partition it
// is of.
func (w *deadLetterer) deadPartition(q *meta.Queue, to string, g *GivenUp) *meta.Queue {
	c := w.engine.control
	c.mu.RLock()
	defer c.mu.RUnlock()
	from, target := c.state.Topic(q.Namespace, q.View.Topic), c.state.Topic(q.Namespace, to)
	if from == nil || target == nil || target.Settings.TakesDead == nil || !*target.Settings.TakesDead {
		return nil
	}
	g.Partition = slices.IndexFunc(from.Partitions, func(p *meta.Queue) bool { return p.Log == q.View.Source })
	if g.Partition < 0 {
		return nil
	}
	return target.Partitions[g.Partition%len(target.Partitions)]
}
