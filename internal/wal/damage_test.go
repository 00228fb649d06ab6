package wal_test

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"weir/internal/record"
	"weir/internal/vfs"
	"weir/internal/wal"
)

// smallLog writes a log of several small files and returns its records and the
// number of those in its last group.
func smallLog(t testing.TB, closed bool) (m *vfs.Mem, records []wal.Record, lastGroup int) {
	m = vfs.NewMem()
	w, _ := open(t, wal.Options{FS: m, FileBytes: 1 << 10, Manual: true, Salt: func() uint32 { return 0x5a17 }})
	for i := record.Index(1); i <= 14; i++ {
		lastGroup = 1 + int(i%2)
		for range lastGroup {
			r := make1(record.ShardID(len(records)%2), record.Index(len(records)), int(i)*9)
			records = append(records, r)
			w.Append([]wal.Record{r}, func(err error) { must(t, err) })
		}
		for w.Step() {
		}
	}
	if closed {
		must(t, w.Close())
	}
	return m.CrashClone(func() bool { return false }), records, lastGroup
}

func readFile(t testing.TB, fs vfs.FS, name string) []byte {
	t.Helper()
	f, err := fs.Open(name)
	must(t, err)
	size, err := f.Size()
	must(t, err)
	b := make([]byte, size)
	if _, err := f.ReadAt(b, 0); err != nil && !errors.Is(err, io.EOF) {
		t.Fatal(err)
	}
	return b
}

func overwrite(t testing.TB, fs vfs.FS, name string, b []byte, off int) {
	t.Helper()
	f, err := fs.OpenReadWrite(name)
	must(t, err)
	_, err = f.WriteAt(b, int64(off))
	must(t, err)
	must(t, f.Sync())
	must(t, f.Close())
}

// TestFlipEveryBit flips every bit of every file of a log. It must be noticed,
// with the right file and an offset at or before the flip, or do no harm. Only
// the last group of a log that was not closed may be taken for a torn tail.
func TestFlipEveryBit(t *testing.T) {
	for _, closed := range []bool{true, false} {
		t.Run(fmt.Sprintf("closed=%v", closed), func(t *testing.T) {
			m, want, lastGroup := smallLog(t, closed)
			names, err := m.List(dir)
			must(t, err)
			noticed, harmless, torn := 0, 0, 0
			for _, name := range names {
				name = dir + "/" + name
				image := readFile(t, m, name)
				for at := range image {
					for bit := range 8 {
						if (testing.Short() || !closed) && bit != at%8 {
							continue
						}
						c := m.CrashClone(func() bool { return true })
						overwrite(t, c, name, []byte{image[at] ^ 1<<bit}, at)
						_, got, err := replay(c, func() uint32 { return 1 })
						var damage *vfs.CorruptError
						switch {
						case errors.As(err, &damage):
							if damage.File != name || damage.Offset > int64(at) || !errors.Is(err, wal.ErrCorrupt) {
								t.Fatalf("flip of %s byte %d was reported as %v", name, at, err)
							}
							if _, err := wal.Verify(c, dir); err != nil {
								noticed++
								continue
							}
							t.Fatal("Verify found nothing")
						case err != nil:
							t.Fatal(err)
						case len(got) == len(want):
							harmless++
						case !closed && len(got) >= len(want)-lastGroup:
							torn++
							want := want[:len(got)]
							requireSame(t, got, want)
							continue
						}
						requireSame(t, got, want)
					}
				}
			}
			t.Logf("noticed %d, harmless %d, taken for a torn tail %d", noticed, harmless, torn)
			if noticed == 0 || closed && torn > 0 {
				t.Fatal("no flip was noticed")
			}
		})
	}
}

// TestLostSectors zeroes every sector of a closed log in turn.
func TestLostSectors(t *testing.T) {
	m, want, _ := smallLog(t, true)
	names, err := m.List(dir)
	must(t, err)
	for _, name := range names {
		name = dir + "/" + name
		size := len(readFile(t, m, name))
		for at := 0; at < size; at += 512 {
			c := m.CrashClone(func() bool { return true })
			overwrite(t, c, name, make([]byte, min(512, size-at)), at)
			_, got, err := replay(c, func() uint32 { return 1 })
			if err == nil {
				requireSame(t, got, want)
			} else if !errors.Is(err, wal.ErrCorrupt) {
				t.Fatal(err)
			}
		}
	}
}

func TestMissingFile(t *testing.T) {
	m, want, _ := smallLog(t, true)
	names, err := m.List(dir)
	must(t, err)
	for i, name := range names {
		c := m.CrashClone(func() bool { return true })
		must(t, c.Remove(dir+"/"+name))
		_, got, err := replay(c, func() uint32 { return 1 })
		switch {
		case err != nil:
			if !errors.Is(err, wal.ErrCorrupt) || !strings.Contains(err.Error(), name) {
				t.Fatal(err)
			}
		case i == 0:
			// The oldest file could have been released.
			requireSame(t, got, want[len(want)-len(got):])
		case i < len(names)-2:
			t.Fatalf("nobody missed %s", name)
		}
	}
}

// TestRecycledRecordsStayGone fills recycled files with records whose payload
// looks like the log's own records of files to come.
func TestRecycledRecordsStayGone(t *testing.T) {
	m := vfs.NewMem()
	w, _ := open(t, wal.Options{FS: m, FileBytes: 2 << 10, Manual: true})
	for i := record.Index(1); i <= 200; i++ {
		w.Append([]wal.Record{make1(1, i, 100)}, func(err error) { must(t, err) })
		for w.Step() {
		}
		w.Release(1, i)
		if i%7 != 0 {
			continue
		}
		_, got, err := replay(m.CrashClone(func() bool { return false }), func() uint32 { return 1 })
		must(t, err)
		if len(got) == 0 || got[len(got)-1].Index != i || int(got[len(got)-1].Index-got[0].Index) != len(got)-1 {
			t.Fatalf("at %d: replayed %d records", i, len(got))
		}
	}
}

// TestForgedRecords puts records of the right file number, but of another salt,
// behind the tail, as an old payload in a recycled file could.
func TestForgedRecords(t *testing.T) {
	m, want, _ := smallLog(t, true)
	report, err := wal.Verify(m, dir)
	must(t, err)
	forged, _, _ := smallLogSalted(t, 0xbad)
	overwrite(t, m, report.Tail, readFile(t, forged, report.Tail)[136:], int(report.End))
	_, got, err := replay(m, func() uint32 { return 1 })
	must(t, err)
	requireSame(t, got, want)
}

func smallLogSalted(t testing.TB, salt uint32) (*vfs.Mem, []wal.Record, int) {
	m := vfs.NewMem()
	w, _ := open(t, wal.Options{FS: m, FileBytes: 1 << 10, Manual: true, Salt: func() uint32 { return salt }})
	for i := record.Index(1); i <= 40; i++ {
		w.Append([]wal.Record{make1(1, i, 50)}, func(err error) { must(t, err) })
		for w.Step() {
		}
	}
	must(t, w.Close())
	return m, nil, 0
}
