package broker

import (
	"sync"
	"sync/atomic"

	"weir/internal/meta"
	"weir/internal/record"
	"weir/internal/shard"
)

// queueTopic shows a queue as a topic. The control state's mutex is held.
func (s *Session) queueTopic(name string) (TopicInfo, *Error) {
	q, err := s.queue(name)
	if err != nil || q.View != nil {
		return TopicInfo{}, notFound(ObjectTopic, s.namespace, name)
	}
	t := meta.QueueTopic(q)
	info := describeTopic(t, t.ID)
	info.Queue = true
	return info, nil
}

// QueueTopics lists the queues that the session may use, as topics of one
// partition; their order is not said.
func (s *Session) QueueTopics() []TopicInfo {
	c := s.engine.control
	c.mu.RLock()
	defer c.mu.RUnlock()
	var all []TopicInfo
	for name := range s.space().Queues {
		if info, err := s.queueTopic(name); err == nil {
			all = append(all, info)
		}
	}
	return all
}

// queueFetchMax is how many messages of a queue one fetch looks at.
const queueFetchMax = 1000

// fetchQueue reads a queue: what is settled is passed over, wherever the reader
// is.
func (s *Session) fetchQueue(q *meta.Queue, from record.Offset, maxBytes int, more chan struct{}) Fetched {
	var f Fetched
	found := false
	f.Err = s.call(q, func(m *shard.Machine) {
		var b shard.Blobs
		if b, found = m.Blobs(q.Log, from, 0, false); !found {
			return
		}
		f.First, f.End, f.Stable = b.First, b.Next, b.Stable
		m.Await(q.Log, s, func() {
			select {
			case more <- struct{}{}:
			default:
			}
		})
	})
	switch {
	case f.Err != nil:
		return f
	case !found:
		return Fetched{Err: notFound(ObjectTopic, q.Namespace, q.Name)}
	case from > f.End:
		f.Err = &Error{Code: CodeInvalid, Object: ObjectTopic, Name: q.Name, Space: q.Namespace, Field: "offset", Text: "offset out of bounds"}
		return f
	}
	ds, _, err := s.read(q, from, queueFetchMax)
	if err != nil {
		return Fetched{Err: err}
	}
	bytes := 0
	for i := range ds {
		if bytes += len(ds[i].Record); bytes > maxBytes && i > 0 {
			break
		}
		f.Offsets, f.Records = append(f.Offsets, ds[i].Offset), append(f.Records, ds[i].Record)
	}
	return f
}

// appendEach adds the messages of a blob to a queue, which takes them one by one.
func (s *Session) appendEach(q *meta.Queue, b *Blob, done func(first, begin record.Offset, err *Error)) *Error {
	if p := b.Producer.Part; p == record.PartTransaction || p.Marker() {
		return &Error{Code: CodeNotImplemented, Object: ObjectTopic, Name: q.Name, Space: q.Namespace, Text: "a queue takes no part in transactions of producers"}
	}
	c := s.engine.options.Converters[b.Dialect]
	if c == nil {
		return &Error{Code: CodeNotImplemented, Object: ObjectTopic, Name: q.Name, Space: q.Namespace, Text: "no converter"}
	}
	var singles []Blob
	whole := b.envelope()
	err := c.Unpack(&whole, b.Native, record.MessageBytesMax, func(_ uint32, m *record.Common) bool {
		e := record.Envelope{Timestamp: b.Timestamp}
		native := c.Pack(m, &e)
		singles = append(singles, Blob{Dialect: b.Dialect, Count: 1, Timestamp: e.Timestamp, Native: native})
		return true
	})
	if err != nil || len(singles) == 0 {
		return &Error{Code: CodeInvalid, Object: ObjectMessage, Text: "malformed messages"}
	}
	var left atomic.Int32
	left.Store(int32(len(singles)))
	var mu sync.Mutex
	var at, first record.Offset
	var failed *Error
	for i := range singles {
		s.appendBlob(q, &singles[i], func(o, begin record.Offset, err *Error) {
			mu.Lock()
			if err != nil {
				failed = err
			} else if i == 0 {
				at, first = o, begin
			}
			mu.Unlock()
			if left.Add(-1) == 0 {
				done(at, first, failed)
			}
		})
	}
	s.engine.gate.wait(s)
	return nil
}
