package broker

import (
	"sort"
	"sync"
	"time"

	"weir/internal/clock"
	"weir/internal/meta"
	"weir/internal/record"
	"weir/internal/route"
	"weir/internal/segment"
	"weir/internal/shard"
)

// DeadLetterContext says why a message leaves a queue and where it goes.
type DeadLetterContext struct {
	Queue      string
	Why        DeadReason
	UnixMillis int64
	Exchange   string  // it is published to
	Key        *string // nil keeps the message's own
}

// DeadReason is why a message was dead-lettered.
type DeadReason uint8

// The reasons.
const (
	DeadRejected DeadReason = iota + 1
	DeadExpired
	DeadMaxLength
	DeadDeliveryLimit
)

// DeadLettered is a message rewritten for its dead-letter exchange.
type DeadLettered struct {
	Native [3][]byte
	Keys   []string // routing keys, at least one
	// Cycled says whether the message has been through the queue before without
	// anybody having rejected it on the way: it is then not stored there again.
	Cycled  func(queue string) bool
	Message route.Message
}

// DeadLetterFunc rewrites native bytes of one dialect.
type DeadLetterFunc func(native []byte, c DeadLetterContext) (DeadLettered, error)

// deadLetterRetry is the wait before a dead letter is offered again to a target
// that refused it.
const deadLetterRetry = time.Second

// deadLetters stores buried messages at their dead-letter targets, at least once:
// a message leaves its queue only when the target has it.
type deadLetters struct {
	mu struct {
		sync.Mutex
		waiting []deadLetter
		closed  bool
		open    int           // letters not stored anywhere yet
		quiet   chan struct{} // closed when there are none
	}
	wake chan struct{}
	once sync.Once
}

type deadLetter struct {
	host *host
	shard.DeadLetter
}

func (d *deadLetters) init() { d.once.Do(func() { d.wake = make(chan struct{}, 1) }) }

func (d *deadLetters) add(h *host, dead []shard.DeadLetter) {
	d.init()
	d.mu.Lock()
	for _, l := range dead {
		d.mu.waiting = append(d.mu.waiting, deadLetter{h, l})
	}
	if d.mu.open == 0 {
		d.mu.quiet = make(chan struct{})
	}
	d.mu.open += len(dead)
	d.mu.Unlock()
	select {
	case d.wake <- struct{}{}:
	default:
	}
}

// done notes that a letter is stored, or will never be.
func (d *deadLetters) done() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.mu.open--; d.mu.open == 0 {
		close(d.mu.quiet)
	}
}

// wait returns when no letters are open, or after at most.
func (d *deadLetters) wait(k clock.Clock, atMost time.Duration) {
	d.mu.Lock()
	open, quiet := d.mu.open, d.mu.quiet
	d.mu.Unlock()
	if open == 0 {
		return
	}
	late := make(chan struct{})
	t := k.AfterFunc(atMost, func() { close(late) })
	defer t.Stop()
	select {
	case <-quiet:
	case <-late:
	}
}

func (d *deadLetters) close() {
	d.init()
	d.mu.Lock()
	d.mu.closed = true
	d.mu.Unlock()
	select {
	case d.wake <- struct{}{}:
	default:
	}
}

func (d *deadLetters) loop(e *engine) {
	d.init()
	w := &deadLetterer{engine: e, pending: map[uint64]deadLetter{}}
	w.session = e.internalSession()
	w.publisher = w.session.Publisher(w.completed)
	for range d.wake {
		for {
			d.mu.Lock()
			batch, closed := d.mu.waiting, d.mu.closed
			d.mu.waiting = nil
			d.mu.Unlock()
			if closed {
				return
			}
			if len(batch) == 0 {
				break
			}
			for _, l := range batch {
				w.send(l)
			}
			w.session.Flush()
		}
	}
}

// deadLetterer is the one goroutine that publishes dead letters.
type deadLetterer struct {
	engine    *engine
	session   *Session
	publisher *Publisher
	router    meta.Router
	aheadOf   record.LogID
	ahead     []segment.Entry

	mu      sync.Mutex
	pending map[uint64]deadLetter // by sequence
}

// send publishes one dead letter, or settles it where there is nowhere to go.
func (w *deadLetterer) send(l deadLetter) {
	q := w.engine.queueOf(l.Log)
	if q == nil {
		w.engine.deadLetters.done()
		return
	}
	rec := l.Record
	if rec == nil {
		var err error
		if rec, l.Index, err = w.read(l); err != nil {
			w.again(l)
			return
		}
		if rec == nil {
			w.engine.deadLetters.done()
			return
		}
	}
	var env record.Envelope
	native, err := record.Decode(rec, &env)
	if err != nil {
		w.engine.fail(err)
		return
	}
	o := &w.engine.options
	if to := q.Effective().DeadTopic; to != nil && o.DeadTopic != nil {
		w.giveUp(l, q, *to, rec, native, &env)
		return
	}
	rewrite := o.DeadLetter[env.Dialect]
	if rewrite == nil {
		if native, err = w.convert(rec, l.Index, &env, o.DeadLetterAs); err != nil {
			o.Log.Warn("message cannot be converted to be dead-lettered", "queue", q.Name, "err", err)
			w.stored(l)
			return
		}
		rewrite = o.DeadLetter[env.Dialect]
	}
	now := q.Effective() // one look: a policy may change it meanwhile
	if now.DeadLetterTo == nil || rewrite == nil {
		w.stored(l)
		return
	}
	out, err := rewrite(native, DeadLetterContext{
		Queue: q.Name, Why: deadReason(l.Why), UnixMillis: w.engine.options.Clock.Millis(),
		Exchange: *now.DeadLetterTo, Key: now.DeadLetterKey,
	})
	if err != nil {
		w.engine.options.Log.Warn("message cannot be dead-lettered", "queue", q.Name, "err", err)
		w.stored(l)
		return
	}
	w.publish(l, q, *now.DeadLetterTo, &env, &out)
}

// convert makes a message one of a dialect that can be dead-lettered.
func (w *deadLetterer) convert(rec []byte, index uint32, env *record.Envelope, to record.Dialect) ([]byte, error) {
	converted, err := w.engine.options.Converters.Convert(rec, index, to)
	if err != nil {
		return nil, err
	}
	return record.Decode(converted, env)
}

// publish routes a rewritten message on the dead-letterer's own authority: the
// right to dead-letter was checked when the queue was declared.
func (w *deadLetterer) publish(l deadLetter, q *meta.Queue, to string, env *record.Envelope, out *DeadLettered) {
	e, p := w.engine, w.publisher
	e.control.mu.RLock()
	x := e.control.state.Exchange(q.Namespace, to)
	var queues []*meta.Queue
	if x != nil {
		for _, t := range w.router.Route(e.control.state, x, []byte(out.Keys[0]), out.Message, out.Keys[1:]...) {
			if !out.Cycled(t.Name) {
				queues = append(queues, t)
			}
		}
		queues = append(queues, w.router.Memories()...)
	}
	r := &routed{}
	for _, t := range queues {
		r.add(e.hosts[t.Shard], t.Log)
	}
	e.control.mu.RUnlock()
	if len(queues) == 0 {
		w.stored(l)
		return
	}
	p.sequence++
	w.mu.Lock()
	w.pending[p.sequence] = l
	w.mu.Unlock()
	if p.open == nil {
		p.begin()
	}
	p.open.last = p.sequence
	m := &Outgoing{Dialect: env.Dialect, Priority: env.Priority, TTL: -1, Native: out.Native}
	for i := range r.targets {
		p.add(&r.targets[i], m)
	}
}

func deadReason(w shard.Why) DeadReason {
	switch w {
	case shard.WhyExpired:
		return DeadExpired
	case shard.WhyMaxLength:
		return DeadMaxLength
	case shard.WhyDeliveryLimit:
		return DeadDeliveryLimit
	case shard.WhyAccepted, shard.WhyRejected, shard.WhyPurged, shard.WhyStored:
	}
	return DeadRejected
}

// aheadBytes is read from the shelf at once: dead letters mostly come in order.
const aheadBytes = 256 << 10

// read fetches a record from the shelf, or from what was read ahead, and tells
// which of its messages is meant.
func (w *deadLetterer) read(l deadLetter) (rec []byte, index uint32, err error) {
	if rec, index = w.readAhead(l); rec != nil {
		return rec, index, nil
	}
	w.aheadOf, w.ahead = l.Source, nil
	err = l.host.shelf.Read(l.Source, l.Offset, aheadBytes, func(e segment.Entry) bool {
		w.ahead = append(w.ahead, e)
		return true
	})
	if err != nil {
		w.ahead = nil
		w.engine.unread(err)
		return nil, 0, err
	}
	rec, index = w.readAhead(l)
	return rec, index, nil
}

// readAhead finds the record that covers a dead letter's offset.
func (w *deadLetterer) readAhead(l deadLetter) ([]byte, uint32) {
	if w.aheadOf != l.Source {
		return nil, 0
	}
	i := sort.Search(len(w.ahead), func(i int) bool { return w.ahead[i].Offset > l.Offset }) - 1
	if i < 0 || l.Offset >= w.ahead[i].Offset+countOf(w.ahead[i].Record) {
		return nil, 0
	}
	return w.ahead[i].Record, uint32(l.Offset - w.ahead[i].Offset)
}

// completed runs on an engine goroutine when dead letters are durable.
func (w *deadLetterer) completed(c Completion) {
	refused := c.Refused
	for seq := c.First; seq <= c.Last; seq++ {
		w.mu.Lock()
		l, ok := w.pending[seq]
		delete(w.pending, seq)
		w.mu.Unlock()
		if !ok {
			continue
		}
		if len(refused) > 0 && refused[0].Sequence == seq {
			refused = refused[1:]
			w.again(l)
			continue
		}
		w.stored(l)
	}
}

// again offers a letter once more, after a while.
func (w *deadLetterer) again(l deadLetter) {
	w.engine.deadLetters.done() // it is added again
	w.engine.options.Clock.AfterFunc(deadLetterRetry, func() {
		w.engine.deadLetters.add(l.host, []shard.DeadLetter{l.DeadLetter})
	})
}

func (w *deadLetterer) stored(l deadLetter) {
	w.engine.deadLetters.done()
	if l.Refused {
		return
	}
	l.host.submit(nil, []op{{kind: opCall, call: func(m *shard.Machine) { m.Stored(l.Log, l.Offset) }}})
}

// internalSession is a session of the broker itself.
func (e *engine) internalSession() *Session {
	return &Session{
		engine: e, namespace: meta.DefaultNamespace, id: e.nextSession.Add(1),
		ops: map[*host][]op{}, blocks: map[*host][]*block{}, attachments: map[*Attachment]struct{}{},
		windowMax: windowBytesDefault, killed: make(chan struct{}),
	}
}
