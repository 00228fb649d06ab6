package broker

import (
	"sync"
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

	windows []*[windowBytes]byte // memory that Records lie in
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

// Fetch reads partitions. It returns when there are MinBytes, or after Wait. What
// it returns is given back with ReleaseFetched when it is not used any more.
func (s *Session) Fetch(parts []FetchPart, limits FetchLimits) []Fetched {
	s.Flush()
	f := fetching{session: s, parts: parts, limits: limits, queues: make([]*meta.Queue, len(parts)), out: make([]Fetched, len(parts))}
	for i := range parts {
		f.queues[i], f.out[i].Err = s.partition(auth.Read, parts[i].Topic, parts[i].Partition)
	}
	if limits.Wait <= 0 {
		f.once()
		return f.out
	}
	defer f.giveUp()
	f.more = make(chan struct{}, 1)
	if f.once() {
		return f.out
	}
	late := make(chan struct{})
	t := s.engine.options.Clock.AfterFunc(limits.Wait, func() { close(late) })
	defer t.Stop()
	for {
		if !f.skipped {
			select {
			case <-f.more:
			case <-late:
				return f.out
			case <-s.killed:
				return f.out
			}
		}
		f.more, f.again, f.skipped = make(chan struct{}, 1), true, false
		if f.once() {
			return f.out
		}
	}
}

// ReleaseFetched gives the memory back that fetched records lie in.
func ReleaseFetched(fetched []Fetched) {
	for i := range fetched {
		f := &fetched[i]
		for _, w := range f.windows {
			windows.Put(w)
		}
		f.windows, f.Offsets, f.Records = nil, nil, nil
	}
}

// windowBytes is how much memory a read of the shelf takes at once, if that is
// enough.
const windowBytes = 1 << 20

// windows are pieces of memory that records are read into.
var windows = sync.Pool{New: func() any { return new([windowBytes]byte) }}

// take returns memory for a read, which ReleaseFetched gives back.
func (f *Fetched) take(bytes int) []byte {
	if bytes > windowBytes {
		return make([]byte, bytes)
	}
	w := windows.Get().(*[windowBytes]byte)
	f.windows = append(f.windows, w)
	return w[:bytes]
}

// fetching is a Fetch that is under way.
type fetching struct {
	session *Session
	parts   []FetchPart
	queues  []*meta.Queue // nil: refused
	limits  FetchLimits
	out     []Fetched
	bytes   int           // found by now
	share   int           // of what one fetch reads from files, for each partition
	more    chan struct{} // if not nil: gets a value when there is more anywhere
	awaits  bool          // a shard may know more
	again   bool          // files have been looked into, and there was nothing
	skipped bool          // a shard does not know more, because files come first
}

// once looks at every partition. It reports whether that is enough: an error is, and
// so is something from files, which there is more behind.
func (f *fetching) once() bool {
	ReleaseFetched(f.out)
	f.bytes = 0
	looks := make([]look, len(f.parts))
	for i, q := range f.queues {
		if q != nil && isStream(q) && !looks[i].done {
			f.lookAt(f.session.engine.hosts[q.Shard], looks)
		}
	}
	enough := false
	f.share = f.coldShare(looks)
	for i, q := range f.queues {
		switch {
		case q == nil:
		case !isStream(q):
			f.out[i] = f.session.fetchQueue(q, f.parts[i].From, f.room(i), f.wake())
			f.count(i)
		default:
			f.finish(i, &looks[i])
		}
		enough = enough || f.out[i].Err != nil || len(f.out[i].Records) > 0 && f.parts[i].From < looks[i].TailBase
	}
	return enough || f.bytes >= f.limits.MinBytes
}

// What one fetch reads from files is little enough to be written to the client
// while the processor's caches have it; a reader comes again at once.
const (
	coldFetchBytes = 4 << 20
	coldShareMin   = 64 << 10
)

// coldShare divides that among the partitions that are read from files.
func (f *fetching) coldShare(looks []look) int {
	return max(max(coldFetchBytes, f.limits.MinBytes)/max(f.cold(looks), 1), coldShareMin)
}

// cold is how many partitions are read from files.
func (f *fetching) cold(looks []look) int {
	cold := 0
	for i := range looks {
		if looks[i].found && f.parts[i].From < looks[i].TailBase {
			cold++
		}
	}
	return cold
}

// room is how much may be read of a partition; less than 0: nothing but where it
// begins and ends.
func (f *fetching) room(i int) int {
	room := min(f.parts[i].MaxBytes, f.limits.MaxBytes-f.bytes)
	if room <= 0 && f.bytes > 0 {
		return -1
	}
	return room
}

// fitting leaves out a record that is too large where another partition has some: a
// read returns one record at least, the whole of them no more than is asked for
// beyond the first.
func (f *fetching) fitting(i int, offsets []record.Offset, records [][]byte) ([]record.Offset, [][]byte) {
	if f.bytes > 0 && len(records) > 0 && len(records[0]) > f.room(i) {
		return nil, nil
	}
	return offsets, records
}

func (f *fetching) count(i int) {
	for _, r := range f.out[i].Records {
		f.bytes += len(r)
	}
}

// wake is where those who wait hear of more.
func (f *fetching) wake() chan struct{} {
	if f.more == nil {
		return make(chan struct{}, 1)
	}
	f.awaits = true
	return f.more
}

// look is what a shard said of a partition.
type look struct {
	done, found bool
	end         record.Offset // of what may be read
	shard.Blobs
}

// lookAt asks a shard for all of its partitions at once.
func (f *fetching) lookAt(h *host, looks []look) {
	var closed []int // still being opened
	ask := func(m *shard.Machine, i int) {
		l := &looks[i]
		l.Blobs, l.found = m.Blobs(f.queues[i].Log, f.parts[i].From, f.room(i), f.limits.Committed)
		l.Offsets, l.Records = f.fitting(i, l.Offsets, l.Records)
		for _, r := range l.Records {
			f.bytes += len(r)
		}
		if l.end = l.Next; f.limits.Committed {
			l.end = l.Stable
		}
		if more := f.more; more != nil && l.found {
			m.Await(f.queues[i].Log, f, func() {
				select {
				case more <- struct{}{}:
				default:
				}
			})
		}
	}
	h.call(func(m *shard.Machine) {
		for i, q := range f.queues {
			if q == nil || q.Shard != h.id || !isStream(q) {
				continue
			}
			if looks[i].done = true; m.Has(q.Log) {
				ask(m, i)
			} else {
				closed = append(closed, i)
			}
		}
		f.await(m, h.id, looks)
	})
	for _, i := range closed {
		f.out[i].Err = f.session.call(f.queues[i], func(m *shard.Machine) {
			ask(m, i)
			f.await(m, h.id, looks)
		})
	}
}

// await has a shard say when there is more in its partitions, where there is not
// enough now. What is in files is looked into first.
func (f *fetching) await(m *shard.Machine, id record.ShardID, looks []look) {
	if f.more == nil || f.bytes >= f.limits.MinBytes {
		return
	}
	if !f.again && f.cold(looks) > 0 {
		f.skipped = true
		return
	}
	f.awaits = true
	more := f.more
	for i, q := range f.queues {
		if q != nil && q.Shard == id && looks[i].found {
			m.Await(q.Log, f, func() {
				select {
				case more <- struct{}{}:
				default:
				}
			})
		}
	}
}

// finish makes what a shard said an answer, and reads what is not in memory any
// more.
func (f *fetching) finish(i int, l *look) {
	out, q, from := &f.out[i], f.queues[i], f.parts[i].From
	if out.Err != nil {
		return
	}
	*out = Fetched{First: l.First, End: l.Next, Stable: l.Stable, Aborted: l.Aborted, Offsets: l.Offsets, Records: l.Records}
	switch room := f.room(i); {
	case !l.done:
		out.Err = unavailable()
	case !l.found:
		out.Err = notFound(ObjectTopic, q.Namespace, q.Name)
	case from > l.Next || from < l.First:
		out.Err = &Error{Code: CodeInvalid, Object: ObjectTopic, Name: q.Name, Space: q.Namespace, Field: "offset", Text: "offset out of bounds"}
		out.Offsets, out.Records = nil, nil
	case from < l.TailBase && room >= 0:
		room = min(room, f.share)
		f.session.fetchShelf(q, from, min(l.TailBase, l.end), room, out)
		if len(out.Records) == 0 && out.Err == nil && l.TailBase < l.end { // compaction left nothing up to there
			out.Err = f.session.call(q, func(m *shard.Machine) {
				if b, found := m.Blobs(q.Log, l.TailBase, room, f.limits.Committed); found { // a transaction may have ended since
					out.First, out.End, out.Stable, out.Aborted = b.First, b.Next, b.Stable, b.Aborted
					out.Offsets, out.Records = b.Offsets, b.Records
				}
			})
		}
		out.Offsets, out.Records = f.fitting(i, out.Offsets, out.Records)
		f.count(i)
	}
}

// giveUp ends the waiting for messages.
func (f *fetching) giveUp() {
	if !f.awaits {
		return
	}
	asked := map[record.ShardID]bool{}
	for _, q := range f.queues {
		if q == nil || asked[q.Shard] {
			continue
		}
		asked[q.Shard] = true
		f.session.engine.hosts[q.Shard].submit(nil, []op{{kind: opCall, call: func(m *shard.Machine) {
			for _, other := range f.queues {
				if other != nil && other.Shard == q.Shard {
					m.GiveUp(other.Log, f)
					m.GiveUp(other.Log, f.session)
				}
			}
		}}})
	}
}

// fetchShelf reads what is not in memory any more.
func (s *Session) fetchShelf(q *meta.Queue, from, end record.Offset, maxBytes int, f *Fetched) {
	bytes := 0
	err := s.engine.hosts[q.Shard].shelf.ReadInto(q.Log, from, max(maxBytes, 1), f.take, func(entry segment.Entry) bool {
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
		f.Err = s.engine.unread(err)
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
