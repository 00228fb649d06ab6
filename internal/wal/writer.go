package wal

import (
	"errors"
	"fmt"

	"weir/internal/clock"
	"weir/internal/record"
	"weir/internal/vfs"
)

const (
	// copyBytesMax: a payload below is copied into the group's buffer, for a
	// vector element costs the kernel about as much as copying 4 KiB.
	copyBytesMax = 4 << 10
	// groupBytesMax bounds one write, and so the time of one sync.
	groupBytesMax = 16 << 20
	// bufferBytesMax is what is kept of the group buffer between groups.
	bufferBytesMax = 8 << 20
)

// writer turns queued items into groups. Only the writer goroutine touches it.
type writer struct {
	w *WAL

	current *file
	prev    link // the last file with acknowledged records, and its end
	// unsynced says that acknowledged bytes wait for a sync (relaxed modes).
	unsynced bool
	timer    clock.Timer

	batch   []item // the queue's other half
	buffer  []byte
	parts   [][]byte
	blocked map[record.ShardID]refusal
}

// refusal is the first record of a shard that did not fit.
type refusal struct {
	kind  uint8
	index record.Index
}

func (w *writer) init(log *WAL) {
	w.w = log
	w.blocked = make(map[record.ShardID]refusal)
}

// drain writes everything queued so far; false is that there was nothing.
func (w *writer) drain() bool {
	m := &w.w.mu
	m.Lock()
	batch := m.queue
	m.queue, w.batch = w.batch[:0], nil
	syncDue := m.syncDue
	m.syncDue = false
	m.Unlock()
	for rest := batch; len(rest) > 0; {
		rest = rest[w.next(rest):]
	}
	clear(batch)
	w.batch = batch[:0]
	if syncDue && w.unsynced && !w.w.failed.Load() {
		if err := w.sync(); err != nil {
			w.w.fail(err)
		}
	}
	return len(batch) > 0 || syncDue
}

// next deals with at least the first of the items and returns how many it did.
func (w *writer) next(items []item) int {
	if w.w.failed.Load() {
		w.reject(items)
		return len(items)
	}
	n, size := w.gather(items)
	if n > 0 {
		w.commit(items[:n], size)
		return n
	}
	err := vfs.ErrFull
	if !w.isBlocked(items[0].records) {
		err = w.rotate(items[0].bytes)
	}
	switch {
	case err == nil:
		return 0 // the item fits now
	case errors.Is(err, vfs.ErrFull):
		w.refuse(items[:1], err)
		return 1
	default:
		w.w.fail(err)
		return 0
	}
}

// gather returns how many of the items go into one group in the current file.
func (w *writer) gather(items []item) (n int, size int64) {
	room := w.current.room()
	for n < len(items) {
		it := &items[n]
		if it.bytes > 0 {
			if size+it.bytes > room || n > 0 && size+it.bytes > groupBytesMax || w.isBlocked(it.records) {
				break
			}
		}
		size += it.bytes
		n++
	}
	return n, size
}

// commit writes and syncs one group and acknowledges it.
func (w *writer) commit(items []item, size int64) {
	if size > 0 {
		if err := w.write(items, size); err != nil {
			if errors.Is(err, vfs.ErrFull) {
				w.refuse(items, err)
			} else {
				w.w.fail(err)
				w.reject(items)
			}
			return
		}
		w.unsynced = true
		if w.w.o.Mode == SyncAlways {
			if err := w.sync(); err != nil {
				w.w.fail(err)
				w.reject(items)
				return
			}
		}
		w.w.stats.group(items, size)
	}
	w.w.room.Store(w.current.room())
	for i := range items {
		w.account(&items[i])
	}
	w.acknowledge(items)
	if w.unsynced && w.w.o.Mode == SyncInterval && w.timer == nil {
		w.timer = w.w.o.Clock.AfterFunc(w.w.o.Interval, w.w.syncLater)
	}
	if w.w.keeper.wanted(w.current) {
		signal(w.w.chore)
	}
}

func (w *WAL) syncLater() {
	w.mu.Lock()
	w.mu.syncDue = true
	w.mu.idle = false
	w.mu.Unlock()
	signal(w.wake)
}

// account enters a written item into the books that decide what is retained.
func (w *writer) account(it *item) {
	if it.forget {
		delete(w.blocked, it.shard)
		w.w.keeper.forget(it.shard)
		return
	}
	for i := range it.records {
		r := &it.records[i]
		w.current.pin(&w.w.keeper, r)
		if len(w.blocked) > 0 {
			if b, ok := w.blocked[r.Shard]; ok && b.kind == r.Kind && r.Index <= b.index {
				delete(w.blocked, r.Shard)
			}
		}
	}
}

func (w *writer) acknowledge(items []item) {
	w.w.ack.Lock()
	defer w.w.ack.Unlock()
	var err error
	if w.w.ack.failed != nil {
		err = fmt.Errorf("%w: %w", ErrClosed, w.w.ack.failed)
	}
	for i := range items {
		if items[i].done != nil {
			items[i].done(err)
		}
	}
}

// reject answers items of a failed log.
func (w *writer) reject(items []item) { w.acknowledge(items) }

// refuse answers items there is no room for.
func (w *writer) refuse(items []item, err error) {
	for i := range items {
		for j := range items[i].records {
			r := &items[i].records[j]
			if b, ok := w.blocked[r.Shard]; !ok || r.Index < b.index {
				w.blocked[r.Shard] = refusal{kind: r.Kind, index: r.Index}
			}
		}
	}
	w.w.keeper.cramp()
	for i := range items {
		if items[i].forget {
			w.account(&items[i])
		}
		if items[i].done != nil {
			items[i].done(err)
		}
	}
}

// isBlocked reports whether writing the records would leave a gap behind an
// earlier refusal of their shard.
func (w *writer) isBlocked(records []Record) bool {
	if len(w.blocked) == 0 {
		return false
	}
	for i := range records {
		r := &records[i]
		b, ok := w.blocked[r.Shard]
		if ok && r.Index > b.index && !holds(records[:i], r.Shard, b) {
			return true
		}
	}
	return false
}

func holds(records []Record, shard record.ShardID, b refusal) bool {
	for i := range records {
		r := &records[i]
		if r.Shard == shard && r.Kind == b.kind && r.Index <= b.index {
			return true
		}
	}
	return false
}

// write puts a group at the end of the current file. After ErrFull nothing of
// it counts: either nothing was written, or the file is given up.
func (w *writer) write(items []item, size int64) error {
	f := w.current
	if f.isFresh() {
		size += linkBytes
	}
	if err := f.extend(f.end() + size); err != nil {
		return err
	}
	parts := w.encode(items)
	err := f.f.WriteVecAt(parts, f.end())
	clear(parts)
	if cap(w.buffer) > bufferBytesMax {
		w.buffer = nil
	}
	if errors.Is(err, vfs.ErrFull) {
		f.sealed = true
	}
	if err != nil {
		return fmt.Errorf("append to %s at %d: %w", f.name, f.end(), err)
	}
	f.position.Store(f.end() + size)
	return nil
}

// encode lays out the group: headers and small payloads in the buffer, large
// payloads where they are.
func (w *writer) encode(items []item) [][]byte {
	f := w.current
	need := int(linkBytes)
	for i := range items {
		for j := range items[i].records {
			need += headerBytes
			if n := len(items[i].records[j].Payload); n < copyBytesMax {
				need += n
			}
		}
	}
	if cap(w.buffer) < need {
		w.buffer = make([]byte, 0, need+need/4)
	}
	buf, parts, start := w.buffer[:0], w.parts[:0], 0
	if f.isFresh() {
		buf = w.prev.appendTo(buf, f.tag)
	}
	for i := range items {
		for j := range items[i].records {
			r := &items[i].records[j]
			at := len(buf)
			buf = buf[:at+headerBytes]
			putHeader(buf[at:], f.tag, f.durable, r)
			if len(r.Payload) < copyBytesMax {
				buf = append(buf, r.Payload...)
				continue
			}
			parts = append(parts, buf[start:], r.Payload)
			start = len(buf)
		}
	}
	if start < len(buf) {
		parts = append(parts, buf[start:])
	}
	w.parts = parts
	return parts
}

func (w *writer) sync() error {
	begin := w.w.o.Clock.Now()
	if err := w.current.f.Sync(); err != nil {
		return fmt.Errorf("sync %s: %w", w.current.name, err)
	}
	w.w.stats.sync(w.w.o.Clock.Now().Sub(begin))
	w.current.durable = w.current.end()
	w.unsynced = false
	if w.timer != nil {
		w.timer.Stop()
		w.timer = nil
	}
	return nil
}

// rotate makes the prepared file the current one, with room for size bytes.
func (w *writer) rotate(size int64) error {
	if w.unsynced {
		if err := w.sync(); err != nil {
			return notFull(err)
		}
	}
	next, err := w.w.keeper.takeNext(recordsAt + size)
	if err != nil {
		return err
	}
	if c := w.current; c != nil && !c.isFresh() {
		w.prev = link{number: c.tag.number(), end: c.end()}
	}
	w.current = next
	w.w.room.Store(next.room())
	signal(w.w.chore)
	return nil
}

// notFull hides that a sync failed for lack of room: what the pages hold is
// unknown then, which is a failed disk and not a full one.
func notFull(err error) error {
	if errors.Is(err, vfs.ErrFull) {
		return errors.New("sync failed: " + err.Error())
	}
	return err
}

// finish ends a clean stop: a mark that everything before it is durable.
func (w *writer) finish() {
	f := w.current
	if w.w.failed.Load() || f == nil || f.isFresh() || f.sealed {
		return
	}
	if w.unsynced {
		if err := w.sync(); err != nil {
			w.w.fail(err)
			return
		}
	}
	mark := appendRecord(nil, f.tag, f.durable, &Record{Kind: kindMark})
	if f.room() < int64(len(mark)) || f.extend(f.end()+int64(len(mark))) != nil {
		return
	}
	if err := f.f.WriteVecAt([][]byte{mark}, f.end()); err != nil {
		w.w.fail(err)
		return
	}
	f.position.Store(f.end() + int64(len(mark)))
	if err := w.sync(); err != nil {
		w.w.fail(err)
	}
}
