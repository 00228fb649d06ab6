package shard

import "weir/internal/record"

// whole is the first offset of the record in the tail that covers o, or o.
func (l *Log) whole(o record.Offset) record.Offset {
	if o <= l.tail.Base() || o >= l.tail.End() {
		return o
	}
	return l.startOf(o)
}

// Blobs is what a positional read finds in the tail of a log.
type Blobs struct {
	First, Next record.Offset // the log's bounds
	Stable      record.Offset // every transaction with messages below has ended
	TailBase    record.Offset // what is in front of it is on the shelf
	Aborted     []Aborted     // of those below Stable
	Offsets     []record.Offset
	Records     [][]byte
}

// Blobs returns the records of a log from the one that covers from on: whole
// ones, at least one, and no more than maxBytes after that; none where it is less
// than 0. With committed it
// returns only what is stable, and which transactions in it were aborted.
func (m *Machine) Blobs(log record.LogID, from record.Offset, maxBytes int, committed bool) (Blobs, bool) {
	l := m.logs[log]
	if l == nil {
		return Blobs{}, false
	}
	b := Blobs{First: l.firstWanted(), Next: l.next, Stable: l.stable(), TailBase: l.tail.Base()}
	limit := l.tail.End()
	if committed {
		limit = min(limit, b.Stable)
		b.Aborted = l.abortedIn(from, b.Stable)
	}
	if from < l.tail.Base() || maxBytes < 0 {
		return b, true
	}
	bytes := 0
	for o := l.whole(from); o < limit; {
		at, end := l.tail.At(o), o+1
		for end < l.tail.End() && l.tail.At(end) == at {
			end++
		}
		if l.wantedCount(o, end) > 0 { // the others left a queue
			rec := m.tail.Record(at)
			if bytes += len(rec); bytes > maxBytes && len(b.Records) > 0 {
				break
			}
			b.Offsets, b.Records = append(b.Offsets, o), append(b.Records, rec)
		}
		o = end
	}
	return b, true
}

// Await calls f once, when something is appended to the log or it is dropped,
// unless the waiter gives up before. A waiter waits once per log.
func (m *Machine) Await(log record.LogID, waiter any, f func()) {
	l := m.logs[log]
	if l == nil {
		f()
		return
	}
	if l.awaited == nil {
		l.awaited = map[any]func(){}
	}
	l.awaited[waiter] = f
}

// GiveUp forgets a waiter.
func (m *Machine) GiveUp(log record.LogID, waiter any) {
	if l := m.logs[log]; l != nil {
		delete(l.awaited, waiter)
	}
}

func (l *Log) wake() {
	awaited := l.awaited
	l.awaited = nil
	for _, f := range awaited {
		f()
	}
}
