package broker

import (
	"slices"
	"sync"
	"sync/atomic"

	"weir/internal/meta"
	"weir/internal/record"
	"weir/internal/shard"
)

// blockBytesMax is how much a publisher gathers for one shard before it hands it
// over without waiting for Flush.
const blockBytesMax = 256 << 10

// Publisher is one stream of messages in order. See the package comment for who
// may call it.
type Publisher struct {
	session *Session
	notify  func(Completion)
	router  meta.Router
	last    routed // of the previous message: most publishers repeat themselves
	cache   map[routeKey]*routed

	sequence uint64 // last given
	open     *submission
	dirty    bool // stands in session.publishers

	mu struct {
		sync.Mutex
		queue []*submission // oldest first
	}
}

// routed is where messages of one exchange and key go.
type routed struct {
	version  uint64
	exchange string
	key      string
	targets  []target
	memories int // logs among the targets that are no queues
}

type routeKey struct{ exchange, key string }

// target is one shard's logs.
type target struct {
	host   *host
	logs   []record.LogID
	limits []messageLimit // of those logs that have one
}

// messageLimit is the largest message a log takes.
type messageLimit struct {
	log   record.LogID
	bytes int64
}

// within leaves out the logs that a message of so many bytes is too large for.
func (t *target) within(size int) (rest target, all bool) {
	if !slices.ContainsFunc(t.limits, func(l messageLimit) bool { return int64(size) > l.bytes }) {
		return *t, true
	}
	rest = target{host: t.host}
	for _, log := range t.logs {
		if !slices.ContainsFunc(t.limits, func(l messageLimit) bool { return l.log == log && int64(size) > l.bytes }) {
			rest.logs = append(rest.logs, log)
		}
	}
	return rest, false
}

// routesCachedMax bounds a publisher's memory of routes.
const routesCachedMax = 4096

// submission is what one Flush hands over: a run of sequences and their blocks.
type submission struct {
	publisher   *Publisher
	first, last uint64
	blocks      []shardBlock
	pending     atomic.Int32

	mu       sync.Mutex
	refused  []Refusal
	finished bool // guarded by publisher.mu
}

type shardBlock struct {
	host  *host
	block *block
}

// Publisher returns a new stream. done may be nil.
func (s *Session) Publisher(done func(Completion)) *Publisher {
	return &Publisher{session: s, notify: done}
}

// Sequence is the number of the last message published, 0 before the first.
func (p *Publisher) Sequence() uint64 { return p.sequence }

// Publish routes m and adds it to what the next Flush hands over. It returns how
// many queues the message reaches; with 0 it is stored nowhere and completes.
// With an error it has no sequence.
func (p *Publisher) Publish(m *Outgoing) (int, *Error) {
	size, err := m.size()
	if err != nil {
		return 0, err
	}
	r, err := p.route(m)
	if err != nil {
		return 0, err
	}
	p.sequence++
	if p.open == nil {
		p.begin()
	}
	p.open.last = p.sequence
	n := -r.memories
	for i := range r.targets {
		t := &r.targets[i]
		n += len(t.logs)
		if len(t.limits) > 0 {
			rest, all := t.within(size)
			if !all {
				p.open.refuse(p.sequence, CodeTooLarge)
			}
			if len(rest.logs) == 0 {
				continue
			}
			t = &rest
		}
		p.add(t, m)
	}
	return n, nil
}

// size is the size of the message, which is not too large.
func (m *Outgoing) size() (int, *Error) {
	size := len(m.Native[0]) + len(m.Native[1]) + len(m.Native[2])
	if int64(size) > record.MessageBytesMax {
		return 0, &Error{Code: CodeTooLarge, Object: ObjectMessage, Text: "message too large"}
	}
	return size, nil
}

func (p *Publisher) begin() {
	p.open = &submission{publisher: p, first: p.sequence}
	if !p.dirty {
		p.dirty = true
		p.session.publishers = append(p.session.publishers, p)
	}
}

// add appends the message to the target shard's block.
func (p *Publisher) add(t *target, m *Outgoing) {
	b := p.blockFor(t.host)
	var n int
	b.data, n = appendMessage(b.data, t.logs, m, p.session.now())
	for range n {
		b.sequences = append(b.sequences, p.sequence)
	}
	if len(b.data) >= blockBytesMax {
		p.session.full = true
	}
}

// farthest is, in milliseconds, as good as never.
const farthest = 1 << 53

// appendMessage adds the append commands of a message to logs of one shard and
// says how many those are.
func appendMessage(dst []byte, logs []record.LogID, m *Outgoing, now int64) ([]byte, int) {
	e := record.Envelope{
		Dialect: m.Dialect, Priority: m.Priority, Timestamp: now, Dedup: m.Dedup, Body: uint32(len(m.Native[2])),
	}
	delay := min(max(m.Delay, 0), farthest)
	if m.TTL >= 0 && m.TTL < farthest {
		e.Expiry = e.Timestamp + delay + m.TTL
	}
	if delay > 0 {
		e.Due = e.Timestamp + delay
	}
	commands := 0
	for ; len(logs) > 0; commands++ {
		n := min(len(logs), shard.TargetsMax)
		dst = shard.AppendMessage(dst, logs[:n])
		dst = record.Append(dst, &e, m.Native[0], m.Native[1], m.Native[2])
		logs = logs[n:]
	}
	return dst, commands
}

func (p *Publisher) blockFor(h *host) *block {
	for _, sb := range p.open.blocks {
		if sb.host == h {
			return sb.block
		}
	}
	b := p.session.engine.newBlock()
	b.submission = p.open
	p.open.blocks = append(p.open.blocks, shardBlock{h, b})
	return b
}

// route finds the targets of m, by memory where the routes have not changed.
func (p *Publisher) route(m *Outgoing) (*routed, *Error) {
	e := p.session.engine
	version := e.version.Load()
	if m.Order != nil {
		r, _, err := p.resolve(m)
		return r, err
	}
	if p.last.version == version && p.last.exchange == m.Exchange && p.last.key == string(m.Key) && len(m.ExtraKeys) == 0 {
		return &p.last, nil
	}
	if len(m.ExtraKeys) == 0 {
		if r := p.cache[routeKey{m.Exchange, string(m.Key)}]; r != nil && r.version == version {
			return r, nil
		}
	}
	r, cacheable, err := p.resolve(m)
	if err != nil || !cacheable {
		return r, err
	}
	if p.cache == nil || len(p.cache) >= routesCachedMax {
		p.cache = map[routeKey]*routed{}
	}
	p.cache[routeKey{r.exchange, r.key}] = r
	p.last = *r
	return r, nil
}

// resolve asks the control state. The answer may be remembered if it depends on
// exchange and key alone.
func (p *Publisher) resolve(m *Outgoing) (*routed, bool, *Error) {
	e, s := p.session.engine, p.session
	e.control.mu.RLock()
	defer e.control.mu.RUnlock()
	state := e.control.state
	if err := s.mayWrite(state, m.Exchange); err != nil {
		return nil, false, err
	}
	x := state.Exchange(s.namespace, m.Exchange)
	if x == nil {
		return nil, false, notFound(ObjectExchange, s.namespace, m.Exchange)
	}
	if x.Internal {
		return nil, false, &Error{
			Code: CodeAccessRefused, Object: ObjectExchange, Name: x.Name, Space: s.namespace, Field: "internal",
			Text: "cannot publish to internal exchange",
		}
	}
	if err := s.mayPublishKeys(state, x, m); err != nil {
		return nil, false, err
	}
	r := &routed{version: e.version.Load(), exchange: m.Exchange, key: string(m.Key)}
	p.router.Order, p.router.Sticky = m.Order, uint32(s.id)
	queues := p.router.Route(state, x, m.Key, m.Message, m.ExtraKeys...)
	for _, q := range queues {
		r.add(e.hosts[q.Shard], q.Log)
		r.limit(q)
	}
	if !m.Forget {
		memories := p.router.Memories()
		for _, q := range memories {
			r.add(e.hosts[q.Shard], q.Log)
		}
		r.memories = len(memories)
	}
	return r, len(m.ExtraKeys) == 0 && state.RoutesByKey(x), nil
}

func (r *routed) add(h *host, log record.LogID) {
	for i := range r.targets {
		if r.targets[i].host == h {
			r.targets[i].logs = append(r.targets[i].logs, log)
			return
		}
	}
	r.targets = append(r.targets, target{host: h, logs: []record.LogID{log}})
}

// limit notes the largest message that a queue takes, which was added.
func (r *routed) limit(q *meta.Queue) {
	most := q.Effective().MessageBytes
	if most == nil {
		return
	}
	for i := range r.targets {
		if t := &r.targets[i]; slices.Contains(t.logs, q.Log) {
			t.limits = append(t.limits, messageLimit{q.Log, *most})
		}
	}
}

// submit hands the open submission over.
func (p *Publisher) submit(out map[*host][]*block) {
	sub := p.open
	p.open, p.dirty = nil, false
	if sub == nil {
		return
	}
	if p.notify != nil {
		p.mu.Lock()
		p.mu.queue = append(p.mu.queue, sub)
		p.mu.Unlock()
	}
	if len(sub.blocks) == 0 {
		sub.pending.Store(1)
		sub.done()
		return
	}
	sub.pending.Store(int32(len(sub.blocks)))
	for _, sb := range sub.blocks {
		out[sb.host] = append(out[sb.host], sb.block)
	}
}

// refuse notes that a target did not take a message.
func (s *submission) refuse(sequence uint64, code Code) {
	s.mu.Lock()
	s.refused = append(s.refused, Refusal{sequence, code})
	s.mu.Unlock()
}

// done ends one block; the last one completes the submission.
func (s *submission) done() {
	if s.pending.Add(-1) > 0 {
		return
	}
	p := s.publisher
	if p.notify == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	s.finished = true
	for len(p.mu.queue) > 0 && p.mu.queue[0].finished {
		head := p.mu.queue[0]
		p.mu.queue[0] = nil
		p.mu.queue = p.mu.queue[1:]
		p.notify(head.completion())
	}
}

func (s *submission) completion() Completion {
	c := Completion{First: s.first, Last: s.last}
	if len(s.refused) > 0 {
		slices.SortFunc(s.refused, func(a, b Refusal) int { return int(int64(a.Sequence) - int64(b.Sequence)) })
		c.Refused = slices.CompactFunc(s.refused, func(a, b Refusal) bool { return a.Sequence == b.Sequence })
	}
	return c
}
