//go:build unix

package vfs

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sort"

	"golang.org/x/sys/unix"
)

// Only the account that runs weir reads its data.
const (
	fileMode = 0o600
	dirMode  = 0o700
)

// zeros is what Preallocate writes; one pwrite per MiB keeps system calls few.
var zeros [1 << 20]byte

// OS returns the machine's own file system.
func OS() FS { return osFS{} }

type osFS struct{}

type osFile struct{ f *os.File }

// osError marks the errors of a full device or quota as ErrFull.
func osError(err error) error {
	if errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT) {
		return fmt.Errorf("%w: %w", ErrFull, err)
	}
	return err
}

func open(name string, flags int) (File, error) {
	f, err := os.OpenFile(name, flags, fileMode)
	if err != nil {
		return nil, osError(err)
	}
	return &osFile{f: f}, nil
}

func (osFS) Open(name string) (File, error)          { return open(name, os.O_RDONLY) }
func (osFS) OpenReadWrite(name string) (File, error) { return open(name, os.O_RDWR) }
func (osFS) Create(name string) (File, error) {
	return open(name, os.O_RDWR|os.O_CREATE|os.O_TRUNC)
}

func (osFS) Rename(from, to string) error { return osError(os.Rename(from, to)) }
func (osFS) Remove(name string) error     { return osError(os.Remove(name)) }

// MkdirAll syncs the parent of every directory it makes.
func (o osFS) MkdirAll(dir string) error {
	var made []string
	for d := filepath.Clean(dir); ; d = filepath.Dir(d) {
		if _, err := os.Stat(d); err == nil || !errors.Is(err, os.ErrNotExist) {
			break
		}
		made = append(made, d)
		if d == filepath.Dir(d) {
			break
		}
	}
	if err := os.MkdirAll(dir, dirMode); err != nil {
		return osError(err)
	}
	for i := len(made) - 1; i >= 0; i-- {
		if err := o.SyncDir(filepath.Dir(made[i])); err != nil {
			return err
		}
	}
	return nil
}

func (osFS) List(dir string) ([]string, error) {
	d, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	names, err := d.Readdirnames(-1)
	sort.Strings(names)
	return names, errors.Join(err, d.Close())
}

func (osFS) SyncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	if err := retry(func() error { return unix.Fsync(int(d.Fd())) }); err != nil {
		return errors.Join(fmt.Errorf("sync directory %s: %w", dir, osError(err)), d.Close())
	}
	return d.Close()
}

func (osFS) Lock(name string) (io.Closer, error) {
	f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE, fileMode)
	if err != nil {
		return nil, osError(err)
	}
	err = retry(func() error { return unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB) })
	if err != nil {
		if errors.Is(err, unix.EWOULDBLOCK) {
			err = ErrLocked
		}
		return nil, errors.Join(fmt.Errorf("lock %s: %w", name, err), f.Close())
	}
	return f, nil
}

func (osFS) Free(dir string) (uint64, error) {
	var st unix.Statfs_t
	if err := retry(func() error { return unix.Statfs(dir, &st) }); err != nil {
		return 0, fmt.Errorf("statfs %s: %w", dir, err)
	}
	return st.Bavail * uint64(st.Bsize), nil
}

func (osFS) Total(dir string) (uint64, error) {
	var st unix.Statfs_t
	if err := retry(func() error { return unix.Statfs(dir, &st) }); err != nil {
		return 0, fmt.Errorf("statfs %s: %w", dir, err)
	}
	return st.Blocks * uint64(st.Bsize), nil
}

func retry(f func() error) error {
	for {
		if err := f(); !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}

func (o *osFile) ReadAt(p []byte, off int64) (int, error) { return o.f.ReadAt(p, off) }

func (o *osFile) WriteAt(p []byte, off int64) (int, error) {
	n, err := o.f.WriteAt(p, off)
	return n, osError(err)
}

func (o *osFile) Close() error { return o.f.Close() }

func (o *osFile) Size() (int64, error) {
	st, err := o.f.Stat()
	if err != nil {
		return 0, err
	}
	return st.Size(), nil
}

func (o *osFile) Truncate(size int64) error { return osError(o.f.Truncate(size)) }

func (o *osFile) Preallocate(size int64) error {
	start, err := o.Size()
	if err != nil || size <= start {
		return err
	}
	if err = o.Reserve(size); err == nil {
		err = o.fillZero(start, size)
	}
	if err != nil {
		return errors.Join(err, o.f.Truncate(start))
	}
	return nil
}

func (o *osFile) fillZero(from, to int64) error {
	for from < to {
		n, err := o.f.WriteAt(zeros[:min(to-from, int64(len(zeros)))], from)
		if err != nil {
			return osError(err)
		}
		from += int64(n)
	}
	return nil
}
