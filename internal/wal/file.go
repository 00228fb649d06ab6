package wal

import (
	"fmt"
	"sync"
	"sync/atomic"

	"weir/internal/record"
	"weir/internal/vfs"
)

const (
	// stepBytes is zero-filled at once ahead of the writer; it is what a group
	// may have to wait for in a file that was not filled in time.
	stepBytes = 1 << 20
	// firstBytes is zero-filled before a file is first used, so that opening an
	// empty directory stays quick.
	firstBytes = 256 << 10
	// aheadBytes is kept zero-filled in front of the writer.
	aheadBytes = 4 << 20
)

// file is one live, prepared or spare file.
type file struct {
	f    vfs.File
	name string
	tag  tag

	// position is the end of what was written; the writer changes it.
	position atomic.Int64
	// allocated is how far the file is zero-filled; grow guards changes.
	allocated atomic.Int64
	grow      sync.Mutex
	limit     int64 // size it may grow to; changed under grow before first use

	// The writer's own.
	durable int64 // bytes covered by the last sync
	sealed  bool  // a write failed half way: nothing more goes in
	lastPin *pin

	// pins say which records keep the file. The writer owns them while the file
	// is current, then the keeper's lock guards them.
	pins map[record.ShardID]*pin
}

// pin is the highest index of a shard's newest incarnation in a file.
type pin struct {
	shard       record.ShardID
	incarnation uint64
	index       record.Index
}

func newFile(f vfs.File, name string, size, limit int64) *file {
	n := &file{f: f, name: name, limit: limit, pins: make(map[record.ShardID]*pin)}
	n.allocated.Store(size)
	return n
}

func (f *file) end() int64 { return f.position.Load() }

// isFresh reports that no group was written yet.
func (f *file) isFresh() bool { return f.end() == fileHeaderBytes }

// room is how many bytes of records still fit; negative without a file.
func (f *file) room() int64 {
	switch {
	case f == nil || f.sealed:
		return -1
	case f.isFresh():
		return f.limit - recordsAt
	default:
		return f.limit - f.end()
	}
}

// extend zero-fills up to end and some more, unless that is done already.
func (f *file) extend(end int64) error {
	if end <= f.allocated.Load() {
		return nil
	}
	f.grow.Lock()
	defer f.grow.Unlock()
	return f.extendLocked(max(end, min(f.allocated.Load()+stepBytes, f.limit)))
}

// extendFirst zero-fills what a file has before it is taken into use.
func (f *file) extendFirst() error {
	f.grow.Lock()
	defer f.grow.Unlock()
	return f.extendLocked(min(firstBytes, f.limit))
}

func (f *file) extendLocked(size int64) error {
	if size <= f.allocated.Load() {
		return nil
	}
	if err := f.f.Preallocate(size); err != nil {
		return fmt.Errorf("preallocate %s to %d bytes: %w", f.name, size, err)
	}
	f.allocated.Store(size)
	return nil
}

// enlarge lets the file hold size bytes; it is not yet in use.
func (f *file) enlarge(size int64) error {
	f.grow.Lock()
	defer f.grow.Unlock()
	if size <= f.limit {
		return nil
	}
	if err := f.f.Reserve(size); err != nil {
		return err
	}
	if err := f.extendLocked(size); err != nil {
		return err
	}
	f.limit = size
	return nil
}

// pin notes that the file holds r.
func (f *file) pin(k *keeper, r *Record) {
	p := f.lastPin
	if p == nil || p.shard != r.Shard || p.incarnation != r.Incarnation {
		p = f.pins[r.Shard]
		if p == nil || p.incarnation < r.Incarnation {
			k.see(r.Shard, r.Incarnation)
			p = &pin{shard: r.Shard, incarnation: r.Incarnation}
			f.pins[r.Shard] = p
		}
		if p.incarnation > r.Incarnation {
			return
		}
		f.lastPin = p
	}
	p.index = max(p.index, r.Index)
}
