package wal_test

import (
	"errors"
	"runtime"
	"testing"

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
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, verify := wal.Verify(c, dir)
		runtime.ReadMemStats(&after)
		if used := after.TotalAlloc - before.TotalAlloc; used > uint64(8*len(b))+256<<10 {
			t.Fatalf("%d bytes of input made it allocate %d", len(b), used)
		}
		if verify != nil && !errors.Is(verify, wal.ErrCorrupt) {
			t.Fatal(verify)
		}
		_, _, err = replay(c, func() uint32 { return 1 })
		if (err == nil) != (verify == nil) {
			t.Fatalf("open says %v, verify says %v", err, verify)
		}
	})
}
