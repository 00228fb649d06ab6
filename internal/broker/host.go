package broker

import (
	"sync"
	"sync/atomic"
	"time"

	"weir/internal/clock"
	"weir/internal/record"
	"weir/internal/replica"
	"weir/internal/shard"
	"weir/internal/store"
)

const (
	// An entry takes in waiting blocks up to this size; a larger block has one
	// of its own. Large enough to amortise an fsync, small enough to be applied
	// without a pause anybody notices.
	entryBytesMax = 1 << 20
	// At most this many entries are proposed at once.
	entriesPerTurn = 8
	// Settles that nobody waits for are proposed with the next publish, or after
	// this long, or when there are many.
	settleDelay    = 2 * time.Millisecond
	settleBytesMax = 16 << 10
)

// block is the appends of one publisher for one shard.
type block struct {
	data       []byte
	submission *submission
	sequences  []uint64 // of its messages
	waiting    []byte   // rest of a block that a full queue keeps waiting
	admitted   int
	started    bool

	// Of a block with one message whose publisher waits for its offset.
	appended func(first, begin record.Offset, err *Error) // a duplicate is where it was first
	record   int                                          // where its record begins in data
	at       int                                          // and in the entry
}

type opKind uint8

const (
	opCall opKind = iota
	opCredit
	opSettle
	opResume
)

// op is one thing asked of a shard's goroutine, in order.
type op struct {
	kind       opKind
	outcome    Outcome
	attachment *Attachment
	lo, hi     record.Offset
	n          int64
	call       func(m *shard.Machine)
}

// host is a shard on this node: its goroutine, machine and log.
type host struct {
	id      record.ShardID
	engine  *engine
	machine *shard.Machine
	log     replica.Log
	group   *replica.Group // log, where it is not volatile
	clock   clock.Clock

	inbox struct {
		sync.Mutex
		blocks []*block
		ops    []op
		closed bool
	}
	wake chan struct{}
	done chan struct{}
	led  chan struct{} // closed when this node leads and has replayed its log

	// The goroutine's own.
	blocks    []*block // taken, not yet proposed
	retry     bool     // blocks kept waiting by full queues may find room now
	ops       []op
	parked    map[record.LogID][]func(m *shard.Machine) // wait for the log to open
	proposals []proposal
	then      []func() // of the next proposal

	transactions []*transactionEntry // to be proposed
	retainAt     int64               // next look at retention
	leading      bool
	settleAt     int64 // when waiting settles are proposed, 0 none wait
	timer        clock.Timer
	timerAt      int64

	shelf      *store.Shelf
	sinceFlush int64        // bytes applied
	flushed    record.Index // of the last checkpoint begun
	relieveAt  int64        // unix ms; not before, for want of room
	flushing   bool
	rewriting  bool

	tailBytes atomic.Int64
	waiting   atomic.Int64 // bytes of blocks not applied
}

// proposal is an entry of ours that is not applied yet.
type proposal struct {
	key    *byte // of the entry's data
	blocks []*block
	then   []func() // run when it is applied
}

// offsets returns what tells the blocks of the proposal their offsets, nil where
// none of them waits for one.
func (p *proposal) offsets() func(at int, v shard.Verdict, first, begin record.Offset) {
	var waiting map[int]*block
	for _, b := range p.blocks {
		if b.appended != nil {
			if waiting == nil {
				waiting = map[int]*block{}
			}
			waiting[b.at] = b
		}
	}
	if waiting == nil {
		return nil
	}
	return func(at int, v shard.Verdict, first, begin record.Offset) {
		if b := waiting[at]; b != nil {
			b.appended(first, begin, verdictError(v))
			b.appended = nil
		}
	}
}

func verdictError(v shard.Verdict) *Error {
	switch v {
	case shard.OutOfSequence:
		return &Error{Code: CodeOutOfSequence, Object: ObjectMessage, Text: "an earlier message of the producer is missing"}
	case shard.Fenced:
		return &Error{Code: CodeFenced, Object: ObjectMessage, Text: "a later epoch of the producer has been here"}
	case shard.Stored, shard.Duplicate:
	}
	return nil
}

// retainPeriod is how often retention is looked at, in milliseconds.
const retainPeriod = 1000

// afterApplied runs f on the shard's goroutine when the commands gathered so far
// are applied.
func (h *host) afterApplied(f func()) { h.then = append(h.then, f) }

// awaitApplied returns when every command gathered so far is applied and the turn
// that did it is over.
func (h *host) awaitApplied() {
	done := make(chan struct{})
	h.submit(nil, []op{{kind: opCall, call: func(m *shard.Machine) {
		switch n := len(h.proposals); {
		case m.Pending() > 0:
			h.afterApplied(func() { close(done) })
		case n > 0:
			h.proposals[n-1].then = append(h.proposals[n-1].then, func() { close(done) })
		default:
			close(done)
		}
	}}})
	select {
	case <-done:
		h.call(func(*shard.Machine) {})
	case <-h.done:
	}
}

func newHost(e *engine, id record.ShardID, m *shard.Machine) *host {
	h := &host{
		id: id, engine: e, machine: m, clock: e.options.Clock,
		wake: make(chan struct{}, 1), done: make(chan struct{}), led: make(chan struct{}),
		parked: map[record.LogID][]func(*shard.Machine){},
	}
	h.timer = h.clock.AfterFunc(time.Hour, h.poke)
	return h
}

// poke makes the goroutine take a turn.
func (h *host) poke() {
	select {
	case h.wake <- struct{}{}:
	default:
	}
}

// submit hands blocks and ops over. It reports false once the host is closed.
func (h *host) submit(blocks []*block, ops []op) bool {
	h.inbox.Lock()
	if h.inbox.closed {
		h.inbox.Unlock()
		return false
	}
	for _, b := range blocks { // before they can be done with
		h.waiting.Add(int64(len(b.data)))
	}
	h.inbox.blocks = append(h.inbox.blocks, blocks...)
	h.inbox.ops = append(h.inbox.ops, ops...)
	h.inbox.Unlock()
	h.poke()
	return true
}

// call runs f on the shard's goroutine and waits for it. It reports false if the
// host is closed.
func (h *host) call(f func(m *shard.Machine)) bool {
	done := make(chan struct{})
	ok := h.submit(nil, []op{{kind: opCall, call: func(m *shard.Machine) {
		defer close(done)
		f(m)
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

// whenOpen runs f on the shard's goroutine once the log exists there.
func (h *host) whenOpen(id record.LogID, f func(m *shard.Machine)) {
	h.submit(nil, []op{{kind: opCall, call: func(m *shard.Machine) {
		if m.Has(id) || !h.engine.expected(id) {
			f(m)
			return
		}
		h.park(id, f)
	}}})
}

// park keeps f until the log is open, or will never be.
func (h *host) park(id record.LogID, f func(m *shard.Machine)) {
	h.parked[id] = append(h.parked[id], f)
}

// loop is the shard's goroutine.
func (h *host) loop() {
	defer close(h.done)
	for range h.wake {
		if !h.turn() {
			h.timer.Stop()
			return
		}
	}
}

// turn does everything there is to do at this moment. It reports false when the
// host is closed.
func (h *host) turn() bool {
	for again := true; again; {
		h.inbox.Lock()
		blocks, ops := h.inbox.blocks, h.inbox.ops
		h.inbox.blocks, h.inbox.ops = nil, h.ops[:0]
		closed := h.inbox.closed
		h.inbox.Unlock()
		if closed {
			return false
		}
		h.machine.Turn(h.clock.Millis())
		h.log.Step()
		h.lead()
		h.serve(ops)
		h.blocks = append(h.blocks, blocks...)
		h.retry = true
		h.propose()
		h.log.Process()
		h.lead() // the last entry of earlier terms may just have been applied
		h.machine.Dispatch()
		h.afterTurn()
		again = h.machine.Hot() || !h.log.Busy() && h.due()
	}
	h.schedule()
	return true
}

// lead notices that this node has begun to lead.
func (h *host) lead() {
	if !h.leading && (h.group == nil || h.group.Leading()) {
		h.leading = true
		h.machine.Lead(h.clock.Millis())
		close(h.led)
	}
}

func (h *host) serve(ops []op) {
	for i := range ops {
		o := &ops[i]
		a := o.attachment
		switch o.kind {
		case opCall:
			o.call(h.machine)
		case opCredit:
			h.machine.Credit(a.log, a.id, o.n)
		case opResume:
			h.machine.Resume(a.log, a.id)
		case opSettle:
			h.settle(a, o)
		}
		ops[i] = op{}
	}
	h.ops = ops
}

func (h *host) settle(a *Attachment, o *op) {
	var n uint64
	switch o.outcome {
	case Accept:
		n = h.machine.Settled(a.log, a.id, o.lo, o.hi, shard.WhyAccepted)
	case Reject:
		n = h.machine.Settled(a.log, a.id, o.lo, o.hi, shard.WhyRejected)
	case Release:
		n = h.machine.Released(a.log, a.id, o.lo, o.hi, true)
	case Return:
		n = h.machine.Released(a.log, a.id, o.lo, o.hi, false)
	case Renew:
		h.machine.Renew(a.log, a.id, o.lo, o.hi)
	}
	if a.pool != nil && n > 0 {
		a.pool.give(int64(n))
	}
}

// due says whether there is something to propose now.
func (h *host) due() bool {
	if (len(h.blocks) > 0 && h.retry || len(h.transactions) > 0) && h.roomy() {
		return true
	}
	n := h.machine.Pending()
	if n == 0 {
		return false
	}
	return h.group == nil || n >= settleBytesMax || h.machine.Urgent() ||
		h.settleAt != 0 && h.machine.Now() >= h.settleAt
}

// roomy says whether messages may be proposed. Where the disk is nearly full they
// may not: what is left of the log is for settles, which make room.
func (h *host) roomy() bool { return h.group == nil || h.engine.wal.Spacious() }

// entryBytes is how large an entry of several blocks may get.
func (h *host) entryBytes() int { return min(entryBytesMax, h.turnBytes()) }

// turnBytes is how much one turn proposes: little enough to fit, with what other
// shards propose, into what the log keeps back.
func (h *host) turnBytes() int {
	return min(entriesPerTurn*entryBytesMax, int(h.engine.options.WALFileBytes/8))
}

// propose makes entries of what waits, unless an earlier one is still on its way
// to the disk: what arrives meanwhile goes together.
func (h *host) propose() {
	if !h.leading || h.log.Busy() {
		return
	}
	for more := true; more && len(h.transactions) > 0; {
		more = h.proposeTransaction()
	}
	for left := h.turnBytes(); left > 0 && h.due(); {
		size, ok := h.proposeEntry()
		if left -= size; !ok {
			return
		}
	}
}

// proposeEntry proposes one entry and returns its size; it reports false when only
// waiting blocks are left.
func (h *host) proposeEntry() (int, bool) {
	size := 64 + h.machine.Pending()
	roomy := h.roomy()
	for _, b := range h.blocks {
		if size += len(b.data); size > h.entryBytes() || !roomy {
			break
		}
	}
	entry := shard.BeginEntry(make([]byte, 0, size), h.machine.Now())
	empty := len(entry)
	entry = h.machine.TakeCommands(entry)
	h.settleAt = 0
	var taken []*block
	if roomy {
		entry, taken = h.takeBlocks(entry)
	}
	if len(entry) == empty {
		for _, b := range taken {
			h.finished(b)
		}
		h.retry = len(taken) > 0
		return 1, h.retry
	}
	return len(entry), h.proposeBytes(entry, taken)
}

// proposeBytes proposes an entry that is not empty, with the blocks in it.
func (h *host) proposeBytes(entry []byte, taken []*block) bool {
	h.proposals = append(h.proposals, proposal{&entry[0], taken, h.then})
	h.then = nil
	if err := h.log.Propose(entry); err != nil {
		h.engine.fail(err)
		return false
	}
	return true
}

// takeBlocks appends blocks to the entry. Blocks that a full queue keeps waiting
// stay, and so do later ones of the same publisher.
func (h *host) takeBlocks(entry []byte) ([]byte, []*block) {
	var taken []*block
	var held map[*Publisher]bool
	limited := h.machine.Limited()
	kept := h.blocks[:0]
	for i, b := range h.blocks {
		if len(taken) > 0 && len(entry)+len(b.data) > h.entryBytes() {
			kept = append(kept, h.blocks[i:]...)
			break
		}
		done := !held[b.submission.publisher]
		b.at = len(entry) + b.record
		switch {
		case done && !limited && !b.started:
			entry = append(entry, b.data...)
		case done:
			entry, done = h.admit(entry, b)
		}
		if done {
			taken = append(taken, b)
			continue
		}
		if held == nil {
			held = map[*Publisher]bool{}
		}
		held[b.submission.publisher] = true
		kept = append(kept, b)
	}
	clear(h.blocks[len(kept):])
	h.blocks = kept
	return entry, taken
}

// finished ends a block: all its appends are applied, or refused.
func (h *host) finished(b *block) {
	h.waiting.Add(-int64(len(b.data)))
	sub := b.submission
	if b.appended != nil {
		b.appended(0, 0, &Error{Code: CodeUnavailable, Text: "not stored"})
	}
	*b = block{data: b.data[:0], sequences: b.sequences[:0]}
	if cap(b.data) <= 2*blockBytesMax {
		h.engine.blockPool.Put(b)
	}
	sub.done()
}

// admit checks a block against queue limits; false keeps (the rest of) it.
func (h *host) admit(entry []byte, b *block) ([]byte, bool) {
	data := b.waiting
	if !b.started {
		data, b.started = b.data, true
	}
	base := b.admitted
	entry, rest, n := h.machine.AdmitBlock(entry, data, func(i int, _ record.LogID) {
		b.submission.refuse(b.sequences[base+i], CodeFull)
	})
	b.admitted += n
	b.waiting = rest
	return entry, rest == nil
}

// Apply implements replica.Machine.
func (h *host) Apply(e replica.Entry) {
	if len(h.proposals) > 0 && h.proposals[0].key == &e.Data[0] {
		h.machine.OnAppend = h.proposals[0].offsets()
	}
	h.machine.Apply(e)
	h.machine.OnAppend = nil
	h.sinceFlush += int64(len(e.Data))
	h.retry = true
	if len(h.proposals) > 0 && h.proposals[0].key == &e.Data[0] {
		for _, b := range h.proposals[0].blocks {
			h.finished(b)
		}
		for _, f := range h.proposals[0].then {
			f()
		}
		h.proposals[0] = proposal{}
		h.proposals = h.proposals[1:]
	}
	for id, calls := range h.parked {
		if h.machine.Has(id) || !h.engine.expected(id) {
			delete(h.parked, id)
			for _, f := range calls {
				f(h.machine)
			}
		}
	}
}

// afterTurn hands on what the machine wants done elsewhere.
func (h *host) afterTurn() {
	for _, r := range h.machine.TakeReads() {
		h.engine.read(h, r)
	}
	if dead := h.machine.TakeDead(); dead != nil {
		h.engine.deadLetters.add(h, dead)
	}
	if now := h.machine.Now(); now >= h.retainAt {
		h.retainAt = now + retainPeriod
		h.machine.Retain()
	}
	h.tailBytes.Store(h.machine.TailBytes())
	h.maybeFlush()
}

// schedule sets the timer for the next deadline.
func (h *host) schedule() {
	next, ok := h.machine.Timers()
	if h.machine.Pending() > 0 && !h.log.Busy() {
		if h.settleAt == 0 {
			h.settleAt = h.machine.Now() + settleDelay.Milliseconds()
		}
		if !ok || h.settleAt < next {
			next, ok = h.settleAt, true
		}
	}
	if h.machine.Retaining() && (!ok || h.retainAt < next) {
		next, ok = h.retainAt, true
	}
	if !ok || next == h.timerAt && next > h.machine.Now() {
		return
	}
	h.timerAt = next
	h.timer.Reset(time.Duration(max(next-h.machine.Now(), 1)) * time.Millisecond)
}

func (h *host) close() {
	h.inbox.Lock()
	h.inbox.closed = true
	h.inbox.Unlock()
	h.poke()
	<-h.done
}
