package broker

import (
	"fmt"

	"weir/internal/auth"
	"weir/internal/meta"
	"weir/internal/record"
	"weir/internal/segment"
	"weir/internal/shard"
)

// read serves a machine's request for records from the shelf, off the shard's
// goroutine. Unreadable bytes stop the process: on one node there is no copy to
// repair them from, and they must never be served.
func (e *engine) read(h *host, r shard.Read) {
	e.jobs.Go(func() {
		e.reads <- struct{}{}
		defer func() { <-e.reads }()
		var offsets []record.Offset
		var records [][]byte
		err := h.shelf.Read(r.Log, r.From, r.MaxBytes, func(entry segment.Entry) bool {
			offsets = append(offsets, entry.Offset)
			records = append(records, entry.Record)
			return true
		})
		if err != nil {
			e.fail(fmt.Errorf("shard %d: read log %d at %d: %w", h.id, r.Log, r.From, err))
			return
		}
		h.submit(nil, []op{{kind: opCall, call: func(m *shard.Machine) { m.Loaded(r, offsets, records) }}})
	})
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
	return s.queue(name)
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
		o, ok, err := h.shelf.OffsetByTime(q.Log, at.UnixMillis)
		if err != nil {
			s.engine.fail(err)
			return 0, &Error{Code: CodeInternal, Text: "storage failed"}
		}
		if ok {
			return o, nil
		}
	}
	var o record.Offset
	err := s.call(q, func(m *shard.Machine) { o = m.TailOffsetByTime(q.Log, at.UnixMillis) })
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
	if now := q.Effective(); now.RetainMillis == nil && now.RetainBytes == nil || isStream(q) {
		return &Error{Code: CodeInvalid, Object: ObjectQueue, Name: queue, Space: s.namespace, Field: "retention", Text: "the queue retains nothing"}
	}
	o, err := s.resolve(q, to)
	if err != nil {
		return err
	}
	return s.apply(q, func(dst []byte) []byte { return shard.AppendRewind(dst, q.Log, o) })
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
			err := h.shelf.Read(q.Log, next, readBytes, func(entry segment.Entry) bool {
				if entry.Offset >= view.TailBase {
					return false
				}
				more, next = true, entry.Offset+1
				if !view.Missing(entry.Offset) {
					got = append(got, Delivery{Offset: entry.Offset, Record: entry.Record})
				}
				return len(got) < n
			})
			if err != nil {
				s.engine.fail(err)
				return nil, 0, &Error{Code: CodeInternal, Text: "storage failed"}
			}
		}
	}
	for i := 0; i < len(view.Offsets) && len(got) < n; i++ {
		got = append(got, Delivery{Offset: view.Offsets[i], Record: view.Records[i]})
		next = view.Offsets[i] + 1
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
