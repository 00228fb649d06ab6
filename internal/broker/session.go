package broker

import (
	"sync"
	"sync/atomic"
	"time"

	"weir/internal/meta"
	"weir/internal/record"
	"weir/internal/shard"
)

const windowBytesDefault = 4 << 20

// Session is one connection's view of the broker.
type Session struct {
	engine    *engine
	principal Principal
	options   SessionOptions
	namespace string
	id        uint64
	opened    int64 // unix ms

	publishers []*Publisher // with an open submission
	full       bool         // some block is large enough to go
	ops        map[*host][]op
	blocks     map[*host][]*block
	millis     int64 // cached time of this batch; 0 not asked yet

	attachments map[*Attachment]struct{}
	pulls       *Puller         // the session's own
	appender    *Publisher      // of blobs, from the first one on
	exclusive   map[string]bool // queues that go with the session
	mailboxes   []string
	rejected    map[*host]struct{} // shards with rejected messages that nobody waited for

	window    atomic.Int64 // bytes delivered, not yet Sent
	windowMax int64
	starved   struct {
		sync.Mutex
		list []*Attachment // left out for want of window
	}
	parts  int // see AddPart
	topics map[*meta.TopicPermission]topicPatterns
	killed chan struct{} // closed when the connection is to end
	kill   sync.Once
	closed bool
	own    bool // the broker's, which may do everything
}

// Open begins a session for an authenticated principal.
func (b *Broker) Open(p Principal, o SessionOptions) (*Session, *Error) {
	e := b.engine
	if e.closing.Load() {
		return nil, &Error{Code: CodeUnavailable, Text: "shutting down"}
	}
	s := &Session{
		engine: e, principal: p, options: o, namespace: o.Namespace, id: e.nextSession.Add(1),
		ops: map[*host][]op{}, blocks: map[*host][]*block{},
		attachments: map[*Attachment]struct{}{}, windowMax: o.WindowBytes, killed: make(chan struct{}),
	}
	s.pulls = s.Puller()
	if s.windowMax <= 0 {
		s.windowMax = windowBytesDefault
	}
	e.control.mu.RLock()
	defer e.control.mu.RUnlock()
	if e.control.state.Namespace(o.Namespace) == nil {
		return nil, notFound(ObjectNamespace, o.Namespace, o.Namespace)
	}
	allowed := func() *Error { return mayEnter(e.control.state, p, o.Namespace) }
	if o.Managing {
		allowed = func() *Error { return managing(e.control.state, p) }
	}
	if err := e.quotas.enter(e.control.state, s, allowed); err != nil {
		return nil, err
	}
	s.opened = e.options.Clock.Millis()
	e.register(s)
	return s, nil
}

// Coordinate returns a session of the broker's own, for those who keep ledgers
// beside the sessions of clients. It is listed nowhere, is refused nothing and
// need not be closed.
func (b *Broker) Coordinate(namespace string) *Session {
	return &Session{engine: b.engine, namespace: namespace, killed: make(chan struct{}), own: true}
}

// Principal is who the session belongs to.
func (s *Session) Principal() Principal { return s.principal }

// now is the time of the current batch: one look at the clock for many messages.
func (s *Session) now() int64 {
	if s.millis == 0 {
		s.millis = s.engine.options.Clock.Millis()
	}
	return s.millis
}

// Flush hands everything published, settled and credited since the last Flush to
// the engine. It waits while the engine is short of memory or disk, if anything
// was published.
func (s *Session) Flush() {
	published := len(s.publishers) > 0
	for i, p := range s.publishers {
		p.submit(s.blocks)
		s.publishers[i] = nil
	}
	s.publishers = s.publishers[:0]
	s.millis, s.full = 0, false
	for h, blocks := range s.blocks {
		if len(blocks) > 0 {
			ops := s.ops[h]
			h.submit(blocks, ops)
			clear(ops)
			s.ops[h] = ops[:0]
			s.blocks[h] = blocks[:0]
		}
	}
	for h, ops := range s.ops {
		if len(ops) > 0 {
			h.submit(nil, ops)
			clear(ops)
			s.ops[h] = ops[:0]
		}
	}
	if published {
		s.engine.gate.wait(s)
	}
}

// Full says that enough is gathered to be worth a Flush in the middle of a batch.
func (s *Session) Full() bool { return s.full }

func (s *Session) op(h *host, o op) { s.ops[h] = append(s.ops[h], o) }

func (s *Session) noteRejected(h *host) {
	if s.rejected == nil {
		s.rejected = map[*host]struct{}{}
	}
	s.rejected[h] = struct{}{}
}

// deadLetterWait bounds AwaitRejected: a target that takes nothing is not waited for.
const deadLetterWait = 100 * time.Millisecond

// AwaitRejected returns when what this session rejected up to now has reached its
// dead-letter targets, or soon if it cannot: who looks for it there next finds it.
func (s *Session) AwaitRejected() {
	if len(s.rejected) == 0 {
		return
	}
	s.Flush()
	for h := range s.rejected {
		h.awaitApplied()
	}
	clear(s.rejected)
	s.engine.deadLetters.wait(s.engine.options.Clock, deadLetterWait)
}

// Kill asks the connection to end.
func (s *Session) Kill(reason string) {
	s.kill.Do(func() {
		close(s.killed)
		if s.options.Kill != nil {
			s.options.Kill(reason)
		}
	})
}

// Close ends the session: leases go back, exclusive queues go away.
func (s *Session) Close() {
	if s.closed {
		return
	}
	s.closed = true
	s.kill.Do(func() { close(s.killed) })
	s.Flush()
	for a := range s.attachments {
		a.ReleaseAll()
	}
	for name := range s.exclusive {
		s.engine.deleteQueue(s.namespace, name)
	}
	s.engine.mailboxes.remove(s.mailboxes)
	s.engine.unregister(s)
	s.engine.quotas.leave(s)
}

// Sent reports delivered record bytes that have left for the socket. It may be
// called from any goroutine.
func (s *Session) Sent(bytes int) {
	left := s.window.Add(-int64(bytes))
	if left > s.windowMax/2 {
		return
	}
	s.starved.Lock()
	list := s.starved.list
	s.starved.list = nil
	s.starved.Unlock()
	for _, a := range list {
		a.starving.Store(false)
		a.host.submit(nil, []op{{kind: opResume, attachment: a}})
	}
}

// starve notes that a waits for window; it is resumed by Sent.
func (s *Session) starve(a *Attachment) {
	if !a.starving.CompareAndSwap(false, true) {
		return
	}
	s.starved.Lock()
	s.starved.list = append(s.starved.list, a)
	s.starved.Unlock()
	if s.window.Load() <= s.windowMax/2 {
		s.Sent(0) // it drained in between
	}
}

// Mailbox opens a private address; what is sent to it goes to receive, which must
// not block. It is closed with the session.
func (s *Session) Mailbox(receive func(rec []byte)) string {
	address := s.engine.mailboxes.add(receive)
	s.mailboxes = append(s.mailboxes, address)
	return address
}

// SendToMailbox hands m to the mailbox, or reports that there is none.
func (s *Session) SendToMailbox(address string, m *Outgoing) bool {
	receive := s.engine.mailboxes.get(address)
	if receive == nil {
		return false
	}
	e := record.Envelope{Dialect: m.Dialect, Priority: m.Priority, Timestamp: s.now(), Body: uint32(len(m.Native[2]))}
	receive(record.Append(nil, &e, m.Native[0], m.Native[1], m.Native[2]))
	return true
}

// HasMailbox says whether the address is open.
func (s *Session) HasMailbox(address string) bool { return s.engine.mailboxes.get(address) != nil }

// queue finds a queue this session may use.
func (s *Session) queue(name string) (*meta.Queue, *Error) {
	q := s.engine.control.state.Queue(s.namespace, name)
	if q == nil {
		return nil, notFound(ObjectQueue, s.namespace, name)
	}
	if q.Exclusive && q.Owner != s.owner() {
		return nil, &Error{Code: CodeLocked, Object: ObjectQueue, Name: name, Space: s.namespace, Text: "exclusive to another session"}
	}
	return q, nil
}

// Look describes a queue this session may read, without its counts.
func (s *Session) Look(name string) (QueueInfo, *Error) {
	q, err := s.readable(name)
	if err != nil {
		return QueueInfo{}, err
	}
	return describe(q), nil
}

func notFound(o Object, space, name string) *Error {
	return &Error{Code: CodeNotFound, Object: o, Name: name, Space: space, Text: "no such " + o.String()}
}

// call runs f on the queue's shard, once its log is there.
func (s *Session) call(q *meta.Queue, f func(m *shard.Machine)) *Error {
	h := s.engine.hosts[q.Shard]
	done := make(chan struct{})
	h.whenOpen(q.Log, func(m *shard.Machine) {
		defer close(done)
		f(m)
	})
	select {
	case <-done:
		return nil
	case <-h.done:
		return &Error{Code: CodeUnavailable, Text: "shutting down"}
	}
}
