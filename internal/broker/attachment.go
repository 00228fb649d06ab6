package broker

import (
	"errors"
	"sync/atomic"

	"weir/internal/cursor"
	"weir/internal/meta"
	"weir/internal/record"
	"weir/internal/shard"
)

// Attachment is a consumer on a queue.
type Attachment struct {
	session  *Session
	host     *host
	log      record.LogID
	id       cursor.ConsumerID
	queue    string
	options  AttachOptions
	sink     Sink
	pool     *CreditPool
	parts    *parted // to a queue of several parts; nil to one
	child    bool    // of such a one
	hidden   bool    // serves Pull
	released bool    // by ReleaseAll: it takes no more
	left     int     // consumers when it ended; negative is not known
	starving atomic.Bool
	ended    atomic.Bool
}

// Queue is the name of the queue it is attached to.
func (a *Attachment) Queue() string { return a.queue }

// Options are what it was attached with.
func (a *Attachment) Options() *AttachOptions { return &a.options }

// Attach adds a consumer to a queue. Deliveries may begin before it returns.
func (s *Session) Attach(o AttachOptions, sink Sink) (*Attachment, *Error) {
	a, err := s.newAttachment(o, sink, false)
	if err != nil {
		return nil, err
	}
	s.attachments[a] = struct{}{}
	s.engine.attachments.add(a)
	return a, nil
}

func (s *Session) newAttachment(o AttachOptions, sink Sink, hidden bool) (*Attachment, *Error) {
	s.Flush()
	e := s.engine
	q, err := s.readable(o.Queue)
	if err != nil {
		return nil, err
	}
	a := s.attachmentOf(q, o.Queue)
	a.sink, a.hidden = sink, hidden
	if len(q.Parts()) > 1 {
		a.options, a.parts = o, &parted{}
		err = s.attachParts(q, a, &o)
	} else {
		err = s.attachTo(q, a, &o)
	}
	if err != nil {
		return nil, err
	}
	e.touchQueue(q)
	return a, nil
}

// attachmentOf returns an attachment that is not attached yet.
func (s *Session) attachmentOf(q *meta.Queue, queue string) *Attachment {
	return &Attachment{
		session: s, host: s.engine.hosts[q.Shard], log: q.Log, queue: queue,
		id: cursor.ConsumerID(s.engine.nextConsumer.Add(1)),
	}
}

// attachTo attaches a to a queue, or a part of one.
func (s *Session) attachTo(q *meta.Queue, a *Attachment, o *AttachOptions) *Error {
	begin, err := s.beginning(q, o, a.hidden)
	if err != nil {
		return err
	}
	if a.options = *o; o.From == nil {
		a.pool = o.Pool
	}
	var failed error
	err = s.call(q, func(m *shard.Machine) {
		if failed = begin(m, a); failed == nil && o.Credit > 0 {
			m.Credit(a.log, a.id, o.Credit)
		}
	})
	if err == nil && failed != nil {
		err = attachError(failed, q.Namespace, o.Queue)
	}
	return err
}

// beginning returns what attaches a to its queue.
func (s *Session) beginning(q *meta.Queue, o *AttachOptions, hidden bool) (func(m *shard.Machine, a *Attachment) error, *Error) {
	if hidden && isStream(q) {
		return nil, &Error{Code: CodeNotImplemented, Object: ObjectQueue, Name: q.Name, Space: q.Namespace, Field: "pull", Text: "a stream is read by offset"}
	}
	if o.From == nil && isStream(q) {
		o.From = &Position{End: true}
	}
	if o.From == nil {
		co := shard.AttachOptions{Auto: o.AutoSettle, Hidden: hidden, LeaseMillis: o.LeaseMillis}
		co.Priority, co.Exclusive, co.Pull = o.Priority, o.Exclusive, hidden
		return func(m *shard.Machine, a *Attachment) error { return m.Attach(a.log, a.id, a, co) }, nil
	}
	from := shard.Start{Last: o.From.Last, End: o.From.End}
	if !from.Last && !from.End {
		at, err := s.resolve(q, *o.From)
		if err != nil {
			return nil, err
		}
		from.Offset = at
	}
	return func(m *shard.Machine, a *Attachment) error {
		return m.Follow(a.log, a.id, a, from, o.Accept)
	}, nil
}

func isStream(q *meta.Queue) bool { return q.Settings.Stream != nil && *q.Settings.Stream }

func attachError(err error, space, queue string) *Error {
	switch {
	case errors.Is(err, shard.ErrNoLog):
		return notFound(ObjectQueue, space, queue)
	case errors.Is(err, cursor.ErrExclusive), errors.Is(err, cursor.ErrInUse):
		return &Error{Code: CodeAccessRefused, Object: ObjectQueue, Name: queue, Space: space, Field: "exclusive", Text: "in exclusive use"}
	}
	return &Error{Code: CodeInternal, Text: err.Error()}
}

// Join has the attachment's leases, those it has and those to come, count in p.
func (a *Attachment) Join(p *CreditPool) {
	if a.parts != nil {
		for _, child := range a.parts.all {
			child.Join(p)
		}
		return
	}
	if a.pool == p || a.options.From != nil {
		return
	}
	a.session.Flush()
	a.host.call(func(m *shard.Machine) {
		n := int64(m.Leased(a.log, a.id))
		if a.pool != nil {
			a.pool.forget(a)
			a.pool.give(n)
		}
		a.pool = p
		p.give(-n)
	})
}

// Credit allows so many more leases, from the next Flush on.
func (a *Attachment) Credit(delta int64) {
	if a.parts != nil {
		a.parts.credit()
		return
	}
	a.session.op(a.host, op{kind: opCredit, attachment: a, n: delta})
}

// Settle decides about the leases in [lo, hi), from the next Flush on.
func (a *Attachment) Settle(lo, hi record.Offset, o Outcome) {
	a, lo, hi = a.part(lo, hi)
	if o == Reject {
		a.session.noteRejected(a.host)
	}
	a.session.op(a.host, op{kind: opSettle, attachment: a, lo: lo, hi: hi, outcome: o})
}

// Detach stops deliveries; what is leased stays so until settled or ReleaseAll.
func (a *Attachment) Detach() {
	if a.ended.Swap(true) {
		return
	}
	s := a.session
	s.Flush()
	left := -1
	if a.parts != nil {
		for _, child := range a.parts.all {
			child.Detach()
		}
		left = a.parts.all[0].left
	} else {
		a.host.call(func(m *shard.Machine) { left = m.Cancel(a.log, a.id) })
	}
	if a.left = left; a.child {
		return
	}
	s.engine.attachments.remove(a)
	if !a.hidden {
		s.engine.consumerGone(a, left)
	}
}

// ReleaseAll ends the attachment, if nothing has, and gives back what is still
// leased. Both happen at once: whoever is served next gets that first. Nothing can
// be settled after it.
func (a *Attachment) ReleaseAll() {
	s := a.session
	s.Flush()
	ended := a.ended.Swap(true)
	left := a.release(ended)
	delete(s.attachments, a)
	a.released = true
	if ended || a.child {
		return
	}
	s.engine.attachments.remove(a)
	if !a.hidden {
		s.engine.consumerGone(a, left)
	}
}

// release gives back what is leased and returns how many consumers are left.
func (a *Attachment) release(ended bool) int {
	if a.parts != nil {
		for _, child := range a.parts.all {
			child.ReleaseAll()
		}
		return a.parts.all[0].left
	}
	if a.pool != nil {
		a.pool.forget(a)
	}
	a.left = -1
	a.host.call(func(m *shard.Machine) {
		if !ended {
			a.left = m.Cancel(a.log, a.id)
		}
		n := m.Detach(a.log, a.id, true)
		if a.pool != nil {
			a.pool.give(int64(n))
		}
	})
	return a.left
}

// Reserve implements shard.Receiver.
func (a *Attachment) Reserve(bytes int) bool {
	if a.hidden {
		return true
	}
	if a.session.window.Add(int64(bytes)) > a.session.windowMax {
		a.session.window.Add(-int64(bytes))
		if a.session.window.Load() > 0 { // a single large message always fits an empty window
			a.session.starve(a)
			return false
		}
		a.session.window.Add(int64(bytes))
	}
	if a.pool == nil {
		return true
	}
	// What needs no settling takes no room, but waits for some as the rest does.
	if a.options.AutoSettle && a.pool.open(a) || !a.options.AutoSettle && a.pool.take(a) {
		return true
	}
	a.session.window.Add(-int64(bytes))
	return false
}

// Deliver implements shard.Receiver.
func (a *Attachment) Deliver(ds []Delivery) { a.sink.Deliver(a, ds) }
