package wal_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"testing"

	"weir/internal/record"
	"weir/internal/vfs"
	"weir/internal/wal"
)

// history is what was asked of a log and what it answered.
type history struct {
	appended []wal.Record
	acked    int // of appended, from the front
	released map[record.ShardID]record.Index
	last     map[record.ShardID]record.Index
}

func newHistory() *history {
	return &history{released: make(map[record.ShardID]record.Index), last: make(map[record.ShardID]record.Index)}
}

// snapshot is a history at the moment of a crash.
func (h *history) snapshot() *history {
	c := &history{appended: h.appended[:len(h.appended):len(h.appended)], acked: h.acked, released: make(map[record.ShardID]record.Index)}
	for s, i := range h.released {
		c.released[s] = i
	}
	return c
}

// next makes the shard's next record; its payload says where in the history it
// stands, so that no two records are alike.
func (h *history) next(rng *rand.Rand) wal.Record {
	shard := record.ShardID(rng.IntN(3))
	h.last[shard]++
	var size int
	switch rng.IntN(10) {
	case 0:
		size = 4096 + rng.IntN(3000)
	case 1:
		size = 12 << 10
	case 2, 3:
		size = rng.IntN(8)
	default:
		size = rng.IntN(1200)
	}
	p := make([]byte, size)
	for i := range p {
		p[i] = byte(rng.Uint32())
	}
	if size >= 8 {
		binary.LittleEndian.PutUint64(p, uint64(len(h.appended)))
	}
	r := wal.Record{Kind: 1, Shard: shard, Incarnation: 1, Term: record.Term(len(h.appended)), Index: h.last[shard], Payload: p}
	h.appended = append(h.appended, r)
	return r
}

// check says what is wrong with a replay, if anything: it must be a run of the
// history without holes that leaves out only released records in front and,
// behind, only what was not acknowledged as durable.
func (h *history) check(got []wal.Record, durable bool) error {
	start := len(h.appended)
	if len(got) > 0 {
		start = int(got[0].Term)
	}
	for i, r := range got {
		if start+i >= len(h.appended) || !same(r, h.appended[start+i]) {
			return fmt.Errorf("replay %d is not record %d", i, start+i)
		}
	}
	for i, r := range h.appended {
		switch {
		case i >= start && i < start+len(got):
		case r.Index <= h.released[r.Shard]:
		case i < start && len(got) > 0:
			return fmt.Errorf("record %d is gone from the front, and was not released", i)
		case i < h.acked && durable:
			return fmt.Errorf("acknowledged record %d of %d is gone; replayed %d from %d on", i, h.acked, len(got), start)
		}
	}
	return nil
}

func replay(fs vfs.FS, salt func() uint32) (*wal.WAL, []wal.Record, error) {
	return replayMode(fs, salt, wal.SyncAlways)
}

func replayMode(fs vfs.FS, salt func() uint32, mode wal.SyncMode) (*wal.WAL, []wal.Record, error) {
	var got []wal.Record
	w, err := wal.Open(wal.Options{FS: fs, Dir: dir, FileBytes: 8 << 10, Manual: true, Salt: salt, Mode: mode}, func(r wal.Record) error {
		r.Payload = bytes.Clone(r.Payload)
		got = append(got, r)
		return nil
	})
	return w, got, err
}

// coin answers true in a share of cases that is itself drawn anew per crash, so
// that nearly everything and nearly nothing kept are both common.
func coin(rng *rand.Rand) func() bool {
	p := [...]float64{0, 0.1, 0.5, 0.9, 1}[rng.IntN(5)]
	return func() bool { return rng.Float64() < p }
}

type crashTest struct {
	t       *testing.T
	rng     *rand.Rand
	mode    wal.SyncMode
	crashes int
}

func (c *crashTest) salt() uint32 { return c.rng.Uint32() }

// recover opens what a crash left, crashing again at every change recovery
// makes, and then uses the log and opens it once more.
func (c *crashTest) recover(m *vfs.Mem, h *history, depth int) {
	c.t.Helper()
	c.crashes++
	acked := c.mode == wal.SyncAlways
	var nested []*vfs.Mem
	fs := vfs.Inject(m, func(op vfs.Op) error {
		if depth > 0 && op.Kind.Changes() {
			nested = append(nested, m.CrashClone(coin(c.rng)))
		}
		return nil
	})
	w, got, err := replay(fs, c.salt)
	if err != nil {
		c.t.Fatalf("recovery: %v", err)
	}
	if err := h.check(got, acked); err != nil {
		c.t.Fatal(err)
	}
	// What was handed out is relied upon: no later crash may take it back.
	after := *h
	if len(got) > 0 {
		after.acked = max(h.acked, int(got[0].Term)+len(got))
	}
	if depth > 0 {
		nested = append(nested, m.CrashClone(func() bool { return false }))
	}
	for i, n := range nested {
		want := h
		if i == len(nested)-1 {
			want = &after
		}
		c.recover(n, want, depth-1)
	}
	if len(got) == 0 {
		return
	}
	after.appended = append([]wal.Record(nil), h.appended[:int(got[0].Term)+len(got)]...)
	after.last = make(map[record.ShardID]record.Index)
	for _, r := range after.appended {
		after.last[r.Shard] = r.Index
	}
	for range 2 {
		r := after.next(c.rng)
		w.Append([]wal.Record{r}, func(err error) { must(c.t, err) })
	}
	for w.Step() {
	}
	after.acked = len(after.appended)
	_, again, err := replay(m.CrashClone(coin(c.rng)), c.salt)
	must(c.t, err)
	if err := after.check(again, acked); err != nil {
		c.t.Fatalf("after going on: %v", err)
	}
}

// run does random work on a log, with a crash before every change it makes.
func (c *crashTest) run(steps int) {
	m, h := vfs.NewMem(), newHistory()
	fs := vfs.Inject(m, func(op vfs.Op) error {
		if op.Kind.Changes() {
			c.recover(m.CrashClone(coin(c.rng)), h.snapshot(), c.rng.IntN(8)/7)
		}
		return nil
	})
	// open starts the log on the file system as it is: after a kill the page
	// cache holds more than the device, and what recovery hands out from there
	// must survive the loss of power that follows.
	open := func() *wal.WAL {
		w, got, err := replayMode(fs, c.salt, c.mode)
		must(c.t, err)
		must(c.t, h.check(got, true))
		_, again, err := replay(m.CrashClone(func() bool { return false }), c.salt)
		must(c.t, err)
		requireSame(c.t, again, got)
		for s, i := range h.released {
			w.Release(s, i)
		}
		return w
	}
	w := open()
	for range steps {
		switch k := c.rng.IntN(20); {
		case k < 12:
			for range 1 + c.rng.IntN(4) {
				batch := []wal.Record{h.next(c.rng)}
				for c.rng.IntN(2) == 0 {
					batch = append(batch, h.next(c.rng))
				}
				end := len(h.appended)
				w.Append(batch, func(err error) {
					must(c.t, err)
					h.acked = end
				})
			}
		case k < 17:
			shard := record.ShardID(c.rng.IntN(3))
			var upTo record.Index
			for _, r := range h.appended[:h.acked] {
				if r.Shard == shard {
					upTo = r.Index
				}
			}
			h.released[shard] = max(h.released[shard], upTo-min(upTo, record.Index(c.rng.IntN(3))))
			w.Release(shard, h.released[shard])
		case k < 18:
			for w.Step() {
			}
			must(c.t, w.Close())
			w = open()
		case k < 19:
			// The process is killed; the page cache survives.
			for w.Step() {
			}
			w = open()
		}
		if c.rng.IntN(3) > 0 {
			w.Step()
		}
	}
}

func TestCrashAtEveryChange(t *testing.T) {
	for _, mode := range []wal.SyncMode{wal.SyncAlways, wal.SyncOS} {
		t.Run(fmt.Sprint(mode), func(t *testing.T) {
			seeds := uint64(8)
			if testing.Short() {
				seeds = 3
			}
			total := 0
			for seed := range seeds {
				c := &crashTest{t: t, rng: rand.New(rand.NewPCG(seed, 1)), mode: mode}
				c.run(30)
				total += c.crashes
				if t.Failed() {
					t.Fatalf("seed %d", seed)
				}
			}
			t.Logf("%d recoveries", total)
		})
	}
}
