package checkpoint

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"sync"

	"weir/internal/invariant"
	"weir/internal/vfs"
)

const (
	// deltasMax bounds the files a start has to merge.
	deltasMax = 32
	// deltaBytesMin is what deltas may always add up to: merging less often
	// costs less than the syncs of a new base.
	deltaBytesMin = 256 << 10
)

// ErrClosed is returned by a store that is closed.
var ErrClosed = errors.New("checkpoint: closed")

// Store is one shard's checkpoints.
type Store struct {
	fs  vfs.FS
	dir string

	// compact is held by what replaces the base, write by what adds a number;
	// compact is taken first, and mu last.
	compact sync.Mutex
	write   sync.Mutex
	mu      struct {
		sync.Mutex
		base   *fileInfo
		deltas []fileInfo
		last   uint64
		meta   Meta
		failed error
	}
}

// Open loads the newest state in dir, made if missing: load gets every key with
// its value, in order of key, valid only during the call. The meta is zero
// where nothing was ever written.
func Open(fs vfs.FS, dir string, load func(key, value []byte) error) (*Store, Meta, error) {
	if err := fs.MkdirAll(dir); err != nil {
		return nil, Meta{}, err
	}
	c, err := readCatalog(fs, dir)
	if err != nil {
		return nil, Meta{}, err
	}
	// A file may have its name in the cache only, and whoever has loaded it
	// will let go of the log in front of it.
	if err := fs.SyncDir(dir); err != nil {
		return nil, Meta{}, fmt.Errorf("sync checkpoint directory: %w", err)
	}
	s := &Store{fs: fs, dir: dir}
	if s.mu.meta, err = s.open(c, load); err != nil {
		return nil, Meta{}, err
	}
	for _, name := range c.stale {
		if err := fs.Remove(name); err != nil {
			return nil, Meta{}, fmt.Errorf("remove checkpoint: %w", err)
		}
	}
	return s, s.mu.meta, nil
}

func (s *Store) open(c *catalog, each func(key, value []byte) error) (Meta, error) {
	files := c.chain()
	meta, err := load(s.fs, files, func(op uint8, key, value []byte) error {
		if op == opDelete {
			return nil
		}
		return each(key, value)
	})
	if err != nil {
		return Meta{}, err
	}
	if c.base != nil {
		s.mu.base, files = &files[0], files[1:]
		s.mu.last = s.mu.base.number
	}
	if s.mu.deltas = files; len(files) > 0 {
		s.mu.last = files[len(files)-1].number
	}
	return meta, nil
}

// change is one put or delete; key and value lie in an arena.
type change struct {
	op         uint8
	key, value []byte
}

// collect gathers changes and returns them in order of key, the last of each.
func collect(changes func(put func(key, value []byte), del func(key []byte))) []change {
	var list []change
	var arena []byte
	keep := func(b []byte) []byte {
		invariant.Check(len(b) <= pairBytesMax, "checkpoint: key or value too large")
		if cap(arena)-len(arena) < len(b) {
			arena = make([]byte, 0, max(len(b), flushBytes))
		}
		at := len(arena)
		arena = append(arena, b...)
		return arena[at:len(arena):len(arena)]
	}
	changes(func(key, value []byte) {
		list = append(list, change{op: opPut, key: keep(key), value: keep(value)})
	}, func(key []byte) {
		list = append(list, change{op: opDelete, key: keep(key)})
	})
	slices.SortStableFunc(list, func(a, b change) int { return bytes.Compare(a.key, b.key) })
	unique := list[:0]
	for i := range list {
		if i+1 < len(list) && bytes.Equal(list[i].key, list[i+1].key) {
			continue
		}
		unique = append(unique, list[i])
	}
	return unique
}

// Write makes the changes since the last checkpoint durable as one file. Of a
// key that is put or deleted more than once the last call counts; slices are
// copied. After vfs.ErrFull nothing has changed and the same changes may be
// written again later; any other error is final.
func (s *Store) Write(m Meta, changes func(put func(key, value []byte), del func(key []byte))) error {
	s.write.Lock()
	defer s.write.Unlock()
	number, err := s.next(&m)
	if err != nil {
		return err
	}
	name := fileName(s.dir, number, deltaSuffix)
	size, err := s.make(name, number, typeDelta, &m, func(w *writer) error {
		for _, c := range collect(changes) {
			if err := w.add(c.op, c.key, c.value); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mu.deltas = append(s.mu.deltas, fileInfo{name: name, number: number, bytes: size})
	s.mu.last, s.mu.meta = number, m
	return nil
}

// Replace makes a whole new state durable in the place of all that was written
// before, as an installed snapshot does. Errors are as with Write.
func (s *Store) Replace(m Meta, state func(put func(key, value []byte))) error {
	s.compact.Lock()
	defer s.compact.Unlock()
	s.write.Lock()
	defer s.write.Unlock()
	number, err := s.next(nil)
	if err != nil {
		return err
	}
	base := &fileInfo{name: fileName(s.dir, number, baseSuffix), number: number}
	base.bytes, err = s.make(base.name, number, typeBase, &m, func(w *writer) error {
		for _, c := range collect(func(put func(key, value []byte), _ func(key []byte)) { state(put) }) {
			if err := w.add(c.op, c.key, c.value); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	return s.install(base, &m)
}

// next returns the number of the next file.
func (s *Store) next(m *Meta) (uint64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.mu.failed != nil {
		return 0, s.mu.failed
	}
	if m != nil && s.mu.last > 0 {
		was := &s.mu.meta
		invariant.Check(m.follows(was),
			"checkpoint of shard %d.%d at %d behind one of shard %d.%d at %d",
			m.Shard, m.Incarnation, m.Index, was.Shard, was.Incarnation, was.Index)
	}
	return s.mu.last + 1, nil
}

// make writes a file and returns its size.
func (s *Store) make(
	name string, number uint64, fileType uint8, m *Meta, fill func(*writer) error,
) (int64, error) {
	w, err := newWriter(s.fs, name, number, fileType, m)
	if err == nil {
		if err = fill(w); err == nil {
			err = w.publish()
		}
	}
	if err == nil {
		return w.written, nil
	}
	var published *publishError
	if errors.As(err, &published) {
		// Trying again proves nothing, so a full disk must not look like one here.
		err = errors.New(err.Error())
	} else if w != nil {
		w.abort()
	}
	if !errors.Is(err, vfs.ErrFull) {
		s.fail(err)
	}
	return 0, err
}

func (s *Store) fail(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.mu.failed == nil {
		s.mu.failed = fmt.Errorf("checkpoint: failed before: %w", err)
	}
}

// install makes a durable base the current one and removes what it replaces.
func (s *Store) install(base *fileInfo, m *Meta) error {
	s.mu.Lock()
	var stale []string
	if s.mu.base != nil {
		stale = append(stale, s.mu.base.name)
	}
	var left []fileInfo
	for _, d := range s.mu.deltas {
		if d.number <= base.number {
			stale = append(stale, d.name)
		} else {
			left = append(left, d)
		}
	}
	s.mu.base, s.mu.deltas = base, left
	if m != nil {
		s.mu.last, s.mu.meta = base.number, *m
	}
	s.mu.Unlock()
	for _, name := range stale {
		if err := s.fs.Remove(name); err != nil {
			return fmt.Errorf("remove checkpoint: %w", err)
		}
	}
	return nil
}

// Compact merges base and deltas into a new base once the deltas have grown to
// half of the base; done tells whether it did. It reads the files and needs
// little memory. vfs.ErrFull leaves everything as it was.
func (s *Store) Compact() (done bool, err error) {
	s.compact.Lock()
	defer s.compact.Unlock()
	s.mu.Lock()
	if s.mu.failed != nil {
		err := s.mu.failed
		s.mu.Unlock()
		return false, err
	}
	files, ok := s.wornLocked()
	s.mu.Unlock()
	if !ok {
		return false, nil
	}
	base := &fileInfo{number: files[len(files)-1].number}
	base.name = fileName(s.dir, base.number, baseSuffix)
	newest, err := openCursor(s.fs, files[len(files)-1].name, base.number)
	if err != nil {
		return false, err
	}
	meta := newest.meta
	if err := newest.close(); err != nil {
		return false, err
	}
	base.bytes, err = s.make(base.name, base.number, typeBase, &meta, func(w *writer) error {
		_, err := load(s.fs, files, func(op uint8, key, value []byte) error {
			if op == opDelete {
				return nil
			}
			return w.add(op, key, value)
		})
		return err
	})
	if err != nil {
		return false, err
	}
	return true, s.install(base, nil)
}

// wornLocked returns the files to merge, oldest first, if it is time to.
func (s *Store) wornLocked() ([]fileInfo, bool) {
	var files []fileInfo
	var limit, bytes int64 = deltaBytesMin, 0
	if s.mu.base != nil {
		files = append(files, *s.mu.base)
		limit = max(limit, s.mu.base.bytes/2)
	}
	for _, d := range s.mu.deltas {
		bytes += d.bytes
	}
	files = append(files, s.mu.deltas...)
	return files, len(s.mu.deltas) >= deltasMax || bytes > limit
}

// Close ends the use of the store; everything written is durable already. It
// waits for a Write or Compact that runs.
func (s *Store) Close() error {
	s.compact.Lock()
	defer s.compact.Unlock()
	s.write.Lock()
	defer s.write.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.mu.failed == nil {
		s.mu.failed = ErrClosed
	}
	return nil
}
