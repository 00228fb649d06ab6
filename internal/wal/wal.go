package wal

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"weir/internal/clock"
	"weir/internal/invariant"
	"weir/internal/record"
	"weir/internal/vfs"
)

// ErrClosed is given to appends of a log that is closed or has failed. None of
// them is durable as far as anybody may rely on.
var ErrClosed = errors.New("wal: closed")

// ErrCorrupt matches every report of damage; see vfs.CorruptError.
var ErrCorrupt = vfs.ErrCorrupt

// SyncMode says what an acknowledgement promises.
type SyncMode uint8

const (
	// SyncAlways acknowledges after a sync: it survives power loss.
	SyncAlways SyncMode = iota
	// SyncInterval acknowledges after the write and syncs every Interval: power
	// loss takes the last interval, a killed process nothing.
	SyncInterval
	// SyncOS acknowledges after the write and syncs only when a file is full.
	SyncOS
)

const (
	fileBytesDefault = 64 << 20
	fileBytesMin     = 1 << 10
	intervalDefault  = 100 * time.Millisecond
)

// Options configure Open.
type Options struct {
	FS        vfs.FS
	Dir       string
	FileBytes int64 // of one file; 0 is 64 MiB
	Mode      SyncMode
	Interval  time.Duration // of SyncInterval; 0 is 100 ms

	// Fatal is called once, when a write, sync, rename or directory sync fails
	// for another reason than a full disk. It is called before any append
	// learns of it, with locks held: it must not use the log. Nil panics.
	Fatal func(error)

	Clock clock.Clock   // nil is the system's
	Salt  func() uint32 // unpredictable numbers for file tags; nil is crypto/rand

	// Manual starts no goroutines: the caller drives the log with Step. It is
	// for the simulator and for tests that need one history per seed.
	Manual bool
}

// WAL is an open log.
type WAL struct {
	o Options

	mu struct {
		sync.Mutex
		queue   []item
		idle    bool // the writer waits on wake
		syncDue bool
		closed  bool
	}
	wake  chan struct{} // of the writer
	chore chan struct{} // of the keeper
	done  sync.WaitGroup

	// ack is held while acknowledging and while failing, so that nothing is
	// acknowledged once Fatal is called.
	ack struct {
		sync.Mutex
		failed error
	}
	failed  atomic.Bool
	closing atomic.Bool
	room    atomic.Int64 // bytes free in the current file, as the writer last left it

	writer writer
	keeper keeper
	stats  counters
}

// item is one Append, or a Forget that keeps its place among them.
type item struct {
	records []Record
	bytes   int64
	done    func(error)
	forget  bool
	shard   record.ShardID
}

// Open recovers the log in o.Dir, made if missing. replay gets every retained
// record in append order, also those released before the last stop; payloads
// are slices of fresh memory of up to 1 MiB that replay may keep. Damage to
// what was durable fails with a *vfs.CorruptError.
func Open(o Options, replay func(Record) error) (*WAL, error) {
	o = o.withDefaults()
	w := &WAL{o: o, wake: make(chan struct{}, 1), chore: make(chan struct{}, 1)}
	w.keeper.init(w)
	w.writer.init(w)
	if err := w.recover(replay); err != nil {
		return nil, errors.Join(err, w.closeFiles())
	}
	if !o.Manual {
		w.done.Add(2)
		go w.writerLoop()
		go w.keeperLoop()
	}
	return w, nil
}

func (o Options) withDefaults() Options {
	if o.FileBytes == 0 {
		o.FileBytes = fileBytesDefault
	}
	o.FileBytes = max(o.FileBytes, fileBytesMin)
	if o.Interval <= 0 {
		o.Interval = intervalDefault
	}
	if o.Clock == nil {
		o.Clock = clock.System()
	}
	if o.Salt == nil {
		o.Salt = func() uint32 {
			var b [4]byte
			rand.Read(b[:])
			return binary.LittleEndian.Uint32(b[:])
		}
	}
	if o.Fatal == nil {
		o.Fatal = func(err error) { panic(err) }
	}
	return o
}

// Append queues records, which become durable together or not at all, and never
// blocks. The log owns the slices until done is called: on the writer's
// goroutine, in append order, with nil once durable as the mode promises;
// vfs.ErrFull if there was no room, with nothing written; or ErrClosed.
//
// After ErrFull later appends of the same shard are refused too until the
// refused index is appended again, so that a shard's log never gets a gap.
//
// No records at all is a barrier: done is called after everything before it.
func (w *WAL) Append(records []Record, done func(error)) {
	it := item{records: records, done: done}
	for i := range records {
		r := &records[i]
		if r.Kind > KindMax || len(r.Payload) > payloadBytesMax {
			// Checked first, for the arguments cost an allocation each.
			invariant.Check(false, "wal: record of kind %d with %d bytes", r.Kind, len(r.Payload))
		}
		it.bytes += recordSize(r)
	}
	if !w.enqueue(it) {
		// On another goroutine, for the caller may hold what done waits for.
		go done(ErrClosed)
	}
}

// Forget says that the shard is gone: nothing of it that was appended so far
// keeps a file from being recycled.
func (w *WAL) Forget(shard record.ShardID) {
	w.enqueue(item{forget: true, shard: shard})
}

func (w *WAL) enqueue(it item) bool {
	w.mu.Lock()
	if w.mu.closed {
		w.mu.Unlock()
		return false
	}
	w.mu.queue = append(w.mu.queue, it)
	idle := w.mu.idle
	w.mu.idle = false
	w.mu.Unlock()
	if idle {
		signal(w.wake)
	}
	return true
}

// Release says that a checkpoint holds everything of the shard up to index. A
// record that states something else than the entry at its index, such as a
// vote, must carry an index that is released only once a checkpoint holds the
// statement too: the shard's last index + 1 serves.
//
// A record of a newer incarnation is not covered by releases made before it.
func (w *WAL) Release(shard record.ShardID, index record.Index) {
	if w.keeper.release(shard, index) {
		signal(w.chore)
	}
}

// Roomy reports whether a file beyond the current one is ready or on its way.
// While it is false the disk is nearly full: the caller pushes publishers back,
// and may still append small records into what is left.
func (w *WAL) Roomy() bool { return !w.keeper.cramped.Load() }

// Spacious reports whether large records may be appended: a file beyond the
// current one is ready, or a quarter of the current one is free. What it keeps
// back is for small records that make room, even before Roomy has noticed that
// there will be no further file.
func (w *WAL) Spacious() bool {
	k := &w.keeper
	return !k.cramped.Load() && (k.hasNext.Load() || w.room.Load() >= w.o.FileBytes/4)
}

// Close writes what is queued, syncs and closes. Appends from now on fail.
func (w *WAL) Close() error {
	w.mu.Lock()
	if w.mu.closed {
		w.mu.Unlock()
		return ErrClosed
	}
	w.mu.closed = true
	w.mu.Unlock()
	w.closing.Store(true)
	if w.o.Manual {
		w.writer.drain()
	} else {
		signal(w.wake)
		signal(w.chore)
		w.done.Wait()
	}
	w.keeper.stop()
	w.writer.finish()
	w.ack.Lock()
	err := w.ack.failed
	w.ack.Unlock()
	return errors.Join(err, w.closeFiles())
}

// Step does, in Manual mode, the work that waits: first the keeper's, then one
// batch of the writer's. False is that there was nothing to write.
func (w *WAL) Step() bool {
	invariant.Check(w.o.Manual, "wal: Step without Manual")
	select {
	case <-w.chore:
		w.keeper.run()
	default:
	}
	return w.writer.drain()
}

// fail stops acknowledging for good. The first caller's error reaches Fatal.
func (w *WAL) fail(err error) {
	w.ack.Lock()
	first := w.ack.failed == nil
	if first {
		w.ack.failed = fmt.Errorf("write-ahead log %s: %w", w.o.Dir, err)
		w.failed.Store(true)
	}
	w.ack.Unlock()
	if first {
		w.o.Fatal(w.ack.failed)
	}
}

func (w *WAL) writerLoop() {
	defer w.done.Done()
	for {
		if w.writer.drain() {
			continue
		}
		w.mu.Lock()
		if len(w.mu.queue) > 0 || w.mu.syncDue {
			w.mu.Unlock()
			continue
		}
		if w.mu.closed {
			w.mu.Unlock()
			return
		}
		w.mu.idle = true
		w.mu.Unlock()
		<-w.wake
	}
}

func (w *WAL) keeperLoop() {
	defer w.done.Done()
	for {
		w.mu.Lock()
		closed := w.mu.closed
		w.mu.Unlock()
		if closed {
			return
		}
		w.keeper.run()
		<-w.chore
	}
}

func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
