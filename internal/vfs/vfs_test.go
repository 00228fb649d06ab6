package vfs_test

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"pgregory.net/rapid"

	"weir/internal/vfs"
)

// each runs a test on the machine's file system and on the one in memory.
func each(t *testing.T, f func(t *testing.T, fs vfs.FS, dir string)) {
	t.Run("os", func(t *testing.T) { f(t, vfs.OS(), t.TempDir()) })
	t.Run("mem", func(t *testing.T) {
		m := vfs.NewMem()
		if err := m.MkdirAll("/data"); err != nil {
			t.Fatal(err)
		}
		f(t, m, "/data")
	})
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func create(t testing.TB, fs vfs.FS, name string) vfs.File {
	t.Helper()
	f, err := fs.Create(name)
	must(t, err)
	return f
}

func contents(t testing.TB, fs vfs.FS, name string) []byte {
	t.Helper()
	f, err := fs.Open(name)
	must(t, err)
	defer f.Close()
	size, err := f.Size()
	must(t, err)
	b := make([]byte, size)
	if _, err := f.ReadAt(b, 0); err != nil {
		t.Fatal(err)
	}
	return b
}

func TestWriteVecAtWritesAllParts(t *testing.T) {
	each(t, func(t *testing.T, fs vfs.FS, dir string) {
		name := filepath.Join(dir, "a")
		f := create(t, fs, name)
		var parts [][]byte
		want := []byte("head")
		_, err := f.WriteAt(want, 0)
		must(t, err)
		// More parts than one system call takes, empty ones among them.
		for i := range 2500 {
			p := bytes.Repeat([]byte{byte(i)}, i%7)
			parts = append(parts, p)
			want = append(want, p...)
		}
		must(t, f.WriteVecAt(parts, 4))
		must(t, f.Sync())
		must(t, f.Close())
		if got := contents(t, fs, name); !bytes.Equal(got, want) {
			t.Fatalf("read %d bytes back, want %d", len(got), len(want))
		}
	})
}

func TestPreallocateKeepsContents(t *testing.T) {
	each(t, func(t *testing.T, fs vfs.FS, dir string) {
		name := filepath.Join(dir, "a")
		f := create(t, fs, name)
		_, err := f.WriteAt([]byte("abc"), 0)
		must(t, err)
		must(t, f.Reserve(1<<20))
		if size, _ := f.Size(); size != 3 {
			t.Fatalf("reserving made the size %d", size)
		}
		must(t, f.Preallocate(5000))
		must(t, f.Preallocate(10))
		must(t, f.Close())
		want := append([]byte("abc"), make([]byte, 4997)...)
		if got := contents(t, fs, name); !bytes.Equal(got, want) {
			t.Fatal("contents changed")
		}
	})
}

func TestNames(t *testing.T) {
	each(t, func(t *testing.T, fs vfs.FS, dir string) {
		sub := filepath.Join(dir, "x", "y")
		must(t, fs.MkdirAll(sub))
		must(t, fs.MkdirAll(sub))
		must(t, create(t, fs, filepath.Join(sub, "b")).Close())
		must(t, create(t, fs, filepath.Join(sub, "a")).Close())
		must(t, fs.Rename(filepath.Join(sub, "b"), filepath.Join(sub, "c")))
		must(t, fs.SyncDir(sub))
		names, err := fs.List(sub)
		must(t, err)
		if len(names) != 2 || names[0] != "a" || names[1] != "c" {
			t.Fatalf("listed %v", names)
		}
		must(t, fs.Remove(filepath.Join(sub, "a")))
		for _, err := range []error{
			fs.Remove(filepath.Join(sub, "a")),
			fs.Rename(filepath.Join(sub, "b"), filepath.Join(sub, "d")),
			func() error { _, err := fs.Open(filepath.Join(sub, "a")); return err }(),
			func() error { _, err := fs.List(filepath.Join(dir, "none")); return err }(),
			func() error { _, err := fs.Create(filepath.Join(dir, "none", "a")); return err }(),
		} {
			if !errors.Is(err, os.ErrNotExist) {
				t.Fatalf("got %v, want not-exist", err)
			}
		}
	})
}

func TestLockRefusesSecondHolder(t *testing.T) {
	each(t, func(t *testing.T, fs vfs.FS, dir string) {
		name := filepath.Join(dir, "lock")
		l, err := fs.Lock(name)
		must(t, err)
		if _, err := fs.Lock(name); !errors.Is(err, vfs.ErrLocked) {
			t.Fatalf("second lock: %v", err)
		}
		must(t, l.Close())
		l, err = fs.Lock(name)
		must(t, err)
		must(t, l.Close())
	})
}

func TestMemFreeLimit(t *testing.T) {
	m := vfs.NewMem()
	f := create(t, m, "a")
	m.SetFreeLimit(1000)
	must(t, f.Reserve(600))
	_, err := f.WriteAt(make([]byte, 600), 0)
	must(t, err)
	if _, err := f.WriteAt([]byte{1}, 1000); !errors.Is(err, vfs.ErrFull) {
		t.Fatalf("write beyond the limit: %v", err)
	}
	g := create(t, m, "b")
	if err := g.Preallocate(401); !errors.Is(err, vfs.ErrFull) {
		t.Fatalf("preallocate beyond the limit: %v", err)
	}
	if free, _ := m.Free("/"); free != 400 {
		t.Fatalf("free %d", free)
	}
	must(t, m.Remove("a"))
	must(t, g.Preallocate(1000))
}

func TestInjectReplacesOperation(t *testing.T) {
	boom := errors.New("boom")
	var fail vfs.OpKind
	fs := vfs.Inject(vfs.NewMem(), func(op vfs.Op) error {
		if op.Kind == fail {
			return boom
		}
		return nil
	})
	f := create(t, fs, "a")
	fail = vfs.OpWrite
	if err := f.WriteVecAt([][]byte{{1}, {2}}, 0); !errors.Is(err, boom) {
		t.Fatal(err)
	}
	fail = vfs.OpSync
	if err := f.Sync(); !errors.Is(err, boom) {
		t.Fatal(err)
	}
	if size, err := f.Size(); size != 0 || err != nil {
		t.Fatal("a refused write happened")
	}
}

// TestMemModel compares a file with a byte slice under random operations, and
// a crash clone that keeps everything or nothing with the slice now or as of
// the last sync.
func TestMemModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := vfs.NewMem()
		f, err := m.Create("a")
		if err != nil || m.SyncDir(".") != nil {
			t.Fatal(err)
		}
		var now, synced []byte
		for range rapid.IntRange(1, 30).Draw(t, "ops") {
			switch rapid.IntRange(0, 4).Draw(t, "op") {
			case 0, 1:
				off := rapid.IntRange(0, 10000).Draw(t, "off")
				p := bytes.Repeat([]byte{rapid.Byte().Draw(t, "b")}, rapid.IntRange(0, 6000).Draw(t, "n"))
				if _, err := f.WriteAt(p, int64(off)); err != nil {
					t.Fatal(err)
				}
				if len(p) > 0 {
					now = grow(now, off+len(p))
					copy(now[off:], p)
				}
			case 2:
				size := rapid.IntRange(0, 12000).Draw(t, "size")
				if err := f.Truncate(int64(size)); err != nil {
					t.Fatal(err)
				}
				now = append([]byte(nil), grow(now, size)[:size]...)
			case 3:
				size := rapid.IntRange(0, 12000).Draw(t, "size")
				if err := f.Preallocate(int64(size)); err != nil {
					t.Fatal(err)
				}
				now = grow(now, size)
			case 4:
				if err := f.Sync(); err != nil {
					t.Fatal(err)
				}
				synced = append([]byte(nil), now...)
			}
			for want, fs := range map[*[]byte]*vfs.Mem{
				&now:    m.CrashClone(func() bool { return true }),
				&synced: m.CrashClone(func() bool { return false }),
			} {
				if got := readAll(t, fs); !bytes.Equal(got, *want) {
					t.Fatalf("crash clone holds %d bytes, want %d", len(got), len(*want))
				}
			}
		}
	})
}

func grow(b []byte, size int) []byte {
	if len(b) < size {
		b = append(b, make([]byte, size-len(b))...)
	}
	return b
}

func readAll(t *rapid.T, fs vfs.FS) []byte {
	f, err := fs.Open("a")
	if err != nil {
		t.Fatal(err)
	}
	size, _ := f.Size()
	b := make([]byte, size)
	if _, err := f.ReadAt(b, 0); err != nil && size > 0 {
		t.Fatal(err)
	}
	return b
}

func TestCrashCloneMixesSectors(t *testing.T) {
	m := vfs.NewMem()
	f := create(t, m, "a")
	must(t, m.SyncDir("."))
	_, err := f.WriteAt(bytes.Repeat([]byte{1}, 4*512), 0)
	must(t, err)
	must(t, f.Sync())
	_, err = f.WriteAt(bytes.Repeat([]byte{2}, 3*512), 256)
	must(t, err)
	rng := rand.New(rand.NewPCG(1, 1))
	seen := make(map[[4]byte]bool)
	for range 200 {
		c := m.CrashClone(func() bool { return rng.IntN(2) == 0 })
		b := contents(t, c, "a")
		if len(b) != 4*512 {
			t.Fatalf("size %d", len(b))
		}
		var state [4]byte
		for s := range state {
			// A sector is whole: its written half and its untouched half agree.
			state[s] = b[s*512+256]
			if s == 3 {
				state[s] = b[s*512]
			}
		}
		seen[state] = true
	}
	if len(seen) != 16 {
		t.Fatalf("saw %d of 16 sector states", len(seen))
	}
}

func TestCrashCloneMixesNames(t *testing.T) {
	m := vfs.NewMem()
	must(t, create(t, m, "old").Close())
	must(t, m.SyncDir("."))
	f := create(t, m, "new.tmp")
	_, err := f.WriteAt([]byte("x"), 0)
	must(t, err)
	must(t, f.Sync())
	must(t, m.Rename("new.tmp", "new"))
	must(t, m.Remove("old"))
	seen := make(map[string]bool)
	rng := rand.New(rand.NewPCG(1, 1))
	for range 100 {
		c := m.CrashClone(func() bool { return rng.IntN(2) == 0 })
		names, err := c.List(".")
		must(t, err)
		key := ""
		for _, n := range names {
			key += n + " "
		}
		seen[key] = true
	}
	for _, want := range []string{"", "old ", "new ", "new old ", "new.tmp ", "new.tmp old "} {
		if !seen[want] {
			t.Errorf("no crash left %q", want)
		}
	}
	must(t, m.SyncDir("."))
	names, err := m.CrashClone(func() bool { return false }).List(".")
	must(t, err)
	if len(names) != 1 || names[0] != "new" {
		t.Fatalf("after the directory sync: %v", names)
	}
}
