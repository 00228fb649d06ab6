package vfs

import (
	"errors"
	"fmt"
	"io"

	"golang.org/x/sys/unix"
)

// vectorsMax is IOV_MAX: more parts in one call are EINVAL.
const vectorsMax = 1024

func (o *osFile) WriteVecAt(parts [][]byte, off int64) error {
	fd := int(o.f.Fd())
	for len(parts) > 0 {
		batch := parts[:min(len(parts), vectorsMax)]
		var want int64
		for _, p := range batch {
			want += int64(len(p))
		}
		n, err := unix.Pwritev(fd, batch, off)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			return fmt.Errorf("write %s: %w", o.f.Name(), osError(err))
		}
		off += int64(n)
		if int64(n) == want {
			parts = parts[len(batch):]
			continue
		}
		if n == 0 {
			return fmt.Errorf("write %s: %w", o.f.Name(), io.ErrShortWrite)
		}
		var rest []byte
		if parts, rest = skip(parts, n); len(rest) > 0 {
			// The cut part goes alone, so that the caller's vector is not edited.
			if _, err := o.WriteAt(rest, off); err != nil {
				return err
			}
			off += int64(len(rest))
		}
	}
	return nil
}

// skip drops n written bytes from the head of parts; rest is what is left of
// the part in the middle of which they end, and no longer in parts.
func skip(parts [][]byte, n int) (left [][]byte, rest []byte) {
	for n > 0 {
		if n < len(parts[0]) {
			return parts[1:], parts[0][n:]
		}
		n -= len(parts[0])
		parts = parts[1:]
	}
	return parts, nil
}

func (o *osFile) Sync() error {
	if err := retry(func() error { return unix.Fdatasync(int(o.f.Fd())) }); err != nil {
		return fmt.Errorf("sync %s: %w", o.f.Name(), osError(err))
	}
	return nil
}

func (o *osFile) Reserve(size int64) error {
	err := retry(func() error { return unix.Fallocate(int(o.f.Fd()), unix.FALLOC_FL_KEEP_SIZE, 0, size) })
	if errors.Is(err, unix.EOPNOTSUPP) || errors.Is(err, unix.ENOSYS) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("reserve %s: %w", o.f.Name(), osError(err))
	}
	return nil
}
