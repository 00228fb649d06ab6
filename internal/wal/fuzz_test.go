package wal_test

import (
	"errors"
	"testing"

	"weir/internal/frugal"
	"weir/internal/wal"
)

// FuzzOpen opens a log whose second file holds arbitrary bytes. It must open or
// report damage, and allocate no more than a small multiple of what it read.
func FuzzOpen(f *testing.F) {
	m, _, _ := smallLog(f, true)
	names, err := m.List(dir)
	must(f, err)
	for _, name := range names {
		f.Add(readFile(f, m, dir+"/"+name))
	}
	f.Add([]byte{})
	second := dir + "/" + names[1]
	f.Fuzz(func(t *testing.T, b []byte) {
		c := m.CrashClone(func() bool { return true })
		file, err := c.Create(second)
		must(t, err)
		_, err = file.WriteAt(b, 0)
		must(t, err)
		var verify error
		frugal.Check(t, len(b), 256<<10, func() { _, verify = wal.Verify(c, dir) })
		if verify != nil && !errors.Is(verify, wal.ErrCorrupt) {
			t.Fatal(verify)
		}
		_, _, err = replay(c, func() uint32 { return 1 })
		if (err == nil) != (verify == nil) {
			t.Fatalf("open says %v, verify says %v", err, verify)
		}
	})
}
