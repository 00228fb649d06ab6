package broker

import (
	"time"

	"weir/internal/auth"
	"weir/internal/meta"
	"weir/internal/record"
	"weir/internal/segment"
	"weir/internal/shard"
)

// FetchPart asks for the blobs of one partition.
type FetchPart struct {
	Topic     string
	Partition int
	From      record.Offset
	MaxBytes  int // but one blob at least of the first that has any
}

// Fetched is what there was.
type Fetched struct {
	First, End record.Offset // the partition's bounds
	Stable     record.Offset // below it every transaction has ended
	Aborted    []Aborted     // FetchLimits.Committed: whose messages never happened
	Offsets    []record.Offset
	Records    [][]byte // package record; the first may begin in front of From
	Err        *Error   // CodeInvalid: From is out of bounds
}

// FetchLimits say how much a Fetch returns and how long it waits for that.
type FetchLimits struct {
	MinBytes, MaxBytes int
	Wait               time.Duration
	// Committed leaves out what is not below Stable.
	Committed bool
}

// Aborted is a transaction that never happened: messages of its producer from
// First on, up to the marker at Last, are to be passed over.
type Aborted = shard.Aborted

// Fetch reads partitions. It returns when there are MinBytes, or after Wait.
func (s *Session) Fetch(parts []FetchPart, limits FetchLimits) []Fetched {
	s.Flush()
	queues := make([]*meta.Queue, len(parts))
	out := make([]Fetched, len(parts))
	for i := range parts {
		queues[i], out[i].Err = s.partition(auth.Read, parts[i].Topic, parts[i].Partition)
	}
	late := make(chan struct{})
	t := s.engine.options.Clock.AfterFunc(limits.Wait, func() { close(late) })
	defer t.Stop()
	defer s.giveUp(queues, parts, out)
	for {
		more := make(chan struct{}, 1)
		bytes, failed := s.fetchOnce(queues, parts, limits, out, more)
		if failed || bytes >= limits.MinBytes || limits.Wait <= 0 {
			return out
		}
		select {
		case <-more:
		case <-late:
			return out
		case <-s.killed:
			return out
		}
	}
}

// giveUp ends the waiting for messages of the partitions that had none.
func (s *Session) giveUp(queues []*meta.Queue, parts []FetchPart, out []Fetched) {
	for i, q := range queues {
		if q != nil && (parts[i].From >= out[i].Stable || !isStream(q)) {
			s.engine.hosts[q.Shard].submit(nil, []op{{kind: opCall, call: func(m *shard.Machine) { m.GiveUp(q.Log, s) }}})
		}
	}
}

// fetchOnce looks at every partition. more gets a value when one of those that
// have nothing has something.
func (s *Session) fetchOnce(queues []*meta.Queue, parts []FetchPart, limits FetchLimits, out []Fetched, more chan struct{}) (bytes int, failed bool) {
	for i, q := range queues {
		if q == nil {
			failed = true
			continue
		}
		room := min(parts[i].MaxBytes, limits.MaxBytes-bytes)
		if room <= 0 && bytes > 0 {
			room = -1 // nothing but where it begins and ends
		}
		out[i] = s.fetchPart(q, parts[i].From, room, limits.Committed, more)
		failed = failed || out[i].Err != nil
		for _, r := range out[i].Records {
			bytes += len(r)
		}
	}
	return bytes, failed
}

func (s *Session) fetchPart(q *meta.Queue, from record.Offset, maxBytes int, committed bool, more chan struct{}) Fetched {
	if !isStream(q) {
		return s.fetchQueue(q, from, maxBytes, more)
	}
	var b shard.Blobs
	found, end := false, record.Offset(0)
	err := s.call(q, func(m *shard.Machine) {
		b, found = m.Blobs(q.Log, from, maxBytes, committed)
		if end = b.Next; committed {
			end = b.Stable
		}
		if found && from >= end {
			m.Await(q.Log, s, func() {
				select {
				case more <- struct{}{}:
				default:
				}
			})
		}
	})
	f := Fetched{First: b.First, End: b.Next, Stable: b.Stable, Aborted: b.Aborted, Offsets: b.Offsets, Records: b.Records, Err: err}
	switch {
	case err != nil:
	case !found:
		f.Err = notFound(ObjectTopic, q.Namespace, q.Name)
	case from > b.Next || from < b.First:
		f.Err = &Error{Code: CodeInvalid, Object: ObjectTopic, Name: q.Name, Space: q.Namespace, Field: "offset", Text: "offset out of bounds"}
		f.Offsets, f.Records = nil, nil
	case from < b.TailBase && maxBytes >= 0:
		s.fetchShelf(q, from, min(b.TailBase, end), maxBytes, &f)
		if len(f.Records) == 0 && f.Err == nil && b.TailBase < end { // compaction left nothing up to there
			f.Err = s.call(q, func(m *shard.Machine) {
				if b, found = m.Blobs(q.Log, b.TailBase, maxBytes, committed); found {
					f.Offsets, f.Records = b.Offsets, b.Records
				}
			})
		}
	}
	return f
}

// fetchShelf reads what is not in memory any more.
func (s *Session) fetchShelf(q *meta.Queue, from, end record.Offset, maxBytes int, f *Fetched) {
	bytes := 0
	err := s.engine.hosts[q.Shard].shelf.Read(q.Log, from, max(maxBytes, 1), func(entry segment.Entry) bool {
		if entry.Offset >= end {
			return false
		}
		if bytes += len(entry.Record); bytes > maxBytes && len(f.Records) > 0 {
			return false
		}
		f.Offsets = append(f.Offsets, entry.Offset)
		f.Records = append(f.Records, entry.Record)
		return true
	})
	if err != nil {
		s.engine.fail(err)
		f.Err = &Error{Code: CodeInternal, Text: "storage failed"}
	}
}

// Bounds are where a partition begins, up to where every transaction has ended,
// and where it ends.
type Bounds struct{ First, Stable, End record.Offset }

// Bounds returns the bounds of a partition.
func (s *Session) Bounds(topic string, partition int) (Bounds, *Error) {
	q, err := s.partition(auth.Describe, topic, partition)
	if err != nil {
		return Bounds{}, err
	}
	var found Bounds
	err = s.call(q, func(m *shard.Machine) {
		b, _ := m.Blobs(q.Log, 0, 0, false)
		found = Bounds{b.First, b.Stable, b.Next}
	})
	return found, err
}

// OffsetAt returns the first offset of a blob at or after a position.
func (s *Session) OffsetAt(topic string, partition int, at Position) (record.Offset, *Error) {
	q, err := s.partition(auth.Describe, topic, partition)
	if err != nil {
		return 0, err
	}
	return s.resolve(q, at)
}

// Trim deletes the messages of a partition below an offset and returns the first
// offset then. CodeInvalid is that the partition does not reach as far.
func (s *Session) Trim(topic string, partition int, below record.Offset) (first record.Offset, err *Error) {
	q, err := s.partition(auth.Delete, topic, partition)
	if err != nil {
		return 0, err
	}
	if !isStream(q) {
		return 0, &Error{Code: CodeNotAllowed, Object: ObjectTopic, Name: topic, Space: s.namespace, Text: "a queue's messages go when they are settled"}
	}
	var b shard.Blobs
	bounds := func(m *shard.Machine) { b, _ = m.Blobs(q.Log, 0, -1, false) }
	if err = s.call(q, bounds); err != nil {
		return 0, err
	}
	if below > b.Next {
		return 0, &Error{Code: CodeInvalid, Object: ObjectTopic, Name: topic, Space: s.namespace, Field: "offset", Text: "offset out of bounds"}
	}
	if below > b.First {
		if err = s.apply(q, func(dst []byte) []byte { return shard.AppendTrim(dst, q.Log, below) }); err != nil {
			return 0, err
		}
		err = s.call(q, bounds)
	}
	return b.First, err
}

// Newest is the greatest timestamp in a partition, unix milliseconds; 0 is none.
func (s *Session) Newest(topic string, partition int) (int64, *Error) {
	q, err := s.partition(auth.Describe, topic, partition)
	if err != nil {
		return 0, err
	}
	newest := int64(0)
	err = s.call(q, func(m *shard.Machine) { newest = m.Newest(q.Log) })
	return newest, err
}

// Opener looks into stored records of a dialect; nil where nobody can.
func (s *Session) Opener(d record.Dialect) record.Opener { return s.engine.options.Openers[d] }
