package wal_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"

	"weir/internal/record"
	"weir/internal/vfs"
	"weir/internal/wal"
)

var errDevice = errors.New("input/output error")

// TestFatal fails every changing operation of a run in turn. The log must call
// Fatal once, acknowledge nothing after it, and hold after a restart what it
// acknowledged before, also if power fails then.
func TestFatal(t *testing.T) {
	for _, lag := range []record.Index{1, 12} {
		t.Run(fmt.Sprintf("lag=%d", lag), func(t *testing.T) { testFatal(t, lag) })
	}
}

// testFatal releases every record once lag more are appended.
func testFatal(t *testing.T, lag record.Index) {
	for n := 1; ; n++ {
		m := vfs.NewMem()
		want, acked, opened, finished := failFrom(t, m, n, lag)
		if finished {
			return
		}
		if !opened {
			continue
		}
		// The process restarts on what the page cache holds, and power fails at
		// every change it makes then; or power fails at once.
		images := []*vfs.Mem{m, m.CrashClone(func() bool { return false })}
		rng := rand.New(rand.NewPCG(uint64(n), 1))
		for i := 0; i < len(images); i++ {
			after := images[i]
			restarted := vfs.Inject(after, func(op vfs.Op) error {
				if i == 0 && op.Kind.Changes() {
					images = append(images, after.CrashClone(coin(rng)))
				}
				return nil
			})
			_, got, err := replay(restarted, func() uint32 { return 1 })
			must(t, err)
			if acked > 30-int(lag) && len(got) == 0 || len(got) > 0 && int(got[len(got)-1].Index) < acked {
				t.Fatalf("operation %d failed: %d acknowledged, replayed %d", n, acked, len(got))
			}
			for i, r := range got {
				if !same(r, want[int(got[0].Index)-1+i]) {
					t.Fatalf("replay %d differs", i)
				}
			}
		}
	}
}

// failFrom appends 30 records on m and fails every changing operation from the
// n-th on; finished is that there are fewer.
func failFrom(t *testing.T, m *vfs.Mem, n int, lag record.Index) (want []wal.Record, acked int, opened, finished bool) {
	ops, fatal := 0, 0
	fs := vfs.Inject(m, func(op vfs.Op) error {
		if op.Kind.Changes() {
			ops++
		}
		if ops >= n && op.Kind.Changes() {
			return fmt.Errorf("%v %s: %w", op.Kind, op.Name, errDevice)
		}
		return nil
	})
	w, err := wal.Open(wal.Options{FS: fs, Dir: dir, FileBytes: 4 << 10, Manual: true, Fatal: func(err error) {
		fatal++
		if !errors.Is(err, errDevice) {
			t.Fatalf("fatal: %v", err)
		}
	}}, nil)
	if err != nil {
		if !errors.Is(err, errDevice) {
			t.Fatal(err)
		}
		return nil, 0, false, false
	}
	for i := record.Index(1); i <= 30; i++ {
		r := make1(1, i, 500)
		want = append(want, r)
		w.Append([]wal.Record{r}, func(err error) {
			switch {
			case err == nil && fatal == 0:
				acked++
			case err == nil:
				t.Fatal("acknowledged after a fatal error")
			case !errors.Is(err, wal.ErrClosed):
				t.Fatalf("append: %v", err)
			}
		})
		if i > lag {
			w.Release(1, i-lag)
		}
		w.Step()
	}
	closed := w.Close()
	if finished = ops < n; finished {
		must(t, closed)
		n = 0
	}
	if want := min(n, 1); fatal != want {
		t.Fatalf("operation %d failed: fatal was called %d times, not %d", n, fatal, want)
	}
	return want, acked, true, finished
}

// TestFailedSyncIsNotTrustedFromCache restarts after a failed sync: what the
// page cache still shows must be made durable before it is handed out.
func TestFailedSyncIsNotTrustedFromCache(t *testing.T) {
	m := vfs.NewMem()
	fail := false
	fs := vfs.Inject(m, func(op vfs.Op) error {
		if fail && op.Kind == vfs.OpSync {
			return errDevice
		}
		fail = fail || op.Kind == vfs.OpWrite && op.Length > 5000
		return nil
	})
	w, err := wal.Open(wal.Options{FS: fs, Dir: dir, FileBytes: 64 << 10, Manual: true, Fatal: func(error) {}}, nil)
	must(t, err)
	w.Append([]wal.Record{make1(1, 1, 10)}, func(err error) { must(t, err) })
	w.Step()
	w.Append([]wal.Record{make1(1, 2, 5000)}, func(err error) {
		if err == nil {
			t.Fatal("acknowledged")
		}
	})
	w.Step()
	_, got, err := replay(m, func() uint32 { return 1 })
	must(t, err)
	if len(got) != 2 {
		t.Fatalf("replayed %d", len(got))
	}
	_, again, err := replay(m.CrashClone(func() bool { return false }), func() uint32 { return 1 })
	must(t, err)
	requireSame(t, again, got)
}

func TestFullDisk(t *testing.T) {
	m := vfs.NewMem()
	w, _ := open(t, wal.Options{FS: m, FileBytes: 8 << 10, Manual: true, Fatal: func(err error) { t.Fatal(err) }})
	m.SetFreeLimit(20 << 10)
	var want []wal.Record
	var refused []wal.Record
	cramped := false
	for i := record.Index(1); len(refused) == 0; i++ {
		r := make1(1, i, 1500)
		w.Append([]wal.Record{r}, func(err error) {
			switch {
			case err == nil:
				want = append(want, r)
			case errors.Is(err, vfs.ErrFull):
				refused = append(refused, r)
			default:
				t.Fatal(err)
			}
		})
		w.Step()
		w.Step()
		if !w.Roomy() && len(refused) == 0 {
			cramped = true
		}
	}
	if !cramped || w.Roomy() {
		t.Fatal("Roomy did not warn before the first refusal")
	}
	// A small record of another shard still fits; the same shard may not go on.
	put := func(r wal.Record) (err error) {
		w.Append([]wal.Record{r}, func(e error) { err = e })
		w.Step()
		return err
	}
	small := make1(2, 1, 10)
	must(t, put(small))
	want = append(want, small)
	if err := put(make1(1, refused[0].Index+1, 1)); !errors.Is(err, vfs.ErrFull) {
		t.Fatalf("a gap: %v", err)
	}
	// A restart on the full disk works, and so does going on in what is left.
	_, got, err := replay(m.CrashClone(func() bool { return false }), func() uint32 { return 1 })
	must(t, err)
	requireSame(t, got, want)

	w.Release(1, refused[0].Index-1)
	w.Step()
	if !w.Roomy() {
		t.Fatal("not roomy after a release")
	}
	must(t, put(refused[0]))
	must(t, put(make1(1, refused[0].Index+1, 1)))
	must(t, w.Close())
	_, got, err = replay(m, func() uint32 { return 1 })
	must(t, err)
	if n := len(got); got[n-1].Index != refused[0].Index+1 || !same(got[n-2], refused[0]) {
		t.Fatal("the retried record is not where it belongs")
	}
}

func TestFullDiskFromTheStart(t *testing.T) {
	m := vfs.NewMem()
	must(t, m.MkdirAll(dir))
	m.SetFreeLimit(100)
	w, _ := open(t, wal.Options{FS: m, FileBytes: 8 << 10})
	if w.Roomy() {
		t.Fatal("roomy")
	}
	if err := appendWait(w, make1(1, 1, 10)); !errors.Is(err, vfs.ErrFull) {
		t.Fatal(err)
	}
	m.SetFreeLimit(-1)
	must(t, appendWait(w, make1(1, 1, 10)))
	must(t, w.Close())
	_, got := open(t, wal.Options{FS: m, FileBytes: 8 << 10})
	if len(got) != 1 {
		t.Fatalf("replayed %d", len(got))
	}
}

// fullAfterWrite is a file system whose vectored writes happen and then say
// that the device is full.
type fullAfterWrite struct {
	vfs.FS
	full bool
}

type fullAfterWriteFile struct {
	vfs.File
	fs *fullAfterWrite
}

func (f *fullAfterWrite) Create(name string) (vfs.File, error) {
	file, err := f.FS.Create(name)
	return fullAfterWriteFile{file, f}, err
}

func (f fullAfterWriteFile) WriteVecAt(parts [][]byte, off int64) error {
	if err := f.File.WriteVecAt(parts, off); err != nil || !f.fs.full {
		return err
	}
	return vfs.ErrFull
}

// TestHalfWrittenGroupIsGivenUp meets a device that runs full in the middle of
// a write. What of the refused group reached the file must not come back behind
// the shorter group that follows.
func TestHalfWrittenGroupIsGivenUp(t *testing.T) {
	m := vfs.NewMem()
	fs := &fullAfterWrite{FS: m}
	w, _ := open(t, wal.Options{FS: fs, FileBytes: 16 << 10, Manual: true, Fatal: func(err error) { t.Fatal(err) }})
	put := func(records ...wal.Record) (err error) {
		w.Append(records, func(e error) { err = e })
		for w.Step() {
		}
		return err
	}
	var want []wal.Record
	for _, fresh := range []bool{true, false} {
		if !fresh {
			want = append(want, make1(1, 1, 100))
			must(t, put(want[0]))
		}
		next := record.Index(len(want) + 1)
		fs.full = true
		if err := put(make1(1, next, 30), make1(1, next+1, 30)); !errors.Is(err, vfs.ErrFull) {
			t.Fatal(err)
		}
		fs.full = false
		if fresh {
			continue
		}
		want = append(want, make1(1, next, 30))
		must(t, put(want[len(want)-1]))
		_, got, err := replay(m.CrashClone(func() bool { return true }), func() uint32 { return 1 })
		must(t, err)
		requireSame(t, got, want)
	}
	must(t, w.Close())
	_, got, err := replay(m, func() uint32 { return 1 })
	must(t, err)
	requireSame(t, got, want)
}
