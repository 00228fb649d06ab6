package wal_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"weir/internal/record"
	"weir/internal/vfs"
	"weir/internal/wal"
)

const dir = "/wal"

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// open opens the log in dir and returns what it replays.
func open(t testing.TB, o wal.Options) (*wal.WAL, []wal.Record) {
	t.Helper()
	if o.Dir == "" {
		o.Dir = dir
	}
	var records []wal.Record
	w, err := wal.Open(o, func(r wal.Record) error {
		records = append(records, r)
		return nil
	})
	must(t, err)
	return w, records
}

func make1(shard record.ShardID, index record.Index, size int) wal.Record {
	p := bytes.Repeat([]byte{byte(index), byte(index >> 8), byte(shard)}, size/3+1)[:size]
	return wal.Record{Kind: 1, Shard: shard, Incarnation: 1, Term: 1, Index: index, Payload: p}
}

func same(a, b wal.Record) bool {
	return a.Kind == b.Kind && a.Shard == b.Shard && a.Incarnation == b.Incarnation &&
		a.Term == b.Term && a.Index == b.Index && bytes.Equal(a.Payload, b.Payload)
}

func requireSame(t testing.TB, got, want []wal.Record) {
	t.Helper()
	for i := range min(len(got), len(want)) {
		if !same(got[i], want[i]) {
			t.Fatalf("record %d is shard %d index %d, want shard %d index %d", i, got[i].Shard, got[i].Index, want[i].Shard, want[i].Index)
		}
	}
	if len(got) != len(want) {
		t.Fatalf("%d records, want %d", len(got), len(want))
	}
}

// appendWait appends in a log with goroutines and waits for the answer.
func appendWait(w *wal.WAL, records ...wal.Record) error {
	answer := make(chan error, 1)
	w.Append(records, func(err error) { answer <- err })
	return <-answer
}

func TestAppendReopen(t *testing.T) {
	for _, mode := range []wal.SyncMode{wal.SyncAlways, wal.SyncInterval, wal.SyncOS} {
		t.Run(fmt.Sprint(mode), func(t *testing.T) {
			o := wal.Options{FS: vfs.OS(), Dir: filepath.Join(t.TempDir(), "a", "b"), FileBytes: 64 << 10, Mode: mode}
			var want []wal.Record
			for run := range 4 {
				w, got := open(t, o)
				requireSame(t, got, want)
				for i := range 40 {
					r := make1(record.ShardID(i%3), record.Index(run*40+i+1), i*i*11)
					must(t, appendWait(w, r))
					want = append(want, r)
				}
				must(t, w.Close())
				if err := appendWait(w, make1(1, 1, 1)); !errors.Is(err, wal.ErrClosed) {
					t.Fatalf("append after close: %v", err)
				}
			}
			report, err := wal.Verify(o.FS, o.Dir)
			must(t, err)
			if report.Records != uint64(len(want)) || report.Files < 2 {
				t.Fatalf("report %+v", report)
			}
		})
	}
}

func TestConcurrentAppendsKeepOrder(t *testing.T) {
	o := wal.Options{FS: vfs.OS(), Dir: t.TempDir(), FileBytes: 256 << 10}
	w, _ := open(t, o)
	const shards, each = 8, 200
	var wg sync.WaitGroup
	for s := range shards {
		wg.Add(1)
		go func() {
			defer wg.Done()
			var pending sync.WaitGroup
			last := 0
			for i := 1; i <= each; i++ {
				pending.Add(1)
				w.Append([]wal.Record{make1(record.ShardID(s), record.Index(i), 700)}, func(err error) {
					if err != nil || last != i-1 {
						t.Errorf("shard %d: answer %d after %d: %v", s, i, last, err)
					}
					last = i
					pending.Done()
				})
			}
			pending.Wait()
		}()
	}
	wg.Wait()
	if st := w.Stats(); st.Records != shards*each || st.Groups == 0 || st.Files < 4 {
		t.Fatalf("stats %+v", st)
	}
	must(t, w.Close())
	w, got := open(t, o)
	defer w.Close()
	last := make(map[record.ShardID]record.Index)
	for _, r := range got {
		if r.Index != last[r.Shard]+1 || !same(r, make1(r.Shard, r.Index, 700)) {
			t.Fatalf("shard %d: index %d after %d", r.Shard, r.Index, last[r.Shard])
		}
		last[r.Shard] = r.Index
	}
	if len(got) != shards*each {
		t.Fatalf("%d records", len(got))
	}
}

func TestRecordLargerThanFile(t *testing.T) {
	m := vfs.NewMem()
	o := wal.Options{FS: m, FileBytes: 8 << 10}
	w, _ := open(t, o)
	want := []wal.Record{make1(1, 1, 100), make1(1, 2, 300<<10), make1(1, 3, 100), make1(1, 4, 20<<10)}
	for _, r := range want {
		must(t, appendWait(w, r))
	}
	must(t, w.Close())
	w, got := open(t, o)
	requireSame(t, got, want)
	must(t, w.Close())
}

func TestReleaseRecyclesOldestFirst(t *testing.T) {
	m := vfs.NewMem()
	o := wal.Options{FS: m, FileBytes: 8 << 10, Manual: true}
	w, _ := open(t, o)
	put := func(r wal.Record) {
		w.Append([]wal.Record{r}, func(err error) { must(t, err) })
		for w.Step() {
		}
	}
	put(make1(9, 1, 10))
	for i := record.Index(1); i <= 60; i++ {
		put(make1(1, i, 1000))
	}
	before := w.Stats().Files
	if before < 8 {
		t.Fatalf("%d files", before)
	}
	w.Release(1, 50)
	w.Step()
	if n := w.Stats().Files; n != before {
		t.Fatal("a file was released in spite of shard 9")
	}
	w.Release(9, 1)
	w.Step()
	if n := w.Stats().Files; n > 5 {
		t.Fatalf("%d files left of %d", n, before)
	}
	names, err := m.List(dir)
	must(t, err)
	spares := 0
	for _, n := range names {
		if strings.HasSuffix(n, ".spare") {
			spares++
		}
	}
	if spares != 3 { // and the prepared file
		t.Fatalf("%d spares: %v", spares, names)
	}
	must(t, w.Close())
	w, got := open(t, o)
	if len(got) == 0 || got[0].Index > 51 || got[len(got)-1].Index != 60 {
		t.Fatalf("replayed %d records", len(got))
	}
	must(t, w.Close())
}

// creations counts the files that are made.
type creations struct {
	vfs.FS
	made int
}

func (c *creations) Create(name string) (vfs.File, error) {
	c.made++
	return c.FS.Create(name)
}

func TestFilesReleasedTogetherAreUsedAgain(t *testing.T) {
	c := &creations{FS: vfs.NewMem()}
	w, _ := open(t, wal.Options{FS: c, FileBytes: 8 << 10, Manual: true})
	next := record.Index(1)
	cycle := func() { // two files and a part of the next, as one flush writes them
		for range 18 {
			w.Append([]wal.Record{make1(1, next, 1000)}, func(err error) { must(t, err) })
			next++
			for w.Step() {
			}
		}
		w.Release(1, next-1)
		for w.Step() {
		}
	}
	for range 3 {
		cycle()
	}
	before := c.made
	for range 20 {
		cycle()
	}
	if c.made != before {
		t.Errorf("%d files were made anew in 20 rounds", c.made-before)
	}
	must(t, w.Close())
}

func TestForgetAndIncarnations(t *testing.T) {
	o := wal.Options{FS: vfs.NewMem(), FileBytes: 4 << 10, Manual: true}
	w, _ := open(t, o)
	put := func(r wal.Record) {
		w.Append([]wal.Record{r}, func(err error) { must(t, err) })
		for w.Step() {
		}
	}
	put(make1(1, 100, 10))
	w.Release(1, 100)
	reborn := make1(1, 1, 10)
	reborn.Incarnation = 2
	put(reborn)
	for i := record.Index(1); i < 20; i++ {
		put(make1(2, i, 1000))
	}
	w.Release(2, 100)
	w.Step()
	files := w.Stats().Files
	if files < 5 {
		t.Fatal("the release of an older incarnation freed the newer one's record")
	}
	w.Forget(1)
	w.Step()
	w.Step()
	if n := w.Stats().Files; n > 2 {
		t.Fatalf("%d files after forget", n)
	}
	must(t, w.Close())
}

func TestOpenEmptyIsQuick(t *testing.T) {
	best := time.Hour
	for range 5 {
		begin := time.Now()
		w, _ := open(t, wal.Options{FS: vfs.OS(), Dir: filepath.Join(t.TempDir(), "wal")})
		best = min(best, time.Since(begin))
		must(t, w.Close())
	}
	t.Logf("best of 5: %v", best)
	if best > 50*time.Millisecond {
		t.Fatalf("opening an empty directory took %v", best)
	}
}

func TestRestartsDoNotPileUpFiles(t *testing.T) {
	m := vfs.NewMem()
	o := wal.Options{FS: m, FileBytes: 4 << 10}
	w, _ := open(t, o)
	must(t, appendWait(w, make1(1, 1, 10)))
	must(t, w.Close())
	for range 20 {
		w, got := open(t, o)
		if len(got) != 1 {
			t.Fatalf("%d records", len(got))
		}
		must(t, w.Close())
	}
	names, err := m.List(dir)
	must(t, err)
	if len(names) > 4 {
		t.Fatalf("files: %v", names)
	}
}

func TestDump(t *testing.T) {
	m := vfs.NewMem()
	w, _ := open(t, wal.Options{FS: m, FileBytes: 4 << 10, Salt: func() uint32 { return 7 }})
	must(t, appendWait(w, make1(3, 5, 10)))
	must(t, w.Close())
	var out bytes.Buffer
	must(t, wal.Dump(m, dir, &out))
	const want = `file /wal/00000001.wal number 00000001 salt 00000007 continues 00000000 at 0
136 kind 1 shard 3 incarnation 1 term 1 index 5 bytes 10 durable 64
202 mark durable 202
end /wal/00000001.wal at 258: 1 files, 1 records, 258 bytes
`
	if out.String() != want {
		t.Fatalf("dumped:\n%s", &out)
	}
	must(t, wal.Dump(m, dir, io.Discard))
}
