package wal

import (
	"errors"
	"fmt"

	"weir/internal/vfs"
)

// recover replays what the directory holds and leaves the log ready to append.
// Nothing of it changes what a second recovery would find: a crash anywhere in
// it is a crash before it.
func (w *WAL) recover(replay func(Record) error) error {
	fs, dir := w.o.FS, w.o.Dir
	if err := fs.MkdirAll(dir); err != nil {
		return err
	}
	c, err := readCatalog(fs, dir, fs.OpenReadWrite)
	if err != nil {
		return err
	}
	live, void, err := c.chain(dir)
	if err == nil {
		// The names read above may not be durable yet.
		err = fs.SyncDir(dir)
	}
	if err == nil {
		err = w.replay(live, replay)
	}
	if err != nil {
		return errors.Join(err, c.close())
	}
	k := &w.keeper
	k.mu.lastNumber = c.lastNumber
	k.work.Lock()
	defer k.work.Unlock()
	for _, s := range void {
		if err := k.recycle(w.fileOf(s)); err != nil {
			return err
		}
	}
	if err := w.adoptSpares(c.spares); err != nil {
		return err
	}
	if err := k.ensureNext(); err != nil {
		if !errors.Is(err, vfs.ErrFull) {
			return err
		}
		k.cramp()
	}
	return nil
}

func (w *WAL) fileOf(s *fileScan) *file {
	f := newFile(s.f, s.name, s.size, max(w.o.FileBytes, s.size))
	f.tag = s.tag
	return f
}

func (w *WAL) replay(live []*fileScan, replay func(Record) error) error {
	files := make([]*file, 0, len(live))
	for i, s := range live {
		f := w.fileOf(s)
		t, err := s.scan(func(_ int64, r *stored) error {
			if r.Kind > KindMax {
				return nil
			}
			f.pin(&w.keeper, &r.Record)
			w.stats.replayed.Add(1)
			return replay(r.Record)
		})
		if err != nil {
			return err
		}
		s.chunk = nil
		f.position.Store(t.end)
		if i == len(live)-1 {
			if err := secure(s, t); err != nil {
				return err
			}
			w.writer.prev = link{number: s.tag.number(), end: t.end}
		}
		files = append(files, f)
	}
	w.keeper.mu.live = files
	return nil
}

// secure makes the records of the last file durable that may so far be only in
// the page cache, before anybody relies on having read them. They are written
// again, for after a failed sync the cache may call pages clean that never
// reached the device.
func secure(s *fileScan, t tail) error {
	buf := make([]byte, min(readBytes, max(0, t.end-t.durable)))
	for off := t.durable; off < t.end; {
		piece := buf[:min(int64(len(buf)), t.end-off)]
		if k, err := s.f.ReadAt(piece, off); k < len(piece) {
			return fmt.Errorf("read %s at %d: %w", s.name, off, err)
		}
		if _, err := s.f.WriteAt(piece, off); err != nil {
			return fmt.Errorf("rewrite %s at %d: %w", s.name, off, err)
		}
		off += int64(len(piece))
	}
	if err := s.f.Sync(); err != nil {
		return fmt.Errorf("sync %s: %w", s.name, err)
	}
	return nil
}

// adoptSpares takes over the spare files of the last run, as many as are wanted.
func (w *WAL) adoptSpares(numbers []uint32) error {
	k := &w.keeper
	for _, n := range numbers {
		name := spareName(w.o.Dir, n)
		f, err := w.o.FS.OpenReadWrite(name)
		if err != nil {
			return err
		}
		size, err := f.Size()
		if err != nil {
			return errors.Join(err, f.Close())
		}
		spare := newFile(f, name, size, w.o.FileBytes)
		if len(k.mu.spares) >= sparesMax || size > w.o.FileBytes {
			if err := k.discard(spare); err != nil {
				return err
			}
			continue
		}
		k.mu.spares = append(k.mu.spares, spare)
	}
	return nil
}
