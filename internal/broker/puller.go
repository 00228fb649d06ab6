package broker

import "weir/internal/shard"

// Puller takes single messages. What one puller took is settled and released
// apart from what others of its session did. It belongs to the session's
// goroutine.
type Puller struct {
	session *Session
	byQueue map[string]*Attachment // hidden ones
	turn    int                    // part of a queue of several that is asked first
}

// Puller returns a new puller.
func (s *Session) Puller() *Puller { return &Puller{session: s} }

// Pull takes one message, if there is one, for the session itself.
func (s *Session) Pull(queue string, autoSettle bool) (Pulled, bool, *Error) {
	return s.pulls.Pull(queue, autoSettle)
}

// Pull takes one message, if there is one.
func (p *Puller) Pull(queue string, autoSettle bool) (Pulled, bool, *Error) {
	p.session.Flush()
	a, err := p.attachment(queue)
	if err != nil {
		return Pulled{}, false, err
	}
	if a.parts == nil {
		return a.pull(autoSettle)
	}
	var got Pulled
	found, ready := false, uint64(0)
	for i := range a.parts.all { // each has its turn to be the first
		n := (p.turn + i) % len(a.parts.all)
		child := a.parts.all[n]
		if found {
			child.host.call(func(m *shard.Machine) {
				if c, ok := m.Counts(child.log); ok {
					ready += c.Ready
				}
			})
			continue
		}
		one, ok, err := child.pull(autoSettle)
		if err != nil {
			return Pulled{}, false, err
		}
		if ready += one.Ready; ok {
			found, got = true, Pulled{Attachment: a, Delivery: one.Delivery}
			got.Delivery.Offset = ofPart(n, one.Delivery.Offset)
			p.turn = n + 1
		}
	}
	got.Ready = ready
	return got, found, nil
}

// pull takes one message from the queue, or its part, that a is attached to.
func (a *Attachment) pull(autoSettle bool) (Pulled, bool, *Error) {
	type answer struct {
		d     Delivery
		ok    bool
		ready uint64
	}
	got := make(chan answer, 1)
	a.host.submit(nil, []op{{kind: opCall, call: func(m *shard.Machine) {
		m.Pull(a.log, a.id, func(d Delivery, ok bool, ready uint64) {
			if ok && autoSettle {
				m.Settled(a.log, a.id, d.Offset, d.Offset+1, shard.WhyAccepted)
			}
			got <- answer{d, ok, ready}
		})
	}}})
	select {
	case r := <-got:
		return Pulled{Attachment: a, Delivery: r.d, Ready: r.ready}, r.ok, nil
	case <-a.host.done:
		return Pulled{}, false, &Error{Code: CodeUnavailable, Text: "shutting down"}
	}
}

// attachment returns the puller's hidden attachment to the queue.
func (p *Puller) attachment(queue string) (*Attachment, *Error) {
	s := p.session
	q, err := s.readable(queue)
	if err != nil {
		return nil, err
	}
	s.engine.touchQueue(q)
	if a := p.byQueue[queue]; a != nil && a.log == q.Log && !a.released && a.partCount() == len(q.Parts()) {
		return a, nil
	}
	a, err := s.newAttachment(AttachOptions{Queue: queue}, nil, true)
	if err != nil {
		return nil, err
	}
	if p.byQueue == nil {
		p.byQueue = map[string]*Attachment{}
	}
	p.byQueue[queue] = a
	s.attachments[a] = struct{}{}
	return a, nil
}
