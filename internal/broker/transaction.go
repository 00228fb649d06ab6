package broker

import (
	"slices"

	"weir/internal/record"
	"weir/internal/shard"
)

// transactionBytesMax bounds what one transaction publishes: its messages become
// one entry of the log.
const transactionBytesMax = 64 << 20

// Transaction gathers publishes and settlements of a session that happen together
// or not at all. It belongs to the session's goroutine. What is gathered is in
// memory only: a transaction that was not committed leaves no trace.
type Transaction struct {
	session   *Session
	publisher *Publisher // resolves and remembers routes
	parts     []*transactionPart
	bytes     int
	begun     int64 // when its first message was published, which all bear until Commit
}

// transactionPart is what a transaction does on one shard.
type transactionPart struct {
	host     *host
	data     []byte // append commands
	settles  []op
	reserved bool
}

// Begin returns an empty transaction.
func (s *Session) Begin() *Transaction {
	return &Transaction{session: s, publisher: s.Publisher(nil)}
}

// Publish adds a message. It returns how many queues it will reach. Errors are
// those of Publisher.Publish; the transaction stays as it was.
func (t *Transaction) Publish(m *Outgoing) (int, *Error) {
	size, err := m.size()
	if err != nil {
		return 0, err
	}
	if t.bytes+size > transactionBytesMax {
		return 0, &Error{Code: CodeTooLarge, Object: ObjectMessage, Text: "transaction too large"}
	}
	r, err := t.publisher.route(m)
	if err != nil {
		return 0, err
	}
	for i := range r.targets {
		if _, all := r.targets[i].within(size); !all {
			return 0, &Error{Code: CodeTooLarge, Object: ObjectMessage, Text: "message larger than a topic it goes to takes"}
		}
	}
	if t.bytes == 0 {
		t.begun = t.session.engine.options.Clock.Millis()
	}
	n := -r.memories
	for i := range r.targets {
		to := &r.targets[i]
		n += len(to.logs)
		part := t.part(to.host)
		part.data, _ = appendMessage(part.data, to.logs, m, t.begun)
	}
	if n > 0 {
		t.bytes += size
	}
	return n, nil
}

// Settle adds a decision about the leases in [lo, hi) of an attachment of the
// same session.
func (t *Transaction) Settle(a *Attachment, lo, hi record.Offset, o Outcome) {
	a, lo, hi = a.part(lo, hi)
	if o == Reject {
		t.session.noteRejected(a.host)
	}
	part := t.part(a.host)
	part.settles = append(part.settles, op{kind: opSettle, attachment: a, lo: lo, hi: hi, outcome: o})
}

func (t *Transaction) part(h *host) *transactionPart {
	for _, p := range t.parts {
		if p.host == h {
			return p
		}
	}
	p := &transactionPart{host: h}
	t.parts = append(t.parts, p)
	return p
}

// Abort empties the transaction.
func (t *Transaction) Abort() { t.parts, t.bytes = nil, 0 }

// Commit makes everything happen and returns when it is durable. CodeFull says
// that a queue had no room: nothing happened. The transaction is empty after it.
func (t *Transaction) Commit() *Error {
	parts, begun := t.parts, t.begun
	published := t.bytes > 0
	t.Abort()
	s := t.session
	s.Flush()
	if published {
		s.engine.gate.wait(s)
		late := s.engine.options.Clock.Millis() - begun
		for _, p := range parts {
			shard.EachRecord(p.data, func(rec []byte) { record.Postpone(rec, late) })
		}
	}
	for _, p := range parts {
		if err := p.reserve(); err != nil {
			unreserve(parts)
			return err
		}
	}
	// What does not survive a restart comes last: it needs no log, and if the
	// process dies in between it is gone with everything beside it.
	slices.SortFunc(parts, func(a, b *transactionPart) int { return int(int64(a.host.id) - int64(b.host.id)) })
	if i := slices.IndexFunc(parts, func(p *transactionPart) bool { return p.host.group == nil }); i > 1 || i < 0 && len(parts) > 1 {
		if i < 0 {
			i = len(parts)
		}
		if !decide(parts[:i]) {
			return &Error{Code: CodeUnavailable, Text: "shutting down"}
		}
		parts = parts[i:]
	}
	for _, p := range parts {
		if !p.commit(nil) {
			return &Error{Code: CodeUnavailable, Text: "shutting down"}
		}
	}
	return nil
}

func unreserve(parts []*transactionPart) {
	for _, p := range parts {
		if p.reserved {
			p.reserved = false
			p.host.call(func(m *shard.Machine) { m.Unreserve(p.data) })
		}
	}
}

// reserve takes room in the part's queues. Queues that are still being opened are
// waited for: their limits are not known yet.
func (p *transactionPart) reserve() *Error {
	if len(p.data) == 0 {
		return nil
	}
	h := p.host
	answer := make(chan *Error, 1)
	var try func(m *shard.Machine)
	try = func(m *shard.Machine) {
		full, opening := record.LogID(0), record.LogID(0)
		full, opening, p.reserved = m.Reserve(p.data)
		switch {
		case p.reserved:
			answer <- nil
		case opening != 0:
			h.park(opening, try)
		default:
			answer <- h.engine.full(full)
		}
	}
	h.submit(nil, []op{{kind: opCall, call: try}})
	select {
	case err := <-answer:
		return err
	case <-h.done:
		return &Error{Code: CodeUnavailable, Text: "shutting down"}
	}
}

func (e *engine) full(log record.LogID) *Error {
	err := &Error{Code: CodeFull, Object: ObjectQueue, Text: "queue is full"}
	if q := e.queueOf(log); q != nil {
		err.Name, err.Space = q.Name, q.Namespace
	}
	return err
}

// commit hands the part to its shard, with more commands for the same entry, and
// returns when it is applied. It reports false where the broker is closed first.
func (p *transactionPart) commit(more []byte) bool {
	h := p.host
	done := make(chan struct{})
	bytes := int64(len(p.data) + len(more))
	h.waiting.Add(bytes)
	defer h.waiting.Add(-bytes)
	ok := h.submit(nil, []op{{kind: opCall, call: func(*shard.Machine) {
		h.transactions = append(h.transactions, &transactionEntry{part: p, more: more, done: func() { close(done) }})
	}}})
	if !ok {
		return false
	}
	select {
	case <-done:
		return true
	case <-h.done:
		return false
	}
}

// transactionEntry waits to be proposed: settlements and appends in one entry.
type transactionEntry struct {
	part *transactionPart
	more []byte // commands
	done func()
}

// proposeTransaction proposes the transaction that waits longest. It reports
// false when that has to wait on.
func (h *host) proposeTransaction() bool {
	t := h.transactions[0]
	size := len(t.part.data) + len(t.more)
	if size > 0 && !h.roomy() {
		return false
	}
	h.transactions = slices.Delete(h.transactions, 0, 1)
	for i := range t.part.settles {
		h.settle(t.part.settles[i].attachment, &t.part.settles[i])
	}
	t.part.reserved = false
	entry := shard.BeginEntry(make([]byte, 0, 64+h.machine.Pending()+size), h.machine.Now())
	empty := len(entry)
	entry = append(append(h.machine.TakeCommands(entry), t.part.data...), t.more...)
	h.settleAt = 0
	if len(entry) == empty { // only settlements of leases that were lost meanwhile
		t.done()
		return true
	}
	h.then = append(h.then, t.done)
	return h.proposeBytes(entry, nil)
}
