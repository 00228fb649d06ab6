package shard

import (
	"slices"
	"sort"

	"weir/internal/cursor"
	"weir/internal/record"
)

// A view is a log without messages of its own: it has the settling cursor, and
// what it hands out are the messages of its source. It learns of them when they
// can be read, and keeps none of them: what its source lets go of is settled in
// the view too.

// viewing says whether the log is a view.
func (l *Log) viewing() bool { return l.source != nil }

// readable is the end of what a view is shown of its source.
func (l *Log) readable(c *Config) record.Offset {
	if c.Uncommitted {
		return l.next
	}
	return l.stable()
}

// newView makes a view, or nil where its source is gone.
func (m *Machine) newView(id record.LogID, c *Config) *Log {
	source := m.logs[c.Source]
	if source == nil || !source.config.Stream {
		return nil
	}
	l := &Log{id: id, retained: never, cursor: cursor.New(c.cursor()), source: source}
	l.next = source.readable(c)
	if c.Begin >= 0 {
		l.cursor.Reopen(max(record.Offset(c.Begin), source.firstWanted()), l.next)
	}
	source.views = append(source.views, l)
	return l
}

// linkViews finds the sources of the views of a restored machine.
func (m *Machine) linkViews() error {
	for _, l := range m.logs {
		if l.config.Source == 0 {
			continue
		}
		l.source = m.logs[l.config.Source]
		if l.source == nil || l.next > l.source.next {
			return errState
		}
		l.shelved = 0
		l.source.views = append(l.source.views, l)
	}
	for _, l := range m.logs {
		slices.SortFunc(l.views, func(a, b *Log) int { return int(int64(a.id) - int64(b.id)) })
	}
	return nil
}

// unlink takes a view that is dropped off its source.
func (l *Log) unlink() {
	if s := l.source; s != nil {
		s.views = slices.DeleteFunc(s.views, func(v *Log) bool { return v == l })
	}
}

// show lets the views of a log learn of what has become readable. e is the
// envelope of what was appended last, nil for none.
func (m *Machine) show(l *Log, e *record.Envelope) {
	for _, v := range l.views {
		upto := l.readable(v.config)
		if v.next >= upto {
			continue
		}
		v.stats.Published += uint64(upto - v.next)
		a := cursor.Attributes{}
		if e != nil {
			a = cursor.Attributes{Expiry: v.expiry(e), Due: e.Due}
		}
		if v.next+1 == upto {
			v.cursor.Append(v.next, a)
		} else {
			v.cursor.AppendRange(v.next, upto)
		}
		v.next = upto
		m.touch(v)
		if m.leading {
			v.appended = true
			m.heat(v)
			m.watch(v)
		}
	}
}

// blob is a record of a view's source while its messages are handed out.
type blob struct {
	from, end record.Offset
	first     record.Offset // where the record begins
	record    []byte        // nil: there is nothing in [from, end) any more
	envelope  record.Envelope
}

func (b *blob) covers(o record.Offset) bool { return o >= b.from && o < b.end }

// blobAt finds the record that covers o, or starts reading it.
func (m *Machine) blobAt(v *Log, o record.Offset) bool {
	if v.blob.covers(o) {
		return true
	}
	s := v.source
	if o >= s.tail.Base() && o < s.tail.End() {
		v.cold.drop()
		if !s.wanted(o) {
			v.blob = blob{from: o, end: o + 1}
			return true
		}
		return v.open(s.startOf(o), m.tail.Record(s.tail.At(o)))
	}
	if end, ok := v.cold.gap(o); ok {
		v.blob = blob{from: o, end: end}
		return true
	}
	if rec, first := v.cold.cover(o); rec != nil && v.open(first, rec) && v.blob.covers(o) {
		v.blob.from, v.blob.end = o, v.cold.beforeGap(o, v.blob.end)
		return true
	}
	if v.cold.covers(o) {
		v.blob = blob{from: o, end: v.cold.after(o)}
		return true
	}
	if !v.cold.reading {
		v.cold.reading = true
		m.reads = append(m.reads, Read{Log: s.id, From: o, MaxBytes: coldReadBytes, Messages: true, view: v.id, upto: s.tail.Base()})
	}
	return false
}

// open makes the record at first the view's blob.
func (l *Log) open(first record.Offset, rec []byte) bool {
	l.blob = blob{from: first, first: first, record: rec}
	if _, err := record.Decode(rec, &l.blob.envelope); err != nil {
		l.blob = blob{}
		return false
	}
	l.blob.end = first + record.Offset(max(l.blob.envelope.Count, 1))
	return true
}

// startOf is the first offset of the record in the tail that covers o.
func (l *Log) startOf(o record.Offset) record.Offset {
	at, base := l.tail.At(o), l.tail.Base()
	n := sort.Search(int(o-base), func(i int) bool { return l.tail.At(base+record.Offset(i)) == at })
	return base + record.Offset(n)
}

// cover returns the last record of the window that begins at o or before.
func (c *cold) cover(o record.Offset) (rec []byte, first record.Offset) {
	i := sort.Search(len(c.records), func(i int) bool { return c.records[i].offset > o })
	if i == 0 {
		return nil, 0
	}
	return c.records[i-1].record, c.records[i-1].offset
}

// gap says whether a record has no message at o any more, and to where.
func (c *cold) gap(o record.Offset) (end record.Offset, ok bool) {
	i := sort.Search(len(c.gaps), func(i int) bool { return c.gaps[i].Hi > o })
	if i < len(c.gaps) && c.gaps[i].Lo <= o {
		return c.gaps[i].Hi, true
	}
	return 0, false
}

// beforeGap is where the first gap behind o begins, or end.
func (c *cold) beforeGap(o, end record.Offset) record.Offset {
	i := sort.Search(len(c.gaps), func(i int) bool { return c.gaps[i].Lo > o })
	if i < len(c.gaps) {
		return min(end, c.gaps[i].Lo)
	}
	return end
}

// after is where the window goes on behind o, where it has nothing.
func (c *cold) after(o record.Offset) record.Offset {
	i := sort.Search(len(c.records), func(i int) bool { return c.records[i].offset > o })
	if i < len(c.records) {
		return c.records[i].offset
	}
	return c.upto
}

// loadedView takes in what was read for a view.
func (m *Machine) loadedView(r *Read, records []coldRecord) {
	v := m.logs[r.view]
	if v == nil {
		return
	}
	v.cold = cold{records: records, from: r.From, upto: r.upto, gaps: r.Gaps}
	if n := len(records); n > 0 { // the shelf may have more behind it
		var e record.Envelope
		last := &records[n-1]
		if _, err := record.Decode(last.record, &e); err == nil {
			v.cold.upto = last.offset + record.Offset(max(e.Count, 1))
		}
	}
	m.heat(v)
}

// passes skips what the view's blob has that is nobody's to read, or is not there
// any more. It says whether it skipped anything.
func (m *Machine) passes(v *Log, o record.Offset) bool {
	b := &v.blob
	why := WhyPurged
	switch expiry := v.expiry(&b.envelope); {
	case b.record == nil || v.source.unmade(o, &b.envelope, v.config):
	case expiry != 0 && expiry <= m.now:
		why = WhyExpired
	default:
		return false
	}
	for _, r := range v.cursor.HoldRange(o, b.end) {
		if why == WhyExpired && v.config.DeadLetter {
			m.emit(commandBury, v.id, byte(why), r.Lo, r.Hi)
		} else {
			m.emit(commandSettle, v.id, byte(why), r.Lo, r.Hi)
		}
	}
	return true
}

// unmade says whether a record that can be read is no message: it is a marker, or
// its transaction was aborted.
func (l *Log) unmade(o record.Offset, e *record.Envelope, c *Config) bool {
	if e.Producer.Part != record.PartTransaction || c.Uncommitted {
		return e.Producer.Part.Marker()
	}
	return slices.ContainsFunc(l.abortedIn(o, o+1), func(a Aborted) bool { return a.Producer == e.Producer.ID })
}

// trimViews settles what a log lets go of in its views.
func (m *Machine) trimViews(l *Log) {
	for _, v := range l.views {
		if first, ok := v.cursor.Unsettled().First(); ok && first < l.retained {
			m.touch(v)
			m.applySettle(v, 0, l.retained, WhyPurged)
		}
	}
}

// piece is what is handed out for one offset.
type piece struct {
	record    []byte
	index, of uint32 // which of the record's messages, of how many
}

// bytes is the piece's part of its record.
func (p *piece) bytes() int { return len(p.record) / int(max(p.of, 1)) }

// load returns a wanted message, or starts reading it.
func (m *Machine) load(l *Log, o record.Offset) (piece, bool) {
	if !l.viewing() {
		rec, ok := m.loadOwn(l, o)
		return piece{rec, 0, 1}, ok
	}
	if !m.blobAt(l, o) {
		return piece{}, false
	}
	b := &l.blob
	return piece{b.record, uint32(o - b.first), max(b.envelope.Count, 1)}, true
}

// describeViews says what is known of a shelved message to the views that have
// not settled it.
func (l *Log) describeViews(o record.Offset, expiry, due int64) {
	for _, v := range l.views {
		if v.cursor.Unsettled().Contains(o) {
			v.cursor.AppendRestored(o, cursor.Attributes{Expiry: expiry, Due: due}, v.cursor.Count(o))
		}
	}
}

// lookThrough is Look of a view.
func (m *Machine) lookThrough(l *Log, from record.Offset, n int) View {
	s := l.source
	v := View{First: l.firstWanted(), Next: l.next, TailBase: min(s.tail.Base(), l.next), Source: s.id}
	unsettled := l.cursor.Unsettled()
	for o, ok := unsettled.Next(max(from, s.tail.Base())); ok && o < s.tail.End() && len(v.Offsets) < n; o, ok = unsettled.Next(o + 1) {
		if s.wanted(o) {
			v.Offsets, v.Indexes = append(v.Offsets, o), append(v.Indexes, uint32(o-s.startOf(o)))
			v.Records = append(v.Records, m.tail.Record(s.tail.At(o)))
		}
	}
	wanted := unsettled.Clone(from, v.TailBase)
	v.Missing = func(o record.Offset) bool { return !wanted.Contains(o) }
	return v
}
