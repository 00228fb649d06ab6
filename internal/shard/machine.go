package shard

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"

	"weir/internal/cursor"
	"weir/internal/invariant"
	"weir/internal/record"
	"weir/internal/replica"
	"weir/internal/store"
)

// Machine is the state machine of one shard.
type Machine struct {
	logs    map[record.LogID]*Log
	configs map[string]*Config // by encoded form: most logs share one
	tail    store.Tail
	shelf   *store.Shelf // nil on a volatile shard

	intents map[IntentID]Intent
	enacted map[Enacted]bool
	ledgers map[string]map[string][]byte // notes by ledger and key

	dirty     []*Log          // changed since the last checkpoint
	deleted   []record.LogID  // likewise
	dirtyKeys map[string]bool // likewise: intents and notes, by checkpoint key

	// OnAppend, if not nil, is told of every append: the position of its record in
	// the entry, what became of it, its first offset and the first of the log.
	OnAppend func(at int, v Verdict, first, begin record.Offset)

	// Leader only.
	leading   bool
	now       int64  // of the current turn
	turns     uint64 // its number
	out       []byte // commands to propose
	last      rangeCommand
	urgent    bool   // out holds more than settles
	hot       []*Log // have something to hand out
	timers    []*Log // have a deadline
	deadline  int64  // the earliest of theirs, or earlier
	looked    int64  // when they were last looked at
	dead      []DeadLetter
	reads     []Read
	limited   int                   // logs with a limit that is checked before proposing
	retaining int                   // logs that keep settled messages
	opening   map[record.LogID]bool // proposed, not there yet
	raised    []*Log
	counts    Totals
}

// Totals count over all logs of the shard on this leader.
type Totals struct {
	Published, Delivered, Redelivered, Acked, DeadLettered, Expired, Dropped uint64
	DeadBy                                                                   [WhyStored + 1]uint64 // DeadLettered, by reason
	DeadStored                                                               uint64                // dead letters that have reached their target
}

// Expiry counts dead letters that expired.
func (t *Totals) Expiry() uint64 { return t.DeadBy[WhyExpired] }

// Overflow counts those a full log turned out.
func (t *Totals) Overflow() uint64 { return t.DeadBy[WhyMaxLength] }

// Rejection counts those a consumer rejected.
func (t *Totals) Rejection() uint64 { return t.DeadBy[WhyRejected] }

// Returning counts those that were returned too often.
func (t *Totals) Returning() uint64 { return t.DeadBy[WhyDeliveryLimit] }

type rangeCommand struct {
	at  int // position in out, -1 none
	hi  record.Offset
	log record.LogID
	key uint16 // kind and argument
}

// DeadLetter is a message that has to be stored at its dead-letter target; once
// it is, the owner calls Stored.
type DeadLetter struct {
	Log    record.LogID
	Offset record.Offset
	Why    Why
	Record []byte       // nil where it has to be read from the shelf first
	Source record.LogID // whose record it is: Log, or of a view its source
	Index  uint32       // of the message in its record
	Count  uint32       // how often it was delivered and came back
	// Refused says that the log never took the message: there is nothing to settle.
	Refused bool
}

// Read asks the owner to read a log's records from the shelf and hand them to
// Loaded.
type Read struct {
	Log      record.LogID
	From     record.Offset
	MaxBytes int

	// Gaps are for the owner to set where the read is for consumers of Messages:
	// offsets of the records that have no message any more, ascending.
	Messages bool
	Gaps     []cursor.Range

	view     record.LogID      // it is for, if not for the log itself
	follower cursor.ConsumerID // it is for, if not for the settling cursor
	upto     record.Offset     // what is not found below is not there
}

// New returns an empty machine. shelf is nil for a volatile shard.
func New(shelf *store.Shelf) *Machine {
	return &Machine{
		deadline: noDeadline, configs: map[string]*Config{},
		logs: map[record.LogID]*Log{}, shelf: shelf, last: rangeCommand{at: -1}, opening: map[record.LogID]bool{},
		intents: map[IntentID]Intent{}, enacted: map[Enacted]bool{}, dirtyKeys: map[string]bool{}, ledgers: map[string]map[string][]byte{},
	}
}

// Lead makes the machine take the leader's decisions from now on.
func (m *Machine) Lead(now int64) {
	m.leading, m.now, m.counts = true, now, Totals{}
	for _, l := range m.logs {
		l.stats = Stats{} // what was replayed happened before
		m.watch(l)
		m.heat(l)
		if l.attended {
			l.suspect = min(l.next, l.cursor.HighWater()+deliverySlack)
		}
		l.cursor.Dead().Ranges(func(lo, hi record.Offset) bool {
			for o := lo; o < hi; o++ {
				m.dead = append(m.dead, m.deadLetter(l, o))
			}
			return true
		})
	}
}

// Has says whether the log exists.
func (m *Machine) Has(id record.LogID) bool { return m.logs[id] != nil }

// Configured says whether the log exists with this configuration.
func (m *Machine) Configured(id record.LogID, c Config) bool {
	l := m.logs[id]
	return l != nil && bytes.Equal(l.config.encoded, c.Encode())
}

// Logs calls yield for every log until it says false.
func (m *Machine) Logs(yield func(id record.LogID) bool) {
	for id := range m.logs {
		if !yield(id) {
			return
		}
	}
}

// TailBytes is the memory the tail holds.
func (m *Machine) TailBytes() int64 { return m.tail.Bytes() }

// Totals returns the shard's counters.
func (m *Machine) Totals() Totals { return m.counts }

// Counts returns a log's numbers.
func (m *Machine) Counts(id record.LogID) (Counts, bool) {
	l := m.logs[id]
	if l == nil {
		return Counts{}, false
	}
	c := Counts{Counts: l.cursor.Counts(), Stats: l.stats, Next: l.next}
	if l.config.Stream {
		c.Ready = uint64(l.next - l.firstWanted())
	}
	c.Consumers += len(l.followers)
	c.Ready += uint64(l.releasing) // as good as given back
	if visible := c.Ready + c.Leased + c.Delayed; c.Unsettled > visible {
		// The rest is gone for everybody but not for the log yet.
		c.Bytes = int64(float64(c.Bytes) * float64(visible) / float64(c.Unsettled))
	}
	if l.config.SingleActive {
		c.Active, _ = l.cursor.Active()
	}
	return c, true
}

// Apply implements replica.Machine.
func (m *Machine) Apply(e replica.Entry) {
	invariant.Check(len(e.Data) >= entryHeaderBytes && e.Data[0] == entryVersion, "shard: entry %d has no header", e.Index)
	now := int64(binary.LittleEndian.Uint64(e.Data[1:]))
	slab := m.tail.Add(e.Data)
	m.applyRange(e.Data, entryHeaderBytes, len(e.Data), slab, now)
	m.tail.Seal(slab)
}

// applyRange applies the commands from p to end of an entry.
func (m *Machine) applyRange(data []byte, p, end int, slab uint32, now int64) {
	var c command
	for p < end {
		next, err := c.next(data[:end], p)
		if err != nil {
			invariant.Check(false, "shard: entry of %d bytes at %d: %v", len(data), p, err)
		}
		m.apply(&c, data, slab, now)
		p = next
	}
}

func (m *Machine) apply(c *command, data []byte, slab uint32, now int64) {
	if c.kind == commandAppend {
		m.applyAppend(c, data, slab, now)
		return
	}
	if c.kind == commandNote {
		m.applyNote(c)
		return
	}
	if c.kind >= commandIntent {
		m.applyDecision(c, data, slab, now)
		return
	}
	l := m.logs[c.log]
	if c.kind == commandOpen {
		m.applyOpen(l, c)
		return
	}
	if l == nil {
		return // deleted by an earlier command
	}
	m.touch(l)
	switch c.kind {
	case commandSettle:
		m.applySettle(l, c.lo, c.hi, Why(c.arg))
	case commandRelease:
		m.applyRelease(l, c.lo, c.hi, c.arg&1 != 0, now)
	case commandBury:
		m.applyBury(l, c.lo, c.hi, Why(c.arg))
	case commandDrop:
		m.applyDrop(l)
	case commandRewind:
		m.applyRewind(l, c.lo)
	case commandDelivered:
		m.applyDelivered(l, c.lo)
	case commandCalm:
		l.cursor.Delivered(c.lo)
		l.attended = false
	case commandTrim:
		m.applyTrim(l, c.lo)
	case commandCommit:
		if l.commits == nil {
			l.commits = map[string]record.Offset{}
		}
		l.commits[string(c.body)] = c.lo
	}
}

// applyDecision applies a command about a change of several shards.
func (m *Machine) applyDecision(c *command, data []byte, slab uint32, now int64) {
	e := Enacted{c.shard, c.intent}
	switch c.kind {
	case commandIntent:
		err := m.applyIntent(c)
		invariant.Check(err == nil, "shard: intent %d: %v", c.intent, err)
	case commandFinish:
		m.applyFinish(c)
	case commandForget:
		m.applyForget(e)
	case commandEnact:
		if m.enacting(e) {
			m.applyRange(data, c.at, c.at+len(c.body), slab, now)
		}
	}
}

func (m *Machine) touch(l *Log) {
	if !l.dirty {
		l.dirty = true
		m.dirty = append(m.dirty, l)
	}
}

func (m *Machine) applyOpen(l *Log, c *command) {
	config, err := m.configOf(c.body)
	invariant.Check(err == nil, "shard: configuration of log %d: %v", c.log, err)
	if l == nil {
		delete(m.opening, c.log)
		if config.Source == 0 {
			l = &Log{id: c.log, retained: never, cursor: cursor.New(config.cursor())}
		} else if l = m.newView(c.log, config); l == nil {
			return
		}
		m.logs[c.log] = l
	} else {
		m.limited -= l.limits()
		l.cursor.SetConfig(config.cursor())
	}
	l.config = config
	l.inflight, l.inflightB = 0, 0
	m.limited += l.limits()
	switch {
	case !config.Stream && config.Retain == 0 && config.RetainBytes == 0:
		if l.retained != never {
			m.applyTrim(l, l.next)
			l.retained = never
			m.retaining--
		}
	case l.retained == never:
		l.retained = l.next
		m.retaining++
	}
	m.touch(l)
	m.heat(l)
	m.watch(l)
}

// configOf decodes a configuration, or finds it decoded.
func (m *Machine) configOf(b []byte) (*Config, error) {
	if c := m.configs[string(b)]; c != nil {
		return c, nil
	}
	c, err := decodeConfig(b)
	if err != nil {
		return nil, err
	}
	c.encoded = slices.Clone(b)
	if len(m.configs) >= configsMax {
		clear(m.configs)
	}
	m.configs[string(b)] = &c
	return &c, nil
}

// configsMax bounds the configurations remembered.
const configsMax = 1024

func (l *Log) limits() int {
	if l.config.AcceptMax > 0 || l.bounded() {
		return 1
	}
	return 0
}

// bounded says whether messages beyond a length or size are not taken.
func (l *Log) bounded() bool {
	return l.config.Overflow != cursor.OverflowDropHead && (l.config.MaxLength >= 0 || l.config.MaxBytes >= 0)
}

func (m *Machine) applyAppend(c *command, data []byte, slab uint32, now int64) {
	var e record.Envelope
	_, err := record.Decode(data[c.at:], &e)
	invariant.Check(err == nil, "shard: record: %v", err)
	for i := 0; i < len(c.logs); i += 8 {
		l := m.logs[record.LogID(binary.LittleEndian.Uint64(c.logs[i:]))]
		if l == nil {
			continue // deleted between routing and here: as if it had come first
		}
		m.touch(l)
		if l.config.Dedup > 0 && e.Dedup != (record.DedupID{}) {
			if l.dedup == nil {
				l.dedup = &dedup{}
			}
			if l.dedup.check(e.Dedup, now, l.config.Dedup) {
				continue
			}
		}
		m.appendNumbered(l, &e, slab, c.at, now)
	}
}

// appendNumbered appends unless the producer's numbers say otherwise.
func (m *Machine) appendNumbered(l *Log, e *record.Envelope, slab uint32, at int, now int64) {
	verdict, o := Stored, l.next
	if e.Producer.Part != record.PartNone {
		if verdict, o = l.judge(e); verdict == Stored {
			o = l.next
			l.remember(e, o, now)
		}
	}
	if verdict == Stored {
		m.appendTo(l, e, slab, uint32(at), now)
	}
	if m.OnAppend != nil {
		m.OnAppend(at, verdict, o, l.firstWanted())
	}
}

func (m *Machine) appendTo(l *Log, e *record.Envelope, slab, at uint32, now int64) {
	o := l.next
	l.arriveLate(e, o, now)
	if l.tail.End() != o {
		l.tail.Reset(o)
	}
	l.tail.Push(m.tail.Keep(slab, at))
	l.next++
	if e.Count > 1 && l.config.Stream {
		m.coverRest(l, e.Count-1)
	}
	a := cursor.Attributes{Priority: e.Priority, Expiry: l.expiry(e), Due: e.Due, Bytes: e.Body}
	if m.leading && a.Expiry != 0 {
		// A message that may not wait gets this turn's hand-out.
		if a.Expiry <= m.now {
			if l.fresh != m.turns && !l.held {
				l.freshFrom = m.now
			}
			a.Expiry, l.fresh = m.now, m.turns
		}
	}
	if !l.config.Stream {
		l.cursor.Append(o, a)
	}
	l.stats.Published++
	m.counts.Published++
	if m.leading {
		l.appended = true
		if l.inflight > 0 {
			l.inflight--
			l.inflightB -= int64(e.Body)
		}
		if a.Expiry != 0 || a.Due != 0 {
			m.watch(l)
		}
		m.heat(l)
	}
	if len(l.views) > 0 {
		m.show(l, e)
	}
}

// coverRest gives the record appended last the n offsets behind its first one.
func (m *Machine) coverRest(l *Log, n uint32) {
	at := l.tail.At(l.next - 1)
	for range n {
		l.tail.Push(m.tail.KeepAgain(at))
	}
	l.next += record.Offset(n)
}

func (m *Machine) applySettle(l *Log, lo, hi record.Offset, why Why) {
	unsettled := l.cursor.Unsettled()
	if hi > l.next {
		hi = l.next
	}
	if end := min(hi, l.shelved, l.retained); lo < end {
		m.shelf.Drop(l.id, lo, end, func(a, b record.Offset) int64 {
			return int64(unsettled.CountRange(a, b))
		})
	}
	var n uint64
	for o, ok := unsettled.Next(lo); ok && o < hi; o, ok = unsettled.Next(o + 1) {
		n++
		if o < l.retained {
			m.unkeep(l, o)
		}
		if len(l.why) > 0 {
			delete(l.why, o)
		}
	}
	l.cursor.Settle(lo, hi)
	switch why {
	case WhyAccepted:
		l.stats.Acked += n
		m.counts.Acked += n
	case WhyExpired:
		m.counts.Expired += n
	case WhyMaxLength, WhyRejected, WhyDeliveryLimit:
		m.counts.Dropped += n
	case WhyStored:
		m.counts.DeadStored += n
	case WhyPurged:
	}
	l.tail.PopTo(l.firstWanted())
	m.heat(l)
}

// unkeep lets the tail go of a message.
func (m *Machine) unkeep(l *Log, o record.Offset) {
	if o >= l.tail.Base() && o < l.tail.End() {
		m.tail.Drop(l.tail.At(o))
	}
}

func (m *Machine) applyRelease(l *Log, lo, hi record.Offset, count bool, now int64) {
	if m.leading {
		now = m.now
		l.releasing = max(l.releasing-int64(hi-lo), 0)
	}
	for _, o := range l.cursor.Release(lo, hi, now, count, nil) {
		if l.config.DeadLetter {
			m.applyBury(l, o, o+1, WhyDeliveryLimit)
		} else {
			m.applySettle(l, o, o+1, WhyDeliveryLimit)
		}
	}
	m.heat(l)
	m.watch(l)
}

func (m *Machine) applyBury(l *Log, lo, hi record.Offset, why Why) {
	unsettled := l.cursor.Unsettled()
	for o, ok := unsettled.Next(lo); ok && o < hi; o, ok = unsettled.Next(o + 1) {
		if l.why == nil {
			l.why = map[record.Offset]Why{}
		}
		if _, again := l.why[o]; again {
			continue
		}
		l.why[o] = why
		l.cursor.Bury(o)
		m.counts.DeadLettered++
		m.counts.DeadBy[why]++
		if m.leading {
			m.dead = append(m.dead, m.deadLetter(l, o))
		}
	}
	m.heat(l)
}

func (m *Machine) deadLetter(l *Log, o record.Offset) DeadLetter {
	d := DeadLetter{Log: l.id, Offset: o, Why: l.why[o], Source: l.id, Count: l.cursor.Count(o)}
	if s := l.source; s != nil {
		d.Source = s.id
		if o >= s.tail.Base() && o < s.tail.End() && s.wanted(o) {
			d.Record, d.Index = m.tail.Record(s.tail.At(o)), uint32(o-s.startOf(o))
		}
	} else if o >= l.tail.Base() {
		d.Record = m.tail.Record(l.tail.At(o))
	}
	return d
}

func (m *Machine) applyDrop(l *Log) {
	for len(l.views) > 0 {
		m.applyDrop(l.views[0])
	}
	l.unlink()
	m.unkeepAll(l, l.tail.Base(), l.next)
	if m.shelf != nil && l.shelved > 0 {
		m.shelf.Drop(l.id, 0, l.shelved, l.wantedCount)
	}
	m.limited -= l.limits()
	if l.retained != never {
		m.retaining--
	}
	l.cursor = cursor.New(l.config.cursor()) // a stale pointer finds nothing to do
	l.consumers, l.followers, l.next = nil, nil, 0
	l.tail.Reset(0)
	delete(m.logs, l.id)
	m.deleted = append(m.deleted, l.id)
	for _, f := range l.waiting {
		f()
	}
	for _, p := range l.pulls {
		p.refuse()
	}
	l.waiting, l.pulls = nil, nil
	l.wake()
}

// unkeepAll lets the tail go of every wanted message in [lo, hi).
func (m *Machine) unkeepAll(l *Log, lo, hi record.Offset) {
	unsettled := l.cursor.Unsettled()
	for o, ok := unsettled.Next(lo); ok && o < min(hi, l.retained); o, ok = unsettled.Next(o + 1) {
		m.unkeep(l, o)
	}
	for o := max(lo, l.retained); o < hi; o++ {
		m.unkeep(l, o)
	}
}

func (m *Machine) applyRewind(l *Log, from record.Offset) {
	lo := max(from, l.retained)
	if l.viewing() {
		lo = max(from, l.source.firstWanted())
	}
	if lo < l.next {
		l.cursor.Reopen(lo, l.next)
		m.heat(l)
	}
}

// applyTrim ends the retention of settled messages below first.
func (m *Machine) applyTrim(l *Log, first record.Offset) {
	first = min(first, l.next)
	if l.retained == never || first <= l.retained {
		return
	}
	unsettled := l.cursor.Unsettled()
	lo := l.retained
	if lo < min(first, l.shelved) {
		m.shelf.Drop(l.id, lo, min(first, l.shelved), func(a, b record.Offset) int64 {
			return int64(b-a) - int64(unsettled.CountRange(a, b))
		})
	}
	for o := max(lo, l.tail.Base()); o < first; o++ {
		if !unsettled.Contains(o) {
			m.unkeep(l, o)
		}
	}
	l.retained = first
	l.forgetAborted()
	l.tail.PopTo(l.whole(l.firstWanted()))
	m.trimViews(l)
}

// String describes the machine for a log line.
func (m *Machine) String() string {
	return fmt.Sprintf("%d logs, %d bytes in the tail", len(m.logs), m.tail.Bytes())
}
