package shard

import (
	"weir/internal/record"
	"weir/internal/store"
)

// Retain ends the retention of settled messages that are too old or too many. It
// reads no file: age goes by whole shelved runs, then by single records of the
// tail, bytes by shelved runs in proportion, then likewise.
func (m *Machine) Retain() {
	if m.retaining == 0 {
		return
	}
	for _, l := range m.logs {
		if l.retained == never || !m.leading {
			continue
		}
		if first := l.whole(max(m.keptByAge(l), m.keptByBytes(l))); first > l.retained {
			m.Command(func(dst []byte) []byte { return appendOffset(dst, commandTrim, l.id, first) })
		}
	}
}

// Retaining says whether any log keeps settled messages, so that Retain has to be
// called from time to time.
func (m *Machine) Retaining() bool { return m.retaining > 0 }

const (
	// lateBy is how much too old for retention a message has to be when it comes
	// to be one of another time, unix milliseconds: what is copied from elsewhere,
	// or has a time that means something else.
	lateBy = 60_000
	// lateStay is how long such messages can be read before they go, in
	// milliseconds, and latePart the part of the retention that it is at most.
	lateStay = 300_000
	latePart = 100
)

// arriveLate notes a message that is too old to stay when it comes.
func (l *Log) arriveLate(e *record.Envelope, o record.Offset, now int64) {
	if l.config.Retain > 0 && e.Timestamp < now-l.config.Retain-lateBy && now >= l.lateUntil {
		l.lateFrom, l.lateUntil = o, now+min(lateStay, l.config.Retain/latePart)
	}
}

// keptByAge is the first offset young enough to stay, or that came too old a short
// while ago.
func (m *Machine) keptByAge(l *Log) record.Offset {
	first := m.youngEnough(l)
	if m.now < l.lateUntil {
		return min(first, l.lateFrom)
	}
	return first
}

func (m *Machine) youngEnough(l *Log) record.Offset {
	if l.config.Retain <= 0 {
		return 0
	}
	cutoff := m.now - l.config.Retain
	first := l.retained
	if m.shelf != nil {
		for _, s := range m.shelf.Spans(l.id) {
			if s.MaxTimestamp >= cutoff {
				return first
			}
			first = max(first, s.Last+1)
		}
	}
	m.eachRecord(l, max(first, l.tail.Base()), func(_, end record.Offset, e *record.Envelope, _ int) bool {
		if e.Timestamp < cutoff {
			first = max(first, end)
		}
		return e.Timestamp < cutoff
	})
	return first
}

// keptByBytes is the first offset of what fits the limit. A shelved run that does
// not fit whole keeps its part of it, as if its messages were of one size.
func (m *Machine) keptByBytes(l *Log) record.Offset {
	if l.config.RetainBytes <= 0 || m.shelf == nil {
		return 0
	}
	spans := m.shelf.Spans(l.id)
	excess := -l.config.RetainBytes
	for i := range spans {
		excess += keptBytes(&spans[i], l.retained)
	}
	inTail := max(l.shelved, l.retained)
	m.eachRecord(l, inTail, func(_, _ record.Offset, _ *record.Envelope, bytes int) bool {
		excess += int64(bytes)
		return true
	})
	first := l.retained
	for i := range spans {
		s := &spans[i]
		kept := keptBytes(s, l.retained)
		switch {
		case excess <= 0:
			return first
		case kept <= excess:
			first, excess = max(first, s.Last+1), excess-kept
		default:
			lo := max(first, s.First)
			part := float64(excess) / float64(kept) * float64(s.Last+1-lo)
			return lo + record.Offset(part)
		}
	}
	m.eachRecord(l, inTail, func(_, end record.Offset, _ *record.Envelope, bytes int) bool {
		if excess < int64(bytes) {
			return false
		}
		first, excess = max(first, end), excess-int64(bytes)
		return true
	})
	return first
}

// keptBytes is about how much of the span is not in front of the retained start.
func keptBytes(s *store.Span, retained record.Offset) int64 {
	lo := min(max(s.First, retained), s.Last+1)
	return int64(float64(s.Bytes) * float64(s.Last+1-lo) / float64(s.Last+1-s.First))
}

// TailOffsetByTime is the first offset in the tail of a record with a timestamp of
// at least unixMillis, or the log's end.
func (m *Machine) TailOffsetByTime(log record.LogID, unixMillis int64) record.Offset {
	l := m.logs[log]
	if l == nil {
		return 0
	}
	found := l.next
	m.eachRecord(l, l.tail.Base(), func(o, _ record.Offset, e *record.Envelope, _ int) bool {
		if e.Timestamp >= unixMillis {
			found = o
		}
		return e.Timestamp < unixMillis
	})
	return found
}

// Newest is the greatest timestamp of a record of a log, unix milliseconds; 0 is
// that there is none.
func (m *Machine) Newest(log record.LogID) int64 {
	l := m.logs[log]
	if l == nil {
		return 0
	}
	newest := int64(0)
	if m.shelf != nil {
		for _, s := range m.shelf.Spans(l.id) {
			if s.Last >= l.retained {
				newest = max(newest, s.MaxTimestamp)
			}
		}
	}
	m.eachRecord(l, l.tail.Base(), func(_, _ record.Offset, e *record.Envelope, _ int) bool {
		newest = max(newest, e.Timestamp)
		return true
	})
	return newest
}

// Compactable is what compaction needs to know of a log.
type Compactable struct {
	First   record.Offset
	Shelved record.Offset // what is in front of it is in files
	Stable  record.Offset
	Aborted []Aborted
	// Of what is in memory only:
	TailBytes  int64
	TailOldest int64 // the first record's time, unix milliseconds; 0 is none
}

// Compactable looks at a log.
func (m *Machine) Compactable(log record.LogID) (Compactable, bool) {
	l := m.logs[log]
	if l == nil || l.retained == never {
		return Compactable{}, false
	}
	c := Compactable{First: l.firstWanted(), Shelved: l.shelved, Stable: l.stable()}
	c.Aborted = l.abortedIn(c.First, c.Stable)
	m.eachRecord(l, max(l.shelved, c.First), func(_, _ record.Offset, e *record.Envelope, bytes int) bool {
		if c.TailBytes == 0 {
			c.TailOldest = e.Timestamp
		}
		c.TailBytes += int64(bytes)
		return true
	})
	return c, true
}

// Bytes is about how much of the disk the wanted messages of a log take or will.
func (m *Machine) Bytes(log record.LogID) int64 {
	l := m.logs[log]
	if l == nil {
		return 0
	}
	n := int64(0)
	if m.shelf != nil {
		for _, s := range m.shelf.Spans(l.id) {
			n += keptBytes(&s, l.retained)
		}
	}
	m.eachRecord(l, max(l.shelved, l.firstWanted()), func(_, _ record.Offset, _ *record.Envelope, bytes int) bool {
		n += int64(bytes)
		return true
	})
	return n
}

// eachRecord calls yield for the records in the tail of a log that are wanted, from
// the one that covers from on, with their offsets, until it says false.
func (m *Machine) eachRecord(l *Log, from record.Offset, yield func(o, end record.Offset, e *record.Envelope, bytes int) bool) {
	var e record.Envelope
	for o := l.whole(max(from, l.tail.Base())); o < l.tail.End(); {
		at, end := l.tail.At(o), o+1
		for end < l.tail.End() && l.tail.At(end) == at {
			end++
		}
		if l.wantedCount(o, end) > 0 {
			rec := m.tail.Record(at)
			if _, err := record.Decode(rec, &e); err != nil {
				return // cannot be: it was decoded when it was appended
			}
			if !yield(o, end, &e, len(rec)) {
				return
			}
		}
		o = end
	}
}

// View is what a positional read needs to know of a log.
type View struct {
	First, Next record.Offset // the log's bounds
	TailBase    record.Offset // from here on Records has all that is wanted
	Offsets     []record.Offset
	Records     [][]byte
	Missing     func(o record.Offset) bool

	// Source is the log that has the records: itself, or of a view its source; of
	// that one they may hold several messages, and Indexes tell which.
	Source  record.LogID
	Indexes []uint32
}

// Look returns the tail's messages of a log from offset on, at most n, and which
// of the shelf's are still wanted. It changes nothing.
func (m *Machine) Look(log record.LogID, from record.Offset, n int) (View, bool) {
	l := m.logs[log]
	if l == nil {
		return View{}, false
	}
	if l.viewing() {
		return m.lookThrough(l, from, n), true
	}
	v := View{First: l.firstWanted(), Next: l.next, TailBase: l.tail.Base(), Source: l.id}
	for o := max(from, l.tail.Base()); o < l.tail.End() && len(v.Offsets) < n; o++ {
		if l.wanted(o) {
			v.Offsets = append(v.Offsets, o)
			v.Records = append(v.Records, m.tail.Record(l.tail.At(o)))
		}
	}
	wanted := l.cursor.Unsettled().Clone(from, l.tail.Base())
	retained := l.retained
	v.Missing = func(o record.Offset) bool { return o < retained && !wanted.Contains(o) }
	return v, true
}

// Committed returns where a positional cursor stands.
func (m *Machine) Committed(log record.LogID, cursor string) (record.Offset, bool) {
	if l := m.logs[log]; l != nil {
		o, ok := l.commits[cursor]
		return o, ok
	}
	return 0, false
}
