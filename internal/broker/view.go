package broker

import (
	"strings"

	"weir/internal/auth"
	"weir/internal/meta"
	"weir/internal/record"
	"weir/internal/shard"
)

// A queue named after a topic, viewMark and a name of its own is a view: it is
// consumed like any queue, and what is in it are the topic's messages.
const viewMark = "::"

// viewName returns the topic in the name of a view; false says that it is no such
// name.
func viewName(name string) (topic string, ok bool) {
	topic, cursor, ok := strings.Cut(name, viewMark)
	return topic, ok && topic != "" && cursor != ""
}

// Views says whether a queue of this name is, or would be, a view over a topic.
func (s *Session) Views(name string) bool {
	topic, ok := viewName(name)
	if !ok {
		return false
	}
	c := s.engine.control
	c.mu.RLock()
	defer c.mu.RUnlock()
	if q := c.state.Queue(s.namespace, name); q != nil {
		return q.View != nil
	}
	return c.state.Topic(s.namespace, topic) != nil
}

// viewed returns the topic that a new queue of this name would be over, nil for
// none.
func (s *Session) viewed(name string) (*meta.Topic, *Error) {
	topic, ok := viewName(name)
	if !ok {
		return nil, nil
	}
	c := s.engine.control
	c.mu.RLock()
	defer c.mu.RUnlock()
	t := c.state.Topic(s.namespace, topic)
	if t == nil {
		return nil, nil
	}
	return t, s.may(c.state, auth.Read, ObjectTopic, topic)
}

// view makes q a view over the topic, to begin where the declaration says.
func (s *Session) view(t *meta.Topic, q *meta.Queue, begin *Position) *Error {
	if err := checkView(q); err != nil {
		return err
	}
	for i, p := range s.partitions(t) {
		at, err := s.begin(p, begin)
		if err != nil {
			return err
		}
		part := q
		if i > 0 {
			part = &meta.Queue{
				Namespace: q.Namespace, Name: q.Name, Durable: q.Durable, Exclusive: q.Exclusive, AutoDelete: q.AutoDelete,
				Owner: q.Owner, Settings: q.Settings, Class: q.Class, Defaults: q.Defaults, PolicyFirst: q.PolicyFirst,
			}
			q.View.More = append(q.View.More, part)
		}
		part.Shard, part.View = p.Shard, &meta.View{Topic: t.Name, Source: p.Log, Begin: at}
	}
	return nil
}

// partitions are those the topic has at this moment.
func (s *Session) partitions(t *meta.Topic) []*meta.Queue {
	c := s.engine.control
	c.mu.RLock()
	defer c.mu.RUnlock()
	return t.Partitions
}

// begin is where a view over a partition begins, negative for its end.
func (s *Session) begin(p *meta.Queue, at *Position) (int64, *Error) {
	if at == nil || at.End {
		return -1, nil
	}
	o, err := s.resolve(p, *at)
	return int64(o), err
}

// NewReader returns a reader of messages in a dialect, whatever dialect they are
// stored in.
func (b *Broker) NewReader(to record.Dialect) *record.Reader {
	return b.engine.options.Converters.NewReader(to)
}

// Translate returns a record of a dialect with the message that is delivered.
func (b *Broker) Translate(d *Delivery, to record.Dialect) ([]byte, error) {
	return b.engine.options.Converters.Convert(d.Record, d.Index, to)
}

// Show is Translate, or the record as it is where it cannot be converted.
func (b *Broker) Show(d *Delivery, to record.Dialect) []byte {
	rec, err := b.Translate(d, to)
	if err != nil {
		return d.Record
	}
	return rec
}

// begun returns when a new view is where it begins: what is stored after that is
// in it.
func (s *Session) begun(q *meta.Queue) *Error {
	if q.View == nil {
		return nil
	}
	for _, part := range q.Parts() {
		if err := s.call(part, func(*shard.Machine) {}); err != nil {
			return err
		}
	}
	return nil
}

// checkView refuses settings that a queue which holds no messages of its own
// cannot have.
func checkView(q *meta.Queue) *Error {
	s := &q.Settings
	for _, row := range []struct {
		field string
		set   bool
	}{
		{"stream", s.Stream != nil && *s.Stream},
		{"max-length", s.MaxLength != nil},
		{"max-length-bytes", s.MaxBytes != nil},
		{"overflow", s.Overflow != nil && *s.Overflow != OverflowDropHead},
		{"max-priority", s.MaxPriority != nil},
		{"message-deduplication", s.DedupMillis != nil},
		{"rate-limit", s.RatePerSecond != nil},
		{"accept-limit", s.AcceptMax != nil},
		{"retain", s.RetainMillis != nil || s.RetainBytes != nil},
	} {
		if row.set {
			return &Error{
				Code: CodeInvalid, Object: ObjectQueue, Name: q.Name, Space: q.Namespace, Field: row.field,
				Text: "the messages are the topic's",
			}
		}
	}
	return nil
}

// partShift is where offsets of a queue of several parts have the part's number:
// a message is found by its offset alone.
const partShift = 48

// ofPart is an offset of a part as the whole queue has it.
func ofPart(part int, o record.Offset) record.Offset { return record.Offset(part)<<partShift | o }

// partOf takes an offset of a queue of several parts apart.
func partOf(o record.Offset) (part int, offset record.Offset) {
	return int(o >> partShift), o & (1<<partShift - 1)
}

// partCredit is more than any part will ever hand out.
const partCredit = 1 << 40

// parted is an attachment to all parts of a queue: one attachment per part, whose
// deliveries it passes on as its own.
type parted struct {
	all      []*Attachment
	credited bool
}

// partSink hands on the deliveries of a part.
type partSink struct {
	whole *Attachment
	part  int
}

func (k partSink) Deliver(_ *Attachment, ds []Delivery) {
	for i := range ds {
		ds[i].Offset = ofPart(k.part, ds[i].Offset)
	}
	k.whole.sink.Deliver(k.whole, ds)
}

func (partSink) Detached(*Attachment, *Error) {} // the whole is told

// attachParts attaches to all parts of a queue. What the consumer may have at once
// is for all of them together.
func (s *Session) attachParts(q *meta.Queue, a *Attachment, o *AttachOptions) *Error {
	pool := o.Pool
	if pool == nil && o.Prefetch > 0 {
		pool = s.NewCreditPool(int64(o.Prefetch))
	}
	for i, part := range q.Parts() {
		options := *o
		options.Pool = pool
		if options.Credit > 0 {
			options.Credit, a.parts.credited = partCredit, true
		}
		child := &Attachment{
			session: s, host: s.engine.hosts[part.Shard], log: part.Log, queue: o.Queue, sink: partSink{a, i},
			id: a.id, hidden: a.hidden, child: true, pool: pool,
		}
		err := s.attachTo(part, child, &options)
		if err != nil {
			for _, done := range a.parts.all {
				done.ReleaseAll()
			}
			return err
		}
		a.parts.all = append(a.parts.all, child)
	}
	return nil
}

// part finds the attachment that an offset belongs to.
func (a *Attachment) part(lo, hi record.Offset) (*Attachment, record.Offset, record.Offset) {
	if a.parts == nil {
		return a, lo, hi
	}
	i, from := partOf(lo)
	if i >= len(a.parts.all) {
		return a.parts.all[0], 0, 0
	}
	return a.parts.all[i], from, from + (hi - lo)
}

// credit lets all parts have as much as the pool allows, once it is known that
// anything is allowed.
func (p *parted) credit() {
	if p.credited {
		return
	}
	p.credited = true
	for _, child := range p.all {
		child.Credit(partCredit)
	}
}

func (a *Attachment) partCount() int {
	if a.parts == nil {
		return 1
	}
	return len(a.parts.all)
}

// viewTopic is the topic that a queue is a view over, "" of others.
func viewTopic(q *meta.Queue) string {
	if q.View == nil {
		return ""
	}
	return q.View.Topic
}

// endConsumers ends the attachments to a view that has got another part: who
// consumes again gets all of it. What they hold they may still settle.
func (e *engine) endConsumers(q *meta.Queue) {
	gone := &Error{Code: CodeGone, Object: ObjectQueue, Name: q.Name, Space: q.Namespace, Text: "the topic has more partitions"}
	for _, a := range e.attachments.on(q.Log) {
		if a.hidden || a.ended.Swap(true) {
			continue
		}
		e.attachments.remove(a)
		parts := []*Attachment{a}
		if a.parts != nil {
			parts = a.parts.all
		}
		for _, p := range parts {
			p.host.submit(nil, []op{{kind: opCall, call: func(m *shard.Machine) { m.Cancel(p.log, p.id) }}})
		}
		a.host.submit(nil, []op{{kind: opCall, call: func(*shard.Machine) { a.sink.Detached(a, gone) }}})
	}
}
