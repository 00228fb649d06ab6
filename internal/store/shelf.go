package store

import (
	"errors"
	"fmt"
	"hash/crc32"
	"path"
	"slices"
	"strings"
	"sync"

	"weir/internal/record"
	"weir/internal/segment"
	"weir/internal/vfs"
)

const segmentSuffix = ".seg"

// file is one segment on the shelf. Its name is its age and generation.
//
// Invariant: for every log, files in order of age hold ascending, disjoint ranges
// of offsets. A flush makes a file of a new age; a rewrite joins files that are
// neighbours in age and takes the age of the first.
type file struct {
	name       string
	age        uint64
	generation uint64
	reader     *segment.Reader
	live       int64 // offsets still wanted; changed by the shard's goroutine
	total      int64 // offsets that have a record, which compaction makes fewer
	bytes      int64
	busy       bool // being rewritten

	use    sync.RWMutex // held shared while reading
	closed bool
}

// close waits for its readers and gives the file back.
func (f *file) close() error {
	f.use.Lock()
	defer f.use.Unlock()
	f.closed = true
	return f.reader.Close()
}

// run is the part of a log that one file holds.
type run struct {
	first, last record.Offset
	file        *file
}

// Shelf is the set of segments of one shard. See the package comment for its
// concurrency.
type Shelf struct {
	fs  vfs.FS
	dir string

	mu struct {
		sync.RWMutex
		runs map[record.LogID][]run // ascending, disjoint
	}
	files  map[string]*file
	added  []string // on the shelf, not yet in a checkpoint
	doomed []*file  // out of use; removable once a checkpoint is written
	next   uint64   // age of the next file

	unnamed []string // files that no checkpoint names
}

// OpenShelf opens the segments a checkpoint names. Others are left for Sweep.
func OpenShelf(fs vfs.FS, dir string, names []string) (*Shelf, error) {
	if err := fs.MkdirAll(dir); err != nil {
		return nil, fmt.Errorf("open shelf: %w", err)
	}
	s := &Shelf{fs: fs, dir: dir, files: map[string]*file{}}
	s.mu.runs = map[record.LogID][]run{}
	present, err := fs.List(dir)
	if err != nil {
		return nil, fmt.Errorf("open shelf: %w", err)
	}
	for _, name := range present {
		if age, _, ok := parseName(name); ok {
			s.next = max(s.next, age+1)
		}
		if !slices.Contains(names, name) && strings.Contains(name, segmentSuffix) {
			s.unnamed = append(s.unnamed, name)
		}
	}
	for _, name := range names {
		if err := s.open(name); err != nil {
			return nil, err
		}
	}
	for _, runs := range s.mu.runs {
		sortRuns(runs)
	}
	return s, nil
}

// Unnamed are the finished files found that no checkpoint names.
func (s *Shelf) Unnamed() []string {
	return slices.DeleteFunc(slices.Clone(s.unnamed), func(name string) bool { return strings.HasSuffix(name, segment.TemporarySuffix) })
}

// Sweep removes the files that no checkpoint names. It is for when the write-ahead
// log is known to go on from the checkpoint: it has their messages.
func (s *Shelf) Sweep() error {
	for _, name := range s.unnamed {
		if err := s.fs.Remove(path.Join(s.dir, name)); err != nil {
			return fmt.Errorf("remove unnamed segment: %w", err)
		}
	}
	s.unnamed = nil
	return nil
}

func sortRuns(runs []run) {
	slices.SortFunc(runs, func(a, b run) int {
		if a.first < b.first {
			return -1
		}
		return 1
	})
}

func (s *Shelf) open(name string) error {
	r, err := segment.Open(s.fs, path.Join(s.dir, name))
	if err != nil {
		return fmt.Errorf("open segment: %w", err)
	}
	if err := r.Identify(s.identity(name)); err != nil {
		return errors.Join(err, r.Close())
	}
	f := newFile(name, r)
	for _, info := range r.Runs() {
		f.total += int64(info.Count)
		f.bytes += info.Bytes
		s.mu.runs[info.Log] = append(s.mu.runs[info.Log], run{info.First, info.Last, f})
	}
	f.live = f.total
	s.files[name] = f
	return nil
}

func newFile(name string, r *segment.Reader) *file {
	f := &file{name: name, reader: r}
	f.age, f.generation, _ = parseName(name)
	return f
}

func fileName(age, generation uint64) string {
	return fmt.Sprintf("%016d-%06d%s", age, generation, segmentSuffix)
}

func parseName(name string) (age, generation uint64, ok bool) {
	_, err := fmt.Sscanf(name, "%d-%d", &age, &generation)
	return age, generation, err == nil
}

// Names lists the files in use, for a checkpoint.
func (s *Shelf) Names() []string {
	names := make([]string, 0, len(s.files))
	for name := range s.files {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// Bytes is the size of the files in use.
func (s *Shelf) Bytes() int64 {
	var n int64
	for _, f := range s.files {
		n += f.bytes
	}
	return n
}

// DoomedBytes is the size of the files out of use that wait for a checkpoint.
func (s *Shelf) DoomedBytes() int64 {
	var n int64
	for _, f := range s.doomed {
		n += f.bytes
	}
	return n
}

// Written is a finished file that is not on the shelf yet.
type Written struct {
	name     string
	replaces []*file
}

// identity tells a file from those of other shards and of other ages: of two that
// have changed places both are sound. The data directory itself may move.
func (s *Shelf) identity(name string) uint32 {
	shard := path.Base(path.Dir(path.Clean(s.dir)))
	return max(crc32.ChecksumIEEE([]byte(shard+"/"+name)), 1)
}

// NextName names the file of a flush; the shard's goroutine takes it before a
// Write, in the order in which it collects.
func (s *Shelf) NextName() string {
	s.next++
	return fileName(s.next-1, 0)
}

// Write stores what fill adds as the file name, durable on return. It runs on a
// background goroutine and touches nothing of the shelf's state.
func (s *Shelf) Write(name string, fill func(w *segment.Writer) error) (*Written, error) {
	w, err := segment.Create(s.fs, path.Join(s.dir, name))
	if err != nil {
		return nil, err
	}
	w.Identify(s.identity(name))
	if err := fill(w); err != nil {
		w.Abort()
		return nil, err
	}
	if _, err := w.Finish(); err != nil {
		w.Abort()
		return nil, err
	}
	return &Written{name: name}, nil
}

// Put places a written file on the shelf. live tells how many messages of a run
// are still wanted.
func (s *Shelf) Put(w *Written, live func(log record.LogID, first, last record.Offset) int64) error {
	r, err := segment.Open(s.fs, path.Join(s.dir, w.name))
	if err != nil {
		return fmt.Errorf("open written segment: %w", err)
	}
	f := newFile(w.name, r)
	s.mu.Lock()
	for _, old := range w.replaces {
		s.unlist(old)
	}
	for _, info := range r.Runs() {
		f.total += int64(info.Count)
		f.bytes += info.Bytes
		f.live += live(info.Log, info.First, info.Last)
		runs := append(s.mu.runs[info.Log], run{info.First, info.Last, f})
		sortRuns(runs)
		s.mu.runs[info.Log] = runs
	}
	s.mu.Unlock()
	s.files[w.name] = f
	s.added = append(s.added, w.name)
	for _, old := range w.replaces {
		s.discard(old)
	}
	if f.live == 0 {
		s.retire(f)
	}
	return nil
}

// Recount sets the live counts after a restart.
func (s *Shelf) Recount(live func(log record.LogID, first, last record.Offset) int64) {
	for _, f := range s.files {
		f.live = 0
	}
	for log, runs := range s.mu.runs {
		for _, r := range runs {
			r.file.live += live(log, r.first, r.last)
		}
	}
	for _, f := range s.files {
		if f.live == 0 {
			s.retire(f)
		}
	}
}

// Drop notes that n messages of log in [lo, hi) are not wanted any more.
func (s *Shelf) Drop(log record.LogID, lo, hi record.Offset, count func(lo, hi record.Offset) int64) {
	for _, r := range s.find(log, lo, hi) {
		n := count(max(lo, r.first), min(hi, r.last+1))
		r.file.live -= n
		if r.file.live <= 0 && !r.file.busy {
			s.retire(r.file)
		}
	}
}

// find returns the runs of log that touch [lo, hi).
func (s *Shelf) find(log record.LogID, lo, hi record.Offset) []run {
	s.mu.RLock()
	defer s.mu.RUnlock()
	runs := s.mu.runs[log]
	i, _ := slices.BinarySearchFunc(runs, lo, func(r run, o record.Offset) int {
		if r.last < o {
			return -1
		}
		return 1
	})
	j := i
	for j < len(runs) && runs[j].first < hi {
		j++
	}
	return slices.Clone(runs[i:j])
}

// retire takes a file without wanted messages off the shelf.
func (s *Shelf) retire(f *file) {
	if s.files[f.name] != f {
		return
	}
	s.mu.Lock()
	s.unlist(f)
	s.mu.Unlock()
	s.discard(f)
}

func (s *Shelf) unlist(f *file) {
	for _, info := range f.reader.Runs() {
		runs := slices.DeleteFunc(s.mu.runs[info.Log], func(r run) bool { return r.file == f })
		if len(runs) == 0 {
			delete(s.mu.runs, info.Log)
		} else {
			s.mu.runs[info.Log] = runs
		}
	}
}

func (s *Shelf) discard(f *file) {
	if s.files[f.name] == f {
		delete(s.files, f.name)
		s.doomed = append(s.doomed, f)
	}
}

// Doomed are files out of use.
type Doomed []*file

// Change is what a checkpoint has to say of the shelf: the files that are new on
// it and those that are gone.
type Change struct {
	Added []string
	Gone  Doomed
}

// Names lists the files.
func (d Doomed) Names() []string {
	names := make([]string, len(d))
	for i, f := range d {
		names[i] = f.name
	}
	return names
}

// TakeChange returns what changed since it was last called. Once a checkpoint
// with it is durable, Gone may be removed.
func (s *Shelf) TakeChange() Change {
	c := Change{s.added, s.doomed}
	s.added, s.doomed = nil, nil
	return c
}

// PutBack undoes TakeChange: the checkpoint failed.
func (s *Shelf) PutBack(c Change) {
	s.added = append(c.Added, s.added...)
	s.doomed = append(c.Gone, s.doomed...)
}

// Remove deletes files that no checkpoint names any more. It waits for their
// readers, so it is not for the shard's goroutine.
func (s *Shelf) Remove(d Doomed) error {
	for _, f := range d {
		if err := f.close(); err != nil {
			return fmt.Errorf("close segment: %w", err)
		}
		if err := s.fs.Remove(path.Join(s.dir, f.name)); err != nil {
			return fmt.Errorf("remove segment: %w", err)
		}
	}
	return nil
}

// Close closes all files.
func (s *Shelf) Close() error {
	s.mu.Lock()
	clear(s.mu.runs) // a Read that goes on finds nothing
	s.mu.Unlock()
	var first error
	for _, f := range s.files {
		if err := f.close(); err != nil && first == nil {
			first = err
		}
	}
	return first
}

// Read hands out the records of log from offset from on, until add says false or
// about maxBytes are read. It may be called from any goroutine.
func (s *Shelf) Read(log record.LogID, from record.Offset, maxBytes int, add func(segment.Entry) bool) error {
	return s.ReadInto(log, from, maxBytes, nil, add)
}

// ReadInto is Read into memory that take gives.
func (s *Shelf) ReadInto(log record.LogID, from record.Offset, maxBytes int, take func(bytes int) []byte, add func(segment.Entry) bool) error {
	left, stopped := maxBytes, false
	for runs := s.find(log, from, ^record.Offset(0)); len(runs) > 0; {
		open, err := runs[0].file.read(log, from, left, take, func(e segment.Entry) bool {
			left -= len(e.Record)
			from = end(e)
			stopped = !add(e) || left <= 0
			return !stopped
		})
		if err != nil {
			return err
		}
		if stopped || left <= 0 {
			return nil
		}
		if runs = runs[1:]; !open {
			runs = s.find(log, from, ^record.Offset(0))
		}
	}
	return nil
}

// end is the offset behind an entry.
func end(e segment.Entry) record.Offset {
	var env record.Envelope
	if _, err := record.Decode(e.Record, &env); err != nil {
		return e.Offset + 1
	}
	return e.Offset + record.Offset(env.Count)
}

// Attributes calls add for the shelved messages of every log that have a
// priority, expiry or due time, so that a restart can rebuild lanes and timers.
func (s *Shelf) Attributes(add func(log record.LogID, o record.Offset, priority uint8, expiry, due int64)) error {
	for _, f := range s.files {
		for _, info := range f.reader.Runs() {
			err := f.reader.Attributes(info.Log, func(o record.Offset, priority uint8, expiry, due int64) {
				add(info.Log, o, priority, expiry, due)
			})
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// read is the reader's Read. It reports false if the file is closed: what it held
// was unwanted or is in another file by then.
func (f *file) read(log record.LogID, from record.Offset, maxBytes int, take func(bytes int) []byte, add func(segment.Entry) bool) (open bool, err error) {
	f.use.RLock()
	defer f.use.RUnlock()
	if f.closed {
		return false, nil
	}
	return true, f.reader.Read(log, from, maxBytes, take, add)
}
