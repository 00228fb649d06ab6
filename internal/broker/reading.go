package broker

import (
	"errors"
	"fmt"
	"time"

	"weir/internal/auth"
	"weir/internal/cursor"
	"weir/internal/meta"
	"weir/internal/record"
	"weir/internal/segment"
	"weir/internal/shard"
)

// unreadRetry is when a read for consumers is tried again.
const unreadRetry = time.Second

// unread deals with a failed read of the shelf. Damage stops the process: on one
// node there is no copy to repair it from, and it must never be served. What the
// device did not give costs this reader only.
func (e *engine) unread(err error) *Error {
	if errors.Is(err, segment.ErrUnread) {
		e.options.Log.Error("stored messages cannot be read", "err", err)
	} else {
		e.fail(err)
	}
	return &Error{Code: CodeInternal, Text: "storage failed"}
}

// read serves a machine's request for records from the shelf, off the shard's
// goroutine.
func (e *engine) read(h *host, r shard.Read) {
	e.jobs.Go(func() {
		e.reads <- struct{}{}
		defer func() { <-e.reads }()
		var offsets []record.Offset
		var records [][]byte
		err := h.shelf.Read(r.Log, r.From, r.MaxBytes, func(entry segment.Entry) bool {
			offsets = append(offsets, entry.Offset)
			records = append(records, entry.Record)
			if r.Messages {
				r.Gaps = e.gaps(r.Gaps, entry)
			}
			return true
		})
		if err != nil {
			e.unread(fmt.Errorf("shard %d: read log %d at %d: %w", h.id, r.Log, r.From, err))
			if errors.Is(err, segment.ErrUnread) {
				r.Gaps = nil
				e.options.Clock.AfterFunc(unreadRetry, func() {
					h.submit(nil, []op{{kind: opCall, call: func(*shard.Machine) { e.read(h, r) }}})
				})
			}
			return
		}
		h.submit(nil, []op{{kind: opCall, call: func(m *shard.Machine) { m.Loaded(r, offsets, records) }}})
	})
}

// gapBytesMax bounds what a record is unpacked to that messages were taken out of.
const gapBytesMax = record.MessageBytesMax

// gaps appends the offsets of a record that have no message any more. One that
// cannot be looked into has none.
func (e *engine) gaps(dst []cursor.Range, entry segment.Entry) []cursor.Range {
	var env record.Envelope
	native, err := record.Decode(entry.Record, &env)
	if err != nil {
		return dst
	}
	opener := e.options.Openers[env.Dialect]
	if s, ok := opener.(record.Sparser); !ok || !s.Sparse(native) {
		return dst
	}
	found := dst
	next := entry.Offset
	err = opener.Open(native, gapBytesMax, func(m *record.Message) bool {
		if o := entry.Offset + record.Offset(m.Delta); !m.Control {
			if next < o {
				found = append(found, cursor.Range{Lo: next, Hi: o})
			}
			next = o + 1
		}
		return true
	})
	if err != nil {
		return dst
	}
	if end := entry.Offset + record.Offset(max(env.Count, 1)); next < end {
		found = append(found, cursor.Range{Lo: next, Hi: end})
	}
	return found
}

// Position is an offset, or what stands instead of one.
type Position struct {
	Offset     record.Offset
	UnixMillis int64 // not 0: the first message at or after this time
	Last       bool  // the last message there is
	End        bool  // behind the last message: what comes
}

// readable finds a queue the session may read.
func (s *Session) readable(name string) (*meta.Queue, *Error) {
	e := s.engine
	e.control.mu.RLock()
	defer e.control.mu.RUnlock()
	if err := s.mayRead(e.control.state, name); err != nil {
		return nil, err // before it is said whether there is one
	}
	q, err := s.queue(name)
	if err == nil && q.View != nil {
		err = s.may(e.control.state, auth.Read, ObjectTopic, q.View.Topic)
	}
	return q, err
}

// sourceOf is the log that has the messages of a queue.
func sourceOf(q *meta.Queue) record.LogID {
	if q.View != nil {
		return q.View.Source
	}
	return q.Log
}

// resolve turns a position into an offset.
func (s *Session) resolve(q *meta.Queue, at Position) (record.Offset, *Error) {
	h := s.engine.hosts[q.Shard]
	if at.Last || at.End {
		var o record.Offset
		err := s.call(q, func(m *shard.Machine) {
			if c, ok := m.Counts(q.Log); ok {
				o = c.Next
			}
		})
		if at.Last && o > 0 {
			o--
		}
		return o, err
	}
	if at.UnixMillis == 0 {
		return at.Offset, nil
	}
	if h.shelf != nil {
		o, ok, err := h.shelf.OffsetByTime(sourceOf(q), at.UnixMillis)
		if err != nil {
			return 0, s.engine.unread(err)
		}
		if ok {
			return o, nil
		}
	}
	var o record.Offset
	err := s.call(q, func(m *shard.Machine) { o = m.TailOffsetByTime(sourceOf(q), at.UnixMillis) })
	return o, err
}

// Rewind makes everything the queue retains from the position on ready again. A
// queue that retains nothing is CodeInvalid.
func (s *Session) Rewind(queue string, to Position) *Error {
	s.Flush()
	q, err := s.readable(queue)
	if err != nil {
		return err
	}
	e := s.engine
	e.control.mu.RLock()
	err = s.may(e.control.state, auth.Configure, ObjectQueue, queue)
	e.control.mu.RUnlock()
	if err != nil {
		return err
	}
	if now := q.Effective(); q.View == nil && now.RetainMillis == nil && now.RetainBytes == nil || isStream(q) {
		return &Error{Code: CodeInvalid, Object: ObjectQueue, Name: queue, Space: s.namespace, Field: "retention", Text: "the queue retains nothing"}
	}
	for _, part := range q.Parts() {
		o, err := s.resolve(part, to)
		if err != nil {
			return err
		}
		err = s.apply(part, func(dst []byte) []byte { return shard.AppendRewind(dst, part.Log, o) })
		if err != nil {
			return err
		}
	}
	return nil
}

// apply proposes a command on the queue's log and waits until it is applied.
func (s *Session) apply(q *meta.Queue, encode func(dst []byte) []byte) *Error {
	h := s.engine.hosts[q.Shard]
	done := make(chan struct{})
	h.whenOpen(q.Log, func(m *shard.Machine) {
		m.Command(encode)
		h.afterApplied(func() { close(done) })
	})
	select {
	case <-done:
		return nil
	case <-h.done:
		return &Error{Code: CodeUnavailable, Text: "shutting down"}
	}
}

// Read returns up to n messages from the position on, without consuming them, and
// the offset behind the last one looked at. What is settled and not retained is
// passed over.
func (s *Session) Read(queue string, from Position, n int) ([]Delivery, record.Offset, *Error) {
	s.Flush()
	q, err := s.readable(queue)
	if err != nil {
		return nil, 0, err
	}
	if len(q.Parts()) > 1 {
		return s.readParts(q, from, n)
	}
	at, err := s.resolve(q, from)
	if err != nil {
		return nil, 0, err
	}
	return s.read(q, at, n)
}

// read is Read of a queue that the session may read.
func (s *Session) read(q *meta.Queue, at record.Offset, n int) ([]Delivery, record.Offset, *Error) {
	var view shard.View
	found := false
	if err := s.call(q, func(m *shard.Machine) { view, found = m.Look(q.Log, at, n) }); err != nil {
		return nil, 0, err
	}
	if !found {
		return nil, 0, notFound(ObjectQueue, s.namespace, q.Name)
	}
	var got []Delivery
	next := max(at, view.First)
	if h := s.engine.hosts[q.Shard]; h.shelf != nil && at < view.TailBase {
		for more := true; more && len(got) < n && next < view.TailBase; {
			more = false
			err := h.shelf.Read(view.Source, next, readBytes, func(entry segment.Entry) bool {
				if entry.Offset >= view.TailBase {
					return false
				}
				count := record.Offset(1)
				if view.Source != q.Log {
					count = countOf(entry.Record)
				}
				more = true
				for next = max(next, entry.Offset); next < min(entry.Offset+count, view.TailBase) && len(got) < n; next++ {
					if !view.Missing(next) {
						got = append(got, Delivery{Offset: next, Record: entry.Record, Of: uint32(count), Index: uint32(next - entry.Offset)})
					}
				}
				return len(got) < n
			})
			if err != nil {
				return nil, 0, s.engine.unread(err)
			}
		}
	}
	for i := 0; i < len(view.Offsets) && len(got) < n; i++ {
		d := Delivery{Offset: view.Offsets[i], Record: view.Records[i]}
		if view.Indexes != nil {
			d.Of, d.Index = uint32(countOf(d.Record)), view.Indexes[i]
		}
		got = append(got, d)
		next = view.Offsets[i] + 1
	}
	return got, next, nil
}

// countOf is how many messages a record has.
func countOf(rec []byte) record.Offset {
	var e record.Envelope
	if _, err := record.Decode(rec, &e); err != nil {
		return 1
	}
	return record.Offset(max(e.Count, 1))
}

// readParts is Read of a queue of several parts, which come one after the other.
func (s *Session) readParts(q *meta.Queue, from Position, n int) ([]Delivery, record.Offset, *Error) {
	first, at := partOf(from.Offset)
	var got []Delivery
	next := from.Offset
	for i, part := range q.Parts() {
		if i < first {
			continue
		}
		to := from
		if to.Offset = 0; i == first {
			to.Offset = at
		}
		o, err := s.resolve(part, to)
		if err != nil {
			return nil, 0, err
		}
		some, after, err := s.read(part, o, n-len(got))
		if err != nil {
			return nil, 0, err
		}
		for k := range some {
			some[k].Offset = ofPart(i, some[k].Offset)
		}
		got, next = append(got, some...), ofPart(i, after)
		if len(got) == n {
			break
		}
	}
	return got, next, nil
}

// readBytes is how much of the shelf one step of a Read takes in.
const readBytes = 1 << 20

// Commit stores a positional cursor's next offset; it returns when it is applied.
func (s *Session) Commit(queue, cursor string, next record.Offset) *Error {
	s.Flush()
	q, err := s.readable(queue)
	if err != nil {
		return err
	}
	if len(cursor) == 0 || len(cursor) > 255 {
		return &Error{Code: CodeInvalid, Object: ObjectConsumer, Name: cursor, Field: "cursor", Text: "a cursor's name has 1 to 255 bytes"}
	}
	return s.apply(q, func(dst []byte) []byte { return shard.AppendCommit(dst, q.Log, cursor, next) })
}

// Committed returns where a positional cursor stands; false if it never committed.
func (s *Session) Committed(queue, cursor string) (record.Offset, bool, *Error) {
	q, err := s.readable(queue)
	if err != nil {
		return 0, false, err
	}
	var o record.Offset
	ok := false
	err = s.call(q, func(m *shard.Machine) { o, ok = m.Committed(q.Log, cursor) })
	return o, ok, err
}
