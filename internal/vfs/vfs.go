package vfs

import (
	"errors"
	"fmt"
	"io"
)

var (
	// ErrFull reports that the device or the quota has no room. Every
	// implementation's errors of this kind satisfy errors.Is(err, ErrFull).
	ErrFull = errors.New("vfs: no space left")
	// ErrLocked reports a lock that somebody else holds.
	ErrLocked = errors.New("vfs: locked by another process")
	// ErrCorrupt reports bytes that are not what was once made durable. The
	// error itself is a *CorruptError, which says where.
	ErrCorrupt = errors.New("vfs: corrupt")
)

// CorruptError says which file holds damaged bytes, and where.
type CorruptError struct {
	File   string
	Offset int64 // of the damaged record or block
	Reason string
}

func (e *CorruptError) Error() string {
	return fmt.Sprintf("%s: corrupt at offset %d: %s", e.File, e.Offset, e.Reason)
}

// Is makes errors.Is(err, ErrCorrupt) hold.
func (e *CorruptError) Is(target error) bool { return target == ErrCorrupt }

// File is an open file, addressed by byte offsets.
type File interface {
	io.ReaderAt
	io.WriterAt
	io.Closer
	// WriteVecAt writes the parts one behind the other from off on. After an
	// error any part of them may have been written.
	WriteVecAt(parts [][]byte, off int64) error
	// Size returns the file's length in bytes.
	Size() (int64, error)
	// Truncate cuts the file, or grows it with a hole.
	Truncate(size int64) error
	// Reserve takes room for size bytes from the device without changing the
	// file's size, so that growing up to it cannot fail with ErrFull. On a file
	// system that has no such call it does nothing.
	Reserve(size int64) error
	// Preallocate allocates and zero-fills [current size, size), so that later
	// overwrites change no metadata. After an error the size is as before.
	// It must not run while another goroutine grows the same file.
	Preallocate(size int64) error
	// Sync makes the contents and the size durable. After an error nothing is
	// known of what was written since the last success, and asking again proves
	// nothing: the caller must stop.
	Sync() error
}

// FS opens and names files. Paths use the machine's separator.
type FS interface {
	// Open opens an existing file for reading.
	Open(name string) (File, error)
	// OpenReadWrite opens an existing file for reading and writing.
	OpenReadWrite(name string) (File, error)
	// Create makes an empty file, or empties the existing one.
	Create(name string) (File, error)
	// Rename moves a file within one directory, replacing the target.
	Rename(from, to string) error
	Remove(name string) error
	// MkdirAll makes dir and its parents, durably.
	MkdirAll(dir string) error
	// List returns the names in dir, sorted.
	List(dir string) ([]string, error)
	// SyncDir makes the names in dir durable.
	SyncDir(dir string) error
	// Lock takes an exclusive lock on the file name, made if missing, and holds
	// it until the closer is closed or the process ends. A lock that is taken
	// already is ErrLocked.
	Lock(name string) (io.Closer, error)
	// Free returns the bytes this process may still allocate under dir.
	Free(dir string) (uint64, error)
	// Total returns the bytes of the volume that dir is on.
	Total(dir string) (uint64, error)
}
