package broker

import (
	"time"

	"weir/internal/auth"
	"weir/internal/meta"
	"weir/internal/record"
	"weir/internal/shard"
)

// ShareSpec says how a group reads a topic together: a message is handed to one of
// its members at a time, until one accepts it.
type ShareSpec struct {
	Group, Topic string
	Begin        Position // where the group begins, if it has not
	LeaseMillis  int64    // how long a member may keep a message
	Deliveries   int64    // how often a message is handed out at most, 1 or more
	Uncommitted  bool     // also what may yet be undone
	DeadTopic    string   // where messages go that are rejected or given up; "" is nowhere
	DeadWhole    bool     // with key and value, not only where they stood
}

func (o *ShareSpec) settings() Settings {
	returns := o.Deliveries - 1
	s := Settings{LeaseMillis: &o.LeaseMillis, DeliveryLimit: &returns, Uncommitted: &o.Uncommitted}
	if o.DeadTopic != "" {
		s.DeadTopic, s.DeadWhole = &o.DeadTopic, &o.DeadWhole
	}
	return s
}

// Share makes the group's view of a topic, or gives the one there is these
// settings. It returns the partitions there are.
func (s *Session) Share(spec ShareSpec) (partitions int, err *Error) {
	s.Flush()
	c := s.engine.control
	c.mu.RLock()
	err = s.may(c.state, auth.Read, ObjectTopic, spec.Topic)
	t := c.state.Topic(s.namespace, spec.Topic)
	var have *meta.Queue
	if t != nil {
		have, partitions = t.Shares[spec.Group], len(t.Partitions)
	}
	c.mu.RUnlock()
	settings := spec.settings()
	switch {
	case err != nil:
		return 0, err
	case t == nil:
		return 0, notFound(ObjectTopic, s.namespace, spec.Topic)
	case have != nil && have.Effective().Shares(&settings):
		return partitions, nil
	}
	q := &meta.Queue{Namespace: s.namespace, Name: spec.Group, Durable: true, Settings: settings}
	if err := s.view(t, q, &spec.Begin); err != nil {
		return 0, err
	}
	results, err := c.propose(meta.Command{Op: meta.OpSharePut, Queue: q})
	if err != nil {
		return 0, err
	}
	if r := results[0]; r.Outcome != meta.Done && r.Outcome != meta.Existed {
		return 0, outcomeError(ObjectTopic, s.namespace, spec.Topic, &r)
	}
	return partitions, s.begun(results[0].Queue)
}

// sharePart finds a group's view of a partition.
func (s *Session) sharePart(verb auth.Verb, group, topic string, partition int) (*meta.Queue, *Error) {
	c := s.engine.control
	c.mu.RLock()
	defer c.mu.RUnlock()
	if err := s.may(c.state, verb, ObjectTopic, topic); err != nil {
		return nil, err
	}
	t := c.state.Topic(s.namespace, topic)
	if t == nil || t.Shares[group] == nil {
		return nil, notFound(ObjectTopic, s.namespace, topic)
	}
	parts := t.Shares[group].Parts()
	if partition < 0 || partition >= len(parts) {
		return nil, notFound(ObjectTopic, s.namespace, topic)
	}
	return parts[partition], nil
}

// Sharing is a member's part in a group that reads a partition together. It belongs
// to the session's goroutine; Leave ends it.
type Sharing struct {
	attachment *Attachment
	waiting    bool
}

// Join makes the session a member that takes messages of a partition.
func (s *Session) Join(group, topic string, partition int) (*Sharing, *Error) {
	s.Flush()
	q, err := s.sharePart(auth.Read, group, topic, partition)
	if err != nil {
		return nil, err
	}
	a := s.attachmentOf(q, topic)
	a.hidden = true
	if err := s.attachTo(q, a, &AttachOptions{Queue: topic}); err != nil {
		return nil, err
	}
	s.attachments[a] = struct{}{}
	return &Sharing{attachment: a}, nil
}

// Leave gives back what the member has not decided about.
func (h *Sharing) Leave() { h.attachment.ReleaseAll() }

// TakeLimits bound what Take gets, of one partition and of all together.
type TakeLimits struct {
	shard.TakeLimits
	Wait time.Duration // for the first message
}

// Take takes messages of partitions in turn, as many as the limits allow. It
// returns when there are some, or after the wait, or when the session is killed.
func (s *Session) Take(from []*Sharing, limits TakeLimits) [][]Delivery {
	s.Flush()
	out := make([][]Delivery, len(from))
	late := make(chan struct{})
	if limits.Wait > 0 {
		t := s.engine.options.Clock.AfterFunc(limits.Wait, func() { close(late) })
		defer t.Stop()
	}
	defer func() {
		for _, h := range from {
			h.giveUp()
		}
	}()
	for {
		more := make(chan struct{}, 1)
		left, got := limits.TakeLimits, 0
		for i, h := range from {
			if got > 0 && (left.Messages <= 0 || left.Bytes <= 0) {
				break
			}
			out[i] = h.take(left, more)
			got += len(out[i])
			left.Messages -= len(out[i])
			for k := range out[i] {
				left.Bytes -= out[i][k].Bytes()
			}
		}
		if got > 0 || limits.Wait <= 0 {
			return out
		}
		select {
		case <-more:
		case <-late:
			return out
		case <-s.killed:
			return out
		}
	}
}

// take takes what is ready; without anything more gets a value when there is.
func (h *Sharing) take(limits shard.TakeLimits, more chan struct{}) []Delivery {
	a := h.attachment
	got := make(chan []Delivery, 1)
	a.host.submit(nil, []op{{kind: opCall, call: func(m *shard.Machine) {
		m.Take(a.log, a.id, limits, func(ds []Delivery) {
			if len(ds) == 0 && m.Has(a.log) {
				m.Await(a.log, h, func() {
					select {
					case more <- struct{}{}:
					default:
					}
				})
			}
			got <- ds
		})
	}}})
	select {
	case ds := <-got:
		h.waiting = len(ds) == 0
		return ds
	case <-a.host.done:
		return nil
	}
}

func (h *Sharing) giveUp() {
	if a := h.attachment; h.waiting {
		h.waiting = false
		a.host.submit(nil, []op{{kind: opCall, call: func(m *shard.Machine) { m.GiveUp(a.log, h) }}})
	}
}

// Decision is what a member decided about the messages in [Lo, Hi).
type Decision struct {
	Lo, Hi  record.Offset
	Outcome Outcome // Renew keeps the messages for another full lease
}

// Decide carries decisions out, all of them or, where a message is not the
// member's any more, none: CodeUnknownLease. done runs on an engine goroutine when
// they are durable.
func (h *Sharing) Decide(all []Decision, done func(*Error)) {
	a := h.attachment
	ok := a.host.submit(nil, []op{{kind: opCall, call: func(m *shard.Machine) {
		for _, d := range all {
			if !m.Holds(a.log, a.id, d.Lo, d.Hi) {
				done(&Error{Code: CodeUnknownLease, Object: ObjectMessage, Text: "not leased to the member"})
				return
			}
		}
		for _, d := range all {
			a.host.settle(a, &op{lo: d.Lo, hi: d.Hi, outcome: d.Outcome})
		}
		if m.Pending() == 0 {
			done(nil)
			return
		}
		a.host.afterApplied(func() { done(nil) })
		a.host.settleAt = 1 // somebody waits
	}}})
	if !ok {
		done(unavailable())
	}
}

// SharePlace is where a group that reads a topic together is in a partition.
type SharePlace struct {
	First record.Offset // that nobody has settled
	Left  uint64        // messages that nobody has settled
}

// ShareOffsets returns where a group that reads a topic together is in each of its
// partitions, nothing where it does not read it.
func (s *Session) ShareOffsets(group, topic string) ([]SharePlace, *Error) {
	q, err := s.sharePart(auth.Describe, group, topic, 0)
	if err != nil {
		if err.Code == CodeNotFound {
			err = nil
		}
		return nil, err
	}
	var all []SharePlace
	for _, part := range q.Parts() {
		var at SharePlace
		err := s.call(part, func(m *shard.Machine) {
			at.First, _ = m.FirstUnsettled(part.Log)
			if c, ok := m.Counts(part.Log); ok {
				at.Left = c.Unsettled
			}
		})
		if err != nil {
			return nil, err
		}
		all = append(all, at)
	}
	return all, nil
}

// ResetShare makes a group that reads a topic together go on from an offset of a
// partition: everything before it counts as settled, and nothing from it on.
func (s *Session) ResetShare(group, topic string, partition int, to record.Offset) *Error {
	q, err := s.sharePart(auth.Read, group, topic, partition)
	if err != nil {
		return err
	}
	return s.apply(q, func(dst []byte) []byte { return shard.AppendReset(dst, q.Log, to) })
}

// Shares lists the topics that a group reads together.
func (s *Session) Shares(group string) []string {
	c := s.engine.control
	c.mu.RLock()
	defer c.mu.RUnlock()
	var topics []string
	for name, t := range s.space().Topics {
		if t.Shares[group] != nil && s.may(c.state, auth.Describe, ObjectTopic, name) == nil {
			topics = append(topics, name)
		}
	}
	return topics
}

// DeleteShare forgets where a group that reads a topic together is.
func (s *Session) DeleteShare(group, topic string) *Error {
	if _, err := s.sharePart(auth.Read, group, topic, 0); err != nil {
		return err
	}
	results, err := s.engine.control.propose(meta.Command{Op: meta.OpShareDelete, Space: s.namespace, On: &topic, Name: group})
	if err == nil && results[0].Outcome != meta.Done {
		err = outcomeError(ObjectTopic, s.namespace, topic, &results[0])
	}
	return err
}

// DeleteShares forgets where a group is in all topics that it reads together.
func (s *Session) DeleteShares(group string) *Error {
	for _, topic := range s.Shares(group) {
		if err := s.DeleteShare(group, topic); err != nil && err.Code != CodeNotFound {
			return err
		}
	}
	return nil
}
