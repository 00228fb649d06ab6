package checkpoint

import (
	"errors"
	"fmt"
	"path/filepath"

	"weir/internal/vfs"
)

// flushBytes is collected before it is written.
const flushBytes = 1 << 20

const temporarySuffix = ".tmp"

// writer makes one file under a temporary name.
type writer struct {
	fs     vfs.FS
	name   string
	number uint64
	f      vfs.File

	out     []byte
	written int64
	block   int // start of the open data frame in out
	entries int // in it

	puts, deletes uint64
}

func newWriter(fs vfs.FS, name string, number uint64, fileType uint8, m *Meta) (*writer, error) {
	f, err := fs.Create(name + temporarySuffix)
	if err != nil {
		return nil, fmt.Errorf("create checkpoint: %w", err)
	}
	w := &writer{fs: fs, name: name, number: number, f: f}
	w.out = append(w.out, magic...)
	w.begin()
	w.out = appendHead(w.out, fileType, m)
	w.seal(kindHead, 1)
	return w, nil
}

func (w *writer) begin() {
	w.block = len(w.out)
	w.out = append(w.out, make([]byte, frameHeaderBytes)...)
}

func (w *writer) seal(kind uint8, entries int) {
	sealFrame(w.out[w.block:], kind, entries, w.number, w.written+int64(w.block))
}

// add appends an entry; keys ascend.
func (w *writer) add(op uint8, key, value []byte) error {
	if w.entries > 0 && len(w.out)-w.block-frameHeaderBytes+pairBytes(key, value) > blockBytes {
		if err := w.endBlock(); err != nil {
			return err
		}
	}
	if w.entries == 0 {
		w.begin()
	}
	w.out = appendPair(w.out, op, key, value)
	w.entries++
	if op == opPut {
		w.puts++
	} else {
		w.deletes++
	}
	return nil
}

func (w *writer) endBlock() error {
	w.seal(kindData, w.entries)
	w.entries = 0
	if len(w.out) < flushBytes {
		return nil
	}
	return w.flush()
}

func (w *writer) flush() error {
	if _, err := w.f.WriteAt(w.out, w.written); err != nil {
		return fmt.Errorf("write checkpoint %s: %w", w.name, err)
	}
	w.written += int64(len(w.out))
	w.out = w.out[:0]
	return nil
}

// publish makes the file durable under its name. The file is known not to be
// there only after an error that is not a *publishError.
func (w *writer) publish() error {
	if w.entries > 0 {
		if err := w.endBlock(); err != nil {
			return err
		}
	}
	w.begin()
	w.out = appendEnd(w.out, w.puts, w.deletes)
	w.seal(kindEnd, 1)
	if err := w.flush(); err != nil {
		return err
	}
	if err := w.f.Sync(); err != nil {
		return fmt.Errorf("sync checkpoint %s: %w", w.name, err)
	}
	if err := w.f.Close(); err != nil {
		return fmt.Errorf("close checkpoint %s: %w", w.name, err)
	}
	w.f = nil
	if err := w.fs.Rename(w.name+temporarySuffix, w.name); err != nil {
		return fmt.Errorf("rename checkpoint: %w", err)
	}
	if err := w.fs.SyncDir(filepath.Dir(w.name)); err != nil {
		return &publishError{err}
	}
	return nil
}

// publishError leaves it unknown whether the new file survives.
type publishError struct{ err error }

func (e *publishError) Error() string { return "sync checkpoint directory: " + e.err.Error() }
func (e *publishError) Unwrap() error { return e.err }

// abort drops the unfinished file.
func (w *writer) abort() {
	var closed error
	if w.f != nil {
		closed = w.f.Close()
	}
	// What stays behind is removed at the next start.
	_ = errors.Join(closed, w.fs.Remove(w.name+temporarySuffix))
}
