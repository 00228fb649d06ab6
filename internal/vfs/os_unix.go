//go:build unix && !linux

package vfs

import "fmt"

func (o *osFile) WriteVecAt(parts [][]byte, off int64) error {
	for _, p := range parts {
		if _, err := o.WriteAt(p, off); err != nil {
			return err
		}
		off += int64(len(p))
	}
	return nil
}

// Sync uses the full fsync: elsewhere than on Linux fdatasync promises less.
func (o *osFile) Sync() error {
	if err := o.f.Sync(); err != nil {
		return fmt.Errorf("sync %s: %w", o.f.Name(), osError(err))
	}
	return nil
}

// Reserve does nothing: there is no portable call.
func (o *osFile) Reserve(int64) error { return nil }
