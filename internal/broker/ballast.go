package broker

import (
	"errors"
	"path"
	"sync"

	"weir/internal/vfs"
)

// ballastBytes is room enough for the checkpoints that let log files go.
const ballastBytes = 256 << 10

// ballast is a file that only takes room. On a full disk it is dropped, so that a
// checkpoint can be written: without one nothing that was consumed frees space.
type ballast struct {
	mu   sync.Mutex
	fs   vfs.FS
	name string
	held bool
}

func (b *ballast) init(fs vfs.FS, dir string) { b.fs, b.name = fs, path.Join(dir, "ballast") }

// take makes the file, if there is room and it is not there.
func (b *ballast) take() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.held {
		return nil
	}
	f, err := b.fs.Create(b.name)
	if err != nil {
		return err
	}
	err = f.Preallocate(ballastBytes)
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		return errors.Join(err, b.fs.Remove(b.name))
	}
	b.held = true
	return nil
}

// drop gives the room up.
func (b *ballast) drop() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.held {
		return nil
	}
	b.held = false
	return b.fs.Remove(b.name)
}
