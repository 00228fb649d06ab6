package wal

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"weir/internal/clock"
	"weir/internal/record"
	"weir/internal/vfs"
)

const (
	// sparesMax counts the prepared file: one to go on in, the others in reserve.
	// A flush releases the files of what it has written all at once; with room for
	// fewer, some would be removed, and made and filled with zeros anew soon after.
	sparesMax = 4
	// retryInterval is how often a full disk is tried again.
	retryInterval = time.Second
)

// keeper prepares, fills and recycles files.
type keeper struct {
	w *WAL

	// work is held while files are prepared or recycled.
	work sync.Mutex

	mu struct {
		sync.Mutex
		live       []*file // oldest first; the current one is last once there is one
		current    *file
		next       *file
		spares     []*file
		lastNumber uint32
		shards     map[record.ShardID]shardState
		retry      clock.Timer // runs while the disk is full
		stopped    bool
	}
	cramped atomic.Bool
	// nextFilled says that mu.next is there and filled to its limit.
	nextFilled atomic.Bool
	hasNext    atomic.Bool
}

// shardState is how far a shard's newest incarnation is released.
type shardState struct {
	incarnation uint64
	released    record.Index
	isReleased  bool // some release was made
}

func (k *keeper) init(w *WAL) {
	k.w = w
	k.mu.shards = make(map[record.ShardID]shardState)
}

// see notes that a record of the incarnation is retained.
func (k *keeper) see(shard record.ShardID, incarnation uint64) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if st, ok := k.mu.shards[shard]; !ok || st.incarnation < incarnation {
		k.mu.shards[shard] = shardState{incarnation: incarnation}
	}
}

// release reports whether a file became free.
func (k *keeper) release(shard record.ShardID, index record.Index) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	st, ok := k.mu.shards[shard]
	if !ok {
		return false
	}
	st.released, st.isReleased = max(st.released, index), true
	k.mu.shards[shard] = st
	return k.hasReleasedLocked()
}

func (k *keeper) forget(shard record.ShardID) {
	k.mu.Lock()
	delete(k.mu.shards, shard)
	for _, f := range k.mu.live {
		delete(f.pins, shard)
		if f.lastPin != nil && f.lastPin.shard == shard {
			f.lastPin = nil
		}
	}
	free := k.hasReleasedLocked()
	k.mu.Unlock()
	if free {
		signal(k.w.chore)
	}
}

func (k *keeper) hasReleasedLocked() bool {
	if len(k.mu.live) == 0 || k.mu.live[0] == k.mu.current {
		return false
	}
	for _, p := range k.mu.live[0].pins {
		st, ok := k.mu.shards[p.shard]
		if !ok || p.incarnation < st.incarnation {
			continue
		}
		if !st.isReleased || p.index > st.released {
			return false
		}
	}
	return true
}

// wanted reports whether the keeper has something to do for the writer.
func (k *keeper) wanted(current *file) bool {
	if current == nil {
		return false
	}
	have, end := current.allocated.Load(), current.end()
	return have < current.limit && have-end < aheadBytes ||
		!k.hasNext.Load() && !k.cramped.Load() ||
		end > current.limit/2 && !k.nextFilled.Load() && !k.cramped.Load()
}

// doWork does everything there is to do.
func (k *keeper) doWork() error {
	k.work.Lock()
	defer k.work.Unlock()
	for {
		f := k.takeReleased()
		if f == nil {
			break
		}
		if err := k.recycle(f); err != nil {
			return notFull(err)
		}
	}
	err := k.ensureNext()
	if err != nil && !errors.Is(err, vfs.ErrFull) {
		return err
	}
	k.mu.Lock()
	current, next := k.mu.current, k.mu.next
	k.mu.Unlock()
	if current != nil {
		if err := k.fillCurrent(current); err != nil {
			return err
		}
		if next != nil && current.end() > current.limit/2 {
			return k.fillNext(next)
		}
	}
	return err
}

// settle takes in the outcome of an attempt to make room.
func (k *keeper) settle(err error) {
	switch {
	case err == nil:
		k.cramped.Store(false)
	case errors.Is(err, vfs.ErrFull):
		k.cramp()
	default:
		k.w.fail(err)
	}
}

// cramp notes that the disk is full, and has it tried again later.
func (k *keeper) cramp() {
	k.cramped.Store(true)
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.mu.retry == nil && !k.mu.stopped {
		k.mu.retry = k.w.o.Clock.AfterFunc(retryInterval, func() {
			k.mu.Lock()
			k.mu.retry = nil
			k.mu.Unlock()
			signal(k.w.chore)
		})
	}
}

func (k *keeper) stop() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.mu.stopped = true
	if k.mu.retry != nil {
		k.mu.retry.Stop()
	}
}

// takeReleased takes the oldest file off the books if nothing pins it.
func (k *keeper) takeReleased() *file {
	k.mu.Lock()
	defer k.mu.Unlock()
	if !k.hasReleasedLocked() {
		return nil
	}
	f := k.mu.live[0]
	k.mu.live = append(k.mu.live[:0:0], k.mu.live[1:]...)
	return f
}

// recycle makes a file that is no longer needed a spare, or removes it. Either
// is durable before the next file is touched, so that the files that are left
// are always the newest ones.
func (k *keeper) recycle(f *file) error {
	k.mu.Lock()
	spares := len(k.mu.spares)
	if k.mu.next != nil {
		spares++
	}
	k.mu.Unlock()
	if spares >= sparesMax || f.limit != k.w.o.FileBytes {
		return k.discard(f)
	}
	name := spareName(k.w.o.Dir, f.tag.number())
	if err := k.w.o.FS.Rename(f.name, name); err != nil {
		return err
	}
	if err := k.w.o.FS.SyncDir(k.w.o.Dir); err != nil {
		return err
	}
	spare := newFile(f.f, name, f.allocated.Load(), k.w.o.FileBytes)
	k.mu.Lock()
	k.mu.spares = append(k.mu.spares, spare)
	k.mu.Unlock()
	return nil
}

func (k *keeper) discard(f *file) error {
	if err := f.f.Close(); err != nil {
		return err
	}
	if err := k.w.o.FS.Remove(f.name); err != nil {
		return err
	}
	return k.w.o.FS.SyncDir(k.w.o.Dir)
}

// ensureNext prepares a file unless there is one. The caller holds work.
func (k *keeper) ensureNext() error {
	k.mu.Lock()
	if k.mu.next != nil {
		k.mu.Unlock()
		return nil
	}
	var spare *file
	if n := len(k.mu.spares); n > 0 {
		spare = k.mu.spares[n-1]
	}
	k.mu.lastNumber++
	number := k.mu.lastNumber
	k.mu.Unlock()

	f := spare
	if f == nil {
		name := spareName(k.w.o.Dir, number)
		created, err := k.w.o.FS.Create(name)
		if err != nil {
			return err
		}
		f = newFile(created, name, 0, k.w.o.FileBytes)
	}
	if err := k.prepare(f, number); err != nil {
		if spare == nil && errors.Is(err, vfs.ErrFull) {
			err = errors.Join(err, f.f.Close(), k.w.o.FS.Remove(f.name))
		}
		return err
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if spare != nil {
		k.mu.spares = k.mu.spares[:len(k.mu.spares)-1]
	}
	k.mu.next = f
	k.nextFilled.Store(f.allocated.Load() >= f.limit)
	k.hasNext.Store(true)
	return nil
}

// prepare makes f the file of the given number: header first, durable, and only
// then the name by which recovery takes it for part of the log.
func (k *keeper) prepare(f *file, number uint32) error {
	f.tag = newTag(number, k.w.o.Salt())
	if err := f.f.Reserve(k.w.o.FileBytes); err != nil {
		return err
	}
	if err := f.extendFirst(); err != nil {
		return err
	}
	if _, err := f.f.WriteAt(fileHeader(f.tag), 0); err != nil {
		return err
	}
	if err := f.f.Sync(); err != nil {
		return err
	}
	name := liveName(k.w.o.Dir, number)
	if err := k.w.o.FS.Rename(f.name, name); err != nil {
		return err
	}
	if err := k.w.o.FS.SyncDir(k.w.o.Dir); err != nil {
		return notFull(err)
	}
	f.name = name
	f.durable = fileHeaderBytes
	f.position.Store(fileHeaderBytes)
	return nil
}

// takeNext hands the prepared file, able to hold size bytes, to the writer.
func (k *keeper) takeNext(size int64) (*file, error) {
	k.mu.Lock()
	f := k.mu.next
	k.mu.Unlock()
	if f == nil {
		err := k.doWork()
		if err != nil && !errors.Is(err, vfs.ErrFull) {
			return nil, err
		}
		k.mu.Lock()
		f = k.mu.next
		k.mu.Unlock()
		if f == nil {
			return nil, err
		}
	}
	if err := f.enlarge(size); err != nil {
		return nil, fmt.Errorf("enlarge %s: %w", f.name, err)
	}
	// A fill that runs now must end first: its sync would swallow an error that
	// belongs to the writer.
	f.grow.Lock()
	defer f.grow.Unlock()
	k.mu.Lock()
	defer k.mu.Unlock()
	k.mu.next = nil
	k.hasNext.Store(false)
	k.nextFilled.Store(false)
	k.mu.current = f
	k.mu.live = append(k.mu.live, f)
	return f, nil
}

// fillCurrent keeps zeros ahead of the writer. It does not sync: the writer's
// own sync does, and must be the one to see an error.
func (k *keeper) fillCurrent(f *file) error {
	for {
		f.grow.Lock()
		have := f.allocated.Load()
		if have >= f.limit || have-f.end() >= aheadBytes || k.w.closing.Load() {
			f.grow.Unlock()
			return nil
		}
		err := f.extendLocked(min(have+stepBytes, f.limit))
		f.grow.Unlock()
		if err != nil {
			return err
		}
	}
}

// fillNext zero-fills the prepared file, so that the writer will only overwrite.
func (k *keeper) fillNext(f *file) error {
	for {
		f.grow.Lock()
		k.mu.Lock()
		gone := k.mu.next != f
		k.mu.Unlock()
		have := f.allocated.Load()
		if gone || have >= f.limit || k.w.closing.Load() {
			f.grow.Unlock()
			k.nextFilled.Store(!gone)
			return nil
		}
		err := f.extendLocked(min(have+stepBytes, f.limit))
		if err == nil {
			if err = f.f.Sync(); err != nil {
				// Before the writer can take the file.
				k.w.fail(err)
			}
		}
		f.grow.Unlock()
		if err != nil {
			return err
		}
	}
}

// run is doWork with its outcome taken in.
func (k *keeper) run() {
	if !k.w.failed.Load() {
		k.settle(k.doWork())
	}
}

func (w *WAL) closeFiles() error {
	k := &w.keeper
	k.mu.Lock()
	defer k.mu.Unlock()
	var errs []error
	for _, files := range [][]*file{k.mu.live, k.mu.spares, {k.mu.next}} {
		for _, f := range files {
			if f != nil {
				errs = append(errs, f.f.Close())
			}
		}
	}
	k.mu.live, k.mu.spares, k.mu.next = nil, nil, nil
	return errors.Join(errs...)
}
