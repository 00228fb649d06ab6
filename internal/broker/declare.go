package broker

import (
	"strconv"
	"unicode/utf8"

	"weir/internal/auth"
	"weir/internal/meta"
	"weir/internal/record"
	"weir/internal/shard"
)

// owner is how the control state names this session as an exclusive queue's owner.
func (s *Session) owner() string { return strconv.FormatUint(s.id, 10) }

// DeclareQueue creates a queue or checks the one that is there. The bool says
// that it was created.
func (s *Session) DeclareQueue(spec QueueSpec) (QueueInfo, bool, *Error) {
	s.Flush()
	e := s.engine
	e.control.mu.RLock()
	q, err := s.mayDeclare(e.control.state, &spec)
	e.control.mu.RUnlock()
	if err != nil {
		return QueueInfo{}, false, err
	}
	created := false
	if q == nil {
		if q, created, err = s.createQueue(&spec); err != nil {
			return QueueInfo{}, false, err
		}
	}
	if !created && !spec.Passive {
		if err := s.sameQueue(q, &spec); err != nil {
			return QueueInfo{}, false, err
		}
	}
	e.touchQueue(q)
	if created && q.Exclusive {
		if s.exclusive == nil {
			s.exclusive = map[string]bool{}
		}
		s.exclusive[q.Name] = true
	}
	if !spec.Passive {
		e.churn.declared.Add(1)
	}
	if created {
		e.churn.created.Add(1)
	}
	info := describe(q)
	if !created || q.View != nil {
		e.fill(&info, q)
	}
	return info, created, nil
}

// mayDeclare checks the rights a declaration needs and finds the queue if it is
// there. Where its messages die is checked only when it is made.
func (s *Session) mayDeclare(state *meta.State, spec *QueueSpec) (*meta.Queue, *Error) {
	if spec.Passive {
		return s.queue(spec.Name)
	}
	if err := s.may(state, auth.Configure, ObjectQueue, spec.Name); err != nil {
		return nil, err
	}
	q, err := s.queue(spec.Name)
	if err == nil || err.Code != CodeNotFound {
		return q, err
	}
	if to := spec.Settings.DeadLetterTo; to != nil {
		if err := s.may(state, auth.Read, ObjectQueue, spec.Name); err != nil {
			return nil, err
		}
		if err := s.may(state, auth.Write, ObjectExchange, *to); err != nil {
			return nil, err
		}
	}
	return nil, spec.Invalid
}

func (s *Session) createQueue(spec *QueueSpec) (*meta.Queue, bool, *Error) {
	e := s.engine
	if err := CheckName(ObjectQueue, spec.Name); err != nil {
		return nil, false, err
	}
	q := &meta.Queue{
		Namespace: s.namespace, Name: spec.Name, Shard: volatileShard,
		Durable: spec.Durable, Exclusive: spec.Exclusive, AutoDelete: spec.AutoDelete,
		Settings: spec.Settings, Arguments: spec.Arguments,
		Class: spec.Class, Defaults: spec.Defaults, PolicyFirst: spec.PolicyFirst,
	}
	if spec.Exclusive {
		q.Owner = s.owner()
	}
	if spec.Durable && !spec.Exclusive {
		q.Shard = e.place()
	}
	if t, err := s.viewed(spec.Name); err != nil {
		return nil, false, err
	} else if t != nil {
		if err := s.view(t, q, spec.Begin); err != nil {
			return nil, false, err
		}
	}
	results, err := e.control.propose(meta.Command{Op: meta.OpQueuePut, Queue: q})
	if err != nil {
		return nil, false, err
	}
	switch r := results[0]; r.Outcome {
	case meta.Done:
		return r.Queue, true, s.begun(r.Queue)
	case meta.Existed:
		if r.Queue.Exclusive && r.Queue.Owner != s.owner() {
			return nil, false, &Error{Code: CodeLocked, Object: ObjectQueue, Name: spec.Name, Space: s.namespace, Text: "exclusive to another session"}
		}
		return r.Queue, false, nil
	default:
		return nil, false, outcomeError(ObjectQueue, s.namespace, spec.Name, &r)
	}
}

// place chooses a durable shard for a new queue, in turn.
func (e *engine) place() record.ShardID {
	return e.durable[int(e.nextShard.Add(1)-1)%len(e.durable)]
}

// sameQueue compares a declaration with the queue that is there.
func (s *Session) sameQueue(q *meta.Queue, spec *QueueSpec) *Error {
	if spec.Exclusive != q.Exclusive {
		return &Error{Code: CodeLocked, Object: ObjectQueue, Name: spec.Name, Space: s.namespace, Field: "exclusive", Text: "declared with another exclusiveness"}
	}
	for _, f := range []struct {
		field             string
		received, current bool
	}{
		{"durable", spec.Durable, q.Durable},
		{"auto_delete", spec.AutoDelete, q.AutoDelete},
	} {
		if f.received != f.current {
			return mismatch(ObjectQueue, s.namespace, spec.Name, f.field, f.received, f.current)
		}
	}
	if spec.Check != nil {
		if err := spec.Check(q.Arguments); err != nil {
			err.Object, err.Name, err.Space = ObjectQueue, spec.Name, s.namespace
			return err
		}
	}
	return nil
}

func mismatch(o Object, space, name, field string, received, current bool) *Error {
	return &Error{
		Code: CodeMismatch, Object: o, Name: name, Space: space, Field: field,
		Received: strconv.FormatBool(received), Current: strconv.FormatBool(current), Text: "declared with another " + field,
	}
}

// outcomeError turns a control outcome into a client's error.
func outcomeError(o Object, space, name string, r *meta.Result) *Error {
	switch r.Outcome {
	case meta.Missing:
		return notFound(o, space, name)
	case meta.MissingSpace:
		return notFound(ObjectNamespace, r.Name, r.Name)
	case meta.InUse:
		return &Error{Code: CodeInUse, Object: o, Name: name, Space: space, Text: "in use"}
	case meta.Forbidden:
		return &Error{Code: CodeAccessRefused, Object: o, Name: name, Space: space, Field: "default", Text: "predeclared"}
	case meta.Invalid:
		return &Error{Code: CodeInvalid, Object: o, Name: name, Space: space, Text: r.Name}
	case meta.Limited:
		return &Error{
			Code: CodeLimit, Object: o, Name: name, Space: space, Field: "queues", Current: strconv.FormatInt(r.Limit, 10),
			Text: "the namespace has as many queues as it may",
		}
	case meta.Done, meta.Existed, meta.Stale:
	}
	return &Error{Code: CodeInternal, Text: "unexpected outcome"}
}

// DeleteQueue deletes a queue and returns how many messages were ready in it. A
// queue that is not there is CodeNotFound.
func (s *Session) DeleteQueue(name string, o DeleteOptions) (uint64, *Error) {
	s.Flush()
	e := s.engine
	e.control.mu.RLock()
	var q *meta.Queue
	err := s.may(e.control.state, auth.Configure, ObjectQueue, name)
	if err == nil {
		q, err = s.queue(name)
	}
	e.control.mu.RUnlock()
	if err != nil {
		return 0, err
	}
	info := describe(q)
	e.fill(&info, q)
	switch {
	case o.IfUnused && info.Consumers > 0:
		return 0, &Error{Code: CodeInUse, Object: ObjectQueue, Name: name, Space: s.namespace, Text: "in use"}
	case o.IfEmpty && info.Ready+info.Unsettled > 0:
		return 0, &Error{Code: CodeNotEmpty, Object: ObjectQueue, Name: name, Space: s.namespace, Text: "not empty"}
	}
	if !e.deleteQueue(s.namespace, name) {
		return 0, notFound(ObjectQueue, s.namespace, name)
	}
	delete(s.exclusive, name)
	return info.Ready, nil
}

// deleteQueue deletes a queue without asking; false says it was not there.
func (e *engine) deleteQueue(space, name string) bool {
	results, err := e.control.propose(meta.Command{Op: meta.OpQueueDelete, Space: space, Name: name})
	return err == nil && results[0].Outcome == meta.Done
}

// PurgeQueue removes the messages that nobody holds and returns their number.
func (s *Session) PurgeQueue(name string) (uint64, *Error) {
	s.Flush()
	e := s.engine
	e.control.mu.RLock()
	var q *meta.Queue
	err := s.mayRead(e.control.state, name)
	if err == nil {
		q, err = s.queue(name)
	}
	e.control.mu.RUnlock()
	if err == nil && isStream(q) {
		err = &Error{Code: CodeNotImplemented, Object: ObjectQueue, Name: name, Space: s.namespace, Field: "purge", Text: "a stream cannot be purged"}
	}
	if err != nil {
		return 0, err
	}
	var n uint64
	for _, part := range q.Parts() {
		purged, err := s.purge(part)
		if n += purged; err != nil {
			return n, err
		}
	}
	return n, nil
}

func (s *Session) purge(q *meta.Queue) (n uint64, err *Error) {
	done := make(chan struct{})
	h := s.engine.hosts[q.Shard]
	h.whenOpen(q.Log, func(m *shard.Machine) {
		m.WhenReleased(q.Log, func() {
			n = m.Purge(q.Log)
			close(done)
		})
	})
	select {
	case <-done:
		return n, nil
	case <-h.done:
		return 0, &Error{Code: CodeUnavailable, Text: "shutting down"}
	}
}

// DeclareExchange creates an exchange or checks the one that is there.
func (s *Session) DeclareExchange(spec ExchangeSpec) *Error {
	s.Flush()
	e := s.engine
	e.control.mu.RLock()
	x := e.control.state.Exchange(s.namespace, spec.Name)
	var err *Error
	switch {
	case spec.Passive && x == nil:
		err = notFound(ObjectExchange, s.namespace, spec.Name)
	case !spec.Passive:
		err = s.mayDeclareExchange(e.control.state, x, &spec)
	}
	e.control.mu.RUnlock()
	if err != nil || spec.Passive {
		return err
	}
	if x == nil {
		if err := CheckName(ObjectExchange, spec.Name); err != nil {
			return err
		}
		if !meta.KnownKind(spec.Kind) {
			return &Error{Code: CodeInvalid, Object: ObjectExchange, Name: spec.Name, Space: s.namespace, Field: "type", Received: spec.Kind, Text: "unknown exchange type"}
		}
		results, err := e.control.propose(meta.Command{Op: meta.OpExchangePut, Exchange: s.newExchange(&spec)})
		if err != nil {
			return err
		}
		switch r := results[0]; r.Outcome {
		case meta.Done:
			return nil
		case meta.Existed:
			x = r.Exchange
		default:
			return outcomeError(ObjectExchange, s.namespace, spec.Name, &r)
		}
	}
	return s.sameExchange(x, &spec)
}

// mayDeclareExchange checks the rights a declaration needs. Where the exchange
// sends what it cannot route is checked only when it is made.
func (s *Session) mayDeclareExchange(state *meta.State, x *meta.Exchange, spec *ExchangeSpec) *Error {
	if err := s.may(state, auth.Configure, ObjectExchange, spec.Name); err != nil {
		return err
	}
	if x != nil {
		return nil
	}
	if spec.Alternate != nil {
		if err := s.may(state, auth.Read, ObjectExchange, spec.Name); err != nil {
			return err
		}
		if err := s.mayWrite(state, *spec.Alternate); err != nil {
			return err
		}
	}
	return spec.Invalid
}

func (s *Session) sameExchange(x *meta.Exchange, spec *ExchangeSpec) *Error {
	if x.Kind != spec.Kind {
		return &Error{
			Code: CodeMismatch, Object: ObjectExchange, Name: spec.Name, Space: s.namespace, Field: "type",
			Received: spec.Kind, Current: x.Kind, Text: "declared with another type",
		}
	}
	for _, f := range []struct {
		field             string
		received, current bool
	}{
		{"durable", spec.Durable, x.Durable},
		{"auto_delete", spec.AutoDelete, x.AutoDelete},
		{"internal", spec.Internal, x.Internal},
	} {
		if f.received != f.current {
			return mismatch(ObjectExchange, s.namespace, spec.Name, f.field, f.received, f.current)
		}
	}
	if spec.Check != nil {
		if err := spec.Check(x.Arguments); err != nil {
			err.Object, err.Name, err.Space = ObjectExchange, spec.Name, s.namespace
			return err
		}
	}
	return nil
}

// DeleteExchange deletes an exchange and its bindings.
func (s *Session) DeleteExchange(name string, o DeleteOptions) *Error {
	s.Flush()
	e := s.engine
	e.control.mu.RLock()
	err := s.may(e.control.state, auth.Configure, ObjectExchange, name)
	e.control.mu.RUnlock()
	if err != nil {
		return err
	}
	results, err := e.control.propose(meta.Command{Op: meta.OpExchangeDelete, Space: s.namespace, Name: name, IfUnused: o.IfUnused})
	if err != nil {
		return err
	}
	if r := results[0]; r.Outcome != meta.Done {
		return outcomeError(ObjectExchange, s.namespace, name, &r)
	}
	return nil
}

// Bind adds a binding; one that is there already is fine.
func (s *Session) Bind(b BindingSpec) *Error { return s.binding(b, meta.OpBind) }

// Unbind removes a binding; one that is not there is CodeNotFound of a binding.
func (s *Session) Unbind(b BindingSpec) *Error { return s.binding(b, meta.OpUnbind) }

func (s *Session) binding(b BindingSpec, op meta.Op) *Error {
	s.Flush()
	e := s.engine
	object := ObjectQueue
	if b.ToExchange {
		object = ObjectExchange
	}
	if !utf8.ValidString(b.Key) { // the control state could not tell it from another
		return &Error{Code: CodeInvalid, Object: ObjectBinding, Field: "routing key", Text: "routing key is not UTF-8"}
	}
	e.control.mu.RLock()
	err := s.mayBind(e.control.state, &b, object)
	e.control.mu.RUnlock()
	if err != nil {
		return err
	}
	results, err := e.control.propose(meta.Command{Op: op, Binding: &meta.Binding{
		Namespace: s.namespace, Source: b.Source, Destination: b.Destination, ToExchange: b.ToExchange,
		Key: b.Key, Match: b.Match, Arguments: b.Arguments,
	}})
	if err != nil {
		return err
	}
	switch r := results[0]; {
	case r.Outcome == meta.Done && op == meta.OpBind:
		s.recall(&b)
		return nil
	case r.Outcome == meta.Done, r.Outcome == meta.Existed:
		return nil
	case r.Outcome == meta.Missing && op == meta.OpUnbind && r.Name == b.Destination:
		return &Error{Code: CodeNotFound, Object: ObjectBinding, Name: b.Destination, Space: s.namespace, Text: "no such binding"}
	case r.Outcome == meta.Missing && r.Name == b.Source:
		return notFound(ObjectExchange, s.namespace, b.Source)
	default:
		return outcomeError(object, s.namespace, b.Destination, &r)
	}
}

func (s *Session) mayBind(state *meta.State, b *BindingSpec, object Object) *Error {
	if err := s.may(state, auth.Write, object, b.Destination); err != nil {
		return err
	}
	if b.Source == "" || object == ObjectExchange && b.Destination == "" {
		return &Error{Code: CodeAccessRefused, Object: ObjectExchange, Name: "", Space: s.namespace, Field: "default", Text: "the default exchange cannot be bound"}
	}
	if err := s.may(state, auth.Read, ObjectExchange, b.Source); err != nil {
		return err
	}
	source := state.Exchange(s.namespace, b.Source)
	if source != nil {
		if err := s.mayTopic(state, auth.Read, source, []byte(b.Key)); err != nil {
			return err
		}
	}
	if object == ObjectQueue {
		if err := s.takesMessages(state, b.Destination); err != nil {
			return err
		}
	} else if state.Exchange(s.namespace, b.Destination) == nil {
		return notFound(ObjectExchange, s.namespace, b.Destination)
	}
	if source == nil {
		return notFound(ObjectExchange, s.namespace, b.Source)
	}
	return nil
}

// takesMessages refuses to bind what cannot be a destination.
func (s *Session) takesMessages(state *meta.State, name string) *Error {
	if state.Topic(s.namespace, name) != nil {
		return nil
	}
	q, err := s.queue(name)
	if err == nil && q.View != nil {
		err = &Error{
			Code: CodeInvalid, Object: ObjectQueue, Name: q.Name, Space: s.namespace,
			Text: "a cursor over a topic takes no messages of its own: bind the topic",
		}
	}
	return err
}

// shardConfig is what the settings that hold for a queue mean to its shard.
func shardConfig(q *meta.Queue) shard.Config {
	s := &q.Effective().Settings
	c := shard.Config{MaxLength: -1, MaxBytes: -1, DeadLetter: s.DeadLetterTo != nil || s.DeadTopic != nil}
	if s.TTLMillis != nil {
		c.HasTTL, c.TTL = true, *s.TTLMillis
	}
	set(&c.MaxLength, s.MaxLength)
	set(&c.MaxBytes, s.MaxBytes)
	set(&c.Priorities, s.MaxPriority)
	set(&c.SingleActive, s.SingleActive)
	set(&c.BackoffMin, s.BackoffMin)
	set(&c.BackoffMax, s.BackoffMax)
	set(&c.Lease, s.LeaseMillis)
	set(&c.Dedup, s.DedupMillis)
	set(&c.RatePerSecond, s.RatePerSecond)
	set(&c.Retain, s.RetainMillis)
	set(&c.RetainBytes, s.RetainBytes)
	set(&c.AcceptMax, s.AcceptMax)
	set(&c.Stream, s.Stream)
	if s.DeliveryLimit != nil && *s.DeliveryLimit >= 0 {
		c.DeliveryLimit = uint32(min(*s.DeliveryLimit, 1<<31))
		c.NoReturns = *s.DeliveryLimit == 0
	}
	if s.Overflow != nil {
		c.Overflow = shard.Overflow(*s.Overflow)
	}
	if v := q.View; v != nil { // whatever a policy says of what holds messages
		c = shard.Config{
			MaxLength: -1, MaxBytes: -1, DeadLetter: c.DeadLetter, HasTTL: c.HasTTL, TTL: c.TTL, SingleActive: c.SingleActive,
			BackoffMin: c.BackoffMin, BackoffMax: c.BackoffMax, Lease: c.Lease, DeliveryLimit: c.DeliveryLimit,
			NoReturns: c.NoReturns, Uncommitted: s.Uncommitted != nil && *s.Uncommitted, Source: v.Source, Begin: v.Begin,
		}
	}
	return c
}

func set[T any](to, from *T) {
	if from != nil {
		*to = *from
	}
}
