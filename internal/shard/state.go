package shard

import (
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"slices"

	"weir/internal/cursor"
	"weir/internal/record"
	"weir/internal/segment"
	"weir/internal/store"
)

// ErrNoLog says that the shard does not hold the log.
var ErrNoLog = errors.New("shard: no such log")

// Checkpoint keys: 'l' and the log id big endian for a log's state, 's' and a
// name for a segment on the shelf, 'i' and the id big endian for an intent, whose
// value are its parts, 'e', shard u32 and id big endian for what was enacted, 'n',
// the length of the ledger's name u16 big endian, that name and the key for a note.
// A log's value, little endian:
//
//	version u8 = 1 | flags u8 (1: attended, 2: producers) | next u64 | retained u64 | config length u32, JSON
//	dead n u32, n × (offset u64, why u8) | dedup n u32, n × (id, when)
//	commits n u32, n × (length u16, name, next u64) | producers | cursor state
const stateVersion = 1

func logKey(id record.LogID) []byte {
	return binary.BigEndian.AppendUint64([]byte{'l'}, uint64(id))
}

func (l *Log) encode(dst []byte) []byte {
	producers := len(l.producers) > 0 || len(l.aborted) > 0
	dst = append(dst, stateVersion, flag(l.attended)|flag(producers)<<1)
	dst = binary.LittleEndian.AppendUint64(dst, uint64(l.next))
	dst = binary.LittleEndian.AppendUint64(dst, uint64(l.retained))
	dst = binary.LittleEndian.AppendUint32(dst, uint32(len(l.config.encoded)))
	dst = append(dst, l.config.encoded...)
	dst = binary.LittleEndian.AppendUint32(dst, uint32(len(l.why)))
	for _, o := range slices.Sorted(maps.Keys(l.why)) {
		dst = binary.LittleEndian.AppendUint64(dst, uint64(o))
		dst = append(dst, byte(l.why[o]))
	}
	dst = l.dedup.encode(dst)
	dst = binary.LittleEndian.AppendUint32(dst, uint32(len(l.commits)))
	for _, name := range slices.Sorted(maps.Keys(l.commits)) {
		dst = binary.LittleEndian.AppendUint16(dst, uint16(len(name)))
		dst = append(dst, name...)
		dst = binary.LittleEndian.AppendUint64(dst, uint64(l.commits[name]))
	}
	if producers {
		dst = l.encodeProducers(dst)
	}
	return l.cursor.AppendState(dst)
}

// decodeLog is the opposite of encode.
func (m *Machine) decodeLog(id record.LogID, b []byte) (*Log, error) {
	if len(b) < 22 || b[0] != stateVersion || b[1] > 3 {
		return nil, errState
	}
	flags := b[1]
	l := &Log{id: id, attended: flags&1 != 0}
	l.next = record.Offset(binary.LittleEndian.Uint64(b[2:]))
	l.retained = record.Offset(binary.LittleEndian.Uint64(b[10:]))
	n := int(binary.LittleEndian.Uint32(b[18:]))
	b = b[22:]
	if n > len(b) {
		return nil, errState
	}
	config, err := m.configOf(b[:n])
	if err != nil {
		return nil, errState
	}
	l.config = config
	if b, err = l.decodeDead(b[n:]); err != nil {
		return nil, err
	}
	if l.dedup, b, err = decodeDedup(b); err != nil {
		return nil, err
	}
	if b, err = l.decodeCommits(b); err != nil {
		return nil, err
	}
	if flags&2 != 0 {
		if b, err = l.decodeProducers(b); err != nil {
			return nil, err
		}
	}
	l.cursor = cursor.New(config.cursor())
	l.shelved = l.next
	l.tail.Reset(l.next)
	return l, l.cursor.RestoreState(b)
}

func (l *Log) decodeDead(b []byte) ([]byte, error) {
	if len(b) < 4 {
		return nil, errState
	}
	n := int(binary.LittleEndian.Uint32(b))
	b = b[4:]
	if n > len(b)/9 {
		return nil, errState
	}
	if n > 0 {
		l.why = make(map[record.Offset]Why, n)
	}
	for range n {
		l.why[record.Offset(binary.LittleEndian.Uint64(b))] = Why(b[8])
		b = b[9:]
	}
	return b, nil
}

func (l *Log) decodeCommits(b []byte) ([]byte, error) {
	if len(b) < 4 {
		return nil, errState
	}
	n := int(binary.LittleEndian.Uint32(b))
	b = b[4:]
	for range n {
		if len(b) < 2 {
			return nil, errState
		}
		k := int(binary.LittleEndian.Uint16(b))
		if len(b) < 2+k+8 {
			return nil, errState
		}
		if l.commits == nil {
			l.commits = map[string]record.Offset{}
		}
		l.commits[string(b[2:2+k])] = record.Offset(binary.LittleEndian.Uint64(b[2+k:]))
		b = b[2+k+8:]
	}
	return b, nil
}

// Restore takes in one key of a checkpoint. Segment names are returned instead.
func (m *Machine) Restore(key, value []byte) (segmentName string, err error) {
	switch {
	case len(key) == 9 && key[0] == 'l':
		id := record.LogID(binary.BigEndian.Uint64(key[1:]))
		l, err := m.decodeLog(id, value)
		if err != nil {
			return "", fmt.Errorf("log %d: %w", id, err)
		}
		m.logs[id] = l
		m.limited += l.limits()
		if l.retained != never {
			m.retaining++
		}
		return "", nil
	case len(key) > 1 && key[0] == 's':
		return string(key[1:]), nil
	case len(key) > 1:
		return "", m.restoreKey(key, value)
	}
	return "", errState
}

// Restored finishes a restore: it gives the machine its shelf and rebuilds what
// is derived. Entries behind the checkpoint are applied after it.
func (m *Machine) Restored(shelf *store.Shelf) error {
	m.shelf = shelf
	if err := m.linkViews(); err != nil {
		return err
	}
	shelf.Recount(func(log record.LogID, first, last record.Offset) int64 {
		if l := m.logs[log]; l != nil {
			return l.wantedCount(first, last+1)
		}
		return 0
	})
	err := shelf.Attributes(func(log record.LogID, o record.Offset, priority uint8, expiry, due int64) {
		l := m.logs[log]
		if l != nil && l.config.MaxBytes < 0 && l.cursor.Unsettled().Contains(o) {
			a := cursor.Attributes{Priority: priority, Expiry: expiry, Due: due}
			l.cursor.AppendRestored(o, a, l.cursor.Count(o))
		}
		if l != nil {
			l.describeViews(o, expiry, due)
		}
	})
	for _, l := range m.logs {
		if l.config.MaxBytes >= 0 && err == nil {
			err = m.weigh(l)
		}
	}
	return err
}

// weigh reads the messages of a log whose size is limited: only their records
// know how large they are, and there are at most as many bytes as the limit.
func (m *Machine) weigh(l *Log) error {
	first, ok := l.cursor.Unsettled().First()
	if !ok {
		return nil
	}
	for more := true; more; {
		more = false
		var broken error
		err := m.shelf.Read(l.id, first, coldReadBytes, func(e segment.Entry) bool {
			first, more = e.Offset+1, true
			var env record.Envelope
			if _, broken = record.Decode(e.Record, &env); broken != nil {
				return false
			}
			if l.cursor.Unsettled().Contains(e.Offset) {
				a := cursor.Attributes{Priority: env.Priority, Expiry: env.Expiry, Due: env.Due, Bytes: env.Body}
				l.cursor.AppendRestored(e.Offset, a, l.cursor.Count(e.Offset))
			}
			return true
		})
		if err = errors.Join(err, broken); err != nil {
			return err
		}
	}
	return nil
}

// expiry is when a message with envelope e expires in this log, 0 never.
func (l *Log) expiry(e *record.Envelope) int64 {
	if !l.config.HasTTL {
		return e.Expiry
	}
	if x := max(e.Timestamp, e.Due) + l.config.TTL; e.Expiry == 0 || x < e.Expiry {
		return x
	}
	return e.Expiry
}

// dated returns the record with the log's own time to live in its envelope, so
// that a restart finds the expiry on the shelf. The native bytes stay.
func (l *Log) dated(rec []byte) []byte {
	if !l.config.HasTTL {
		return rec
	}
	var e record.Envelope
	native, err := record.Decode(rec, &e)
	if err != nil || e.Expiry == l.expiry(&e) {
		return rec
	}
	e.Expiry = l.expiry(&e)
	return record.Append(nil, &e, native)
}

// Flush is one round of moving wanted messages to the shelf and making a
// checkpoint. The shard's goroutine begins and ends it; Fill runs elsewhere.
type Flush struct {
	puts    [][2][]byte
	keys    [][2][]byte // of intents and notes; value nil: gone
	change  store.Change
	runs    []flushRun
	upto    map[record.LogID]record.Offset
	deleted []record.LogID
	Bytes   int64 // of the records to write
}

type flushRun struct {
	log     record.LogID
	offsets []record.Offset
	records [][]byte
}

// BeginFlush takes down, at one moment, the state of every log that changed since
// the last checkpoint and the messages that are not on the shelf yet.
func (m *Machine) BeginFlush() *Flush {
	f := &Flush{upto: map[record.LogID]record.Offset{}}
	for _, l := range m.dirty {
		l.dirty = false
		if m.logs[l.id] != l {
			continue
		}
		f.puts = append(f.puts, [2][]byte{logKey(l.id), l.encode(nil)})
		if r := m.collect(l, f); len(r.offsets) > 0 {
			f.runs = append(f.runs, r)
		}
		f.upto[l.id] = l.next
	}
	clear(m.dirty)
	m.dirty = m.dirty[:0]
	for key := range m.dirtyKeys {
		f.keys = append(f.keys, [2][]byte{[]byte(key), m.keyState(key)})
	}
	clear(m.dirtyKeys)
	f.deleted, m.deleted = m.deleted, nil
	slices.SortFunc(f.runs, func(a, b flushRun) int {
		if a.log < b.log {
			return -1
		}
		return 1
	})
	return f
}

func (m *Machine) collect(l *Log, f *Flush) flushRun {
	r := flushRun{log: l.id}
	if l.viewing() {
		return r
	}
	last := store.Location{}
	take := func(o record.Offset) {
		at := l.tail.At(o)
		if at == last && len(r.offsets) > 0 {
			return // another offset of the same record
		}
		last = at
		rec := l.dated(m.tail.Record(l.tail.At(o)))
		r.offsets = append(r.offsets, l.whole(o))
		r.records = append(r.records, rec)
		f.Bytes += int64(len(rec))
	}
	lo := max(l.shelved, l.tail.Base())
	unsettled := l.cursor.Unsettled()
	for o, ok := unsettled.Next(lo); ok && o < min(l.retained, l.next); o, ok = unsettled.Next(o + 1) {
		take(o)
	}
	for o := max(lo, l.retained); o < l.next; o++ {
		take(o)
	}
	return r
}

// Empty says that the flush has no messages to write.
func (f *Flush) Empty() bool { return len(f.runs) == 0 }

// Fill writes the messages. It runs on a background goroutine.
func (f *Flush) Fill(w *segment.Writer) error {
	for _, r := range f.runs {
		if err := w.Begin(r.log); err != nil {
			return err
		}
		for i, o := range r.offsets {
			if err := w.Add(segment.Entry{Offset: o, Record: r.records[i]}); err != nil {
				return err
			}
		}
	}
	return nil
}

// Shelve puts the flush's messages, written as w, on the shelf (w is nil if there
// were none) and completes the checkpoint's contents.
func (m *Machine) Shelve(f *Flush, w *store.Written) error {
	for id, upto := range f.upto {
		if l := m.logs[id]; l != nil && !l.viewing() {
			l.shelved = max(l.shelved, upto)
		}
	}
	if w != nil {
		if err := m.shelf.Put(w, m.WantedCount); err != nil {
			return err
		}
	}
	f.change = m.shelf.TakeChange()
	return nil
}

// Changes tells the checkpoint's contents.
func (f *Flush) Changes(put func(key, value []byte), del func(key []byte)) {
	for _, p := range f.puts {
		put(p[0], p[1])
	}
	for _, i := range f.keys {
		if i[1] == nil {
			del(i[0])
		} else {
			put(i[0], i[1])
		}
	}
	for _, id := range f.deleted {
		del(logKey(id))
	}
	for _, name := range f.change.Added {
		put(append([]byte{'s'}, name...), nil)
	}
	for _, name := range f.change.Gone.Names() {
		del(append([]byte{'s'}, name...))
	}
}

// Gone are the files that may be removed once the checkpoint is durable.
func (f *Flush) Gone() store.Doomed { return f.change.Gone }

// Abandon gives up a flush that failed: what it took down is due again.
func (m *Machine) Abandon(f *Flush) {
	for id := range f.upto {
		if l := m.logs[id]; l != nil {
			m.touch(l)
		}
	}
	for _, i := range f.keys {
		m.dirtyKeys[string(i[0])] = true
	}
	m.deleted = append(m.deleted, f.deleted...)
	m.shelf.PutBack(f.change)
}

// WantedCount counts the wanted messages of a log in [first, last].
func (m *Machine) WantedCount(log record.LogID, first, last record.Offset) int64 {
	if l := m.logs[log]; l != nil {
		return l.wantedCount(first, last+1)
	}
	return 0
}

// Wanted fills in which messages a rewrite has to keep.
func (m *Machine) Wanted(j *store.Rewrite) {
	for i := range j.Runs {
		r := &j.Runs[i]
		l := m.logs[r.Log]
		if l == nil {
			continue
		}
		hi := min(r.Last+1, l.retained)
		for o, ok := l.cursor.Unsettled().Next(r.First); ok && o < hi; o, ok = l.cursor.Unsettled().Next(o + 1) {
			if n := len(r.Wanted); n > 0 && r.Wanted[n-1][1] == o {
				r.Wanted[n-1][1] = o + 1
			} else {
				r.Wanted = append(r.Wanted, [2]record.Offset{o, o + 1})
			}
		}
		if lo := max(r.First, l.retained); lo <= r.Last {
			r.Wanted = append(r.Wanted, [2]record.Offset{lo, r.Last + 1})
		}
	}
}

// Evict lets the tail go of messages that are on the shelf, oldest first, until
// it holds at most target bytes.
func (m *Machine) Evict(target int64) {
	for _, l := range m.logs {
		if m.tail.Bytes() <= target {
			return
		}
		if l.tail.Base() < l.shelved && l.tail.Base() < l.next {
			m.unkeepAll(l, l.tail.Base(), min(l.shelved, l.next))
			l.tail.PopTo(min(l.shelved, l.next))
		}
	}
}

// EvictBelow lets the tail go of what a log has on the shelf below an offset, where
// a record begins.
func (m *Machine) EvictBelow(log record.LogID, o record.Offset) {
	l := m.logs[log]
	if l == nil {
		return
	}
	if o = min(o, l.shelved, l.next); l.tail.Base() < o {
		m.unkeepAll(l, l.tail.Base(), o)
		l.tail.PopTo(o)
	}
}
