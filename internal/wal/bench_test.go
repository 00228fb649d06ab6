package wal_test

import (
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"weir/internal/record"
	"weir/internal/vfs"
	"weir/internal/wal"
)

var inFlight = []int{1, 64, 512, 4096}

const benchPayload = 1 << 10

// BenchmarkAppend keeps n appends of one 1 KiB record in flight and, beside it,
// measures the ceiling: the same number of bytes per group by plain pwrite and
// fdatasync into a file prepared the same way. The two run in turns, for the
// device's speed drifts by the second.
func BenchmarkAppend(b *testing.B) {
	for _, n := range inFlight {
		b.Run(fmt.Sprintf("flight=%d", n), func(b *testing.B) {
			w, err := wal.Open(wal.Options{FS: vfs.OS(), Dir: filepath.Join(b.TempDir(), "wal")}, nil)
			must(b, err)
			l := newLoad(w, n)
			raw := newCeiling(b)
			var walTime, rawTime time.Duration
			var groups uint64
			b.ReportAllocs()
			b.ResetTimer()
			for done := 0; done < b.N; {
				k := min(b.N-done, max(200, 8*n))
				before := w.Stats().Groups
				begin := time.Now()
				l.run(k)
				walTime += time.Since(begin)
				made := w.Stats().Groups - before
				groups += made
				begin = time.Now()
				raw.run(b, made, int64(k)*(benchPayload+56)/int64(max(1, made)))
				rawTime += time.Since(begin)
				w.Release(1, l.index)
				done += k
			}
			b.StopTimer()
			b.ReportMetric(float64(b.N)/walTime.Seconds(), "acks/s")
			b.ReportMetric(float64(b.N)/float64(groups), "records/group")
			b.ReportMetric(rawTime.Seconds()/walTime.Seconds(), "of-ceiling")
			must(b, w.Close())
			must(b, raw.f.Close())
		})
	}
}

// load keeps a number of appends in flight from one goroutine.
type load struct {
	w      *wal.WAL
	index  record.Index
	slots  [][]wal.Record
	free   chan int32
	dones  []func(error)
	failed error
}

func newLoad(w *wal.WAL, n int) *load {
	l := &load{w: w, free: make(chan int32, n)}
	payload := make([]byte, benchPayload)
	for i := range n {
		l.slots = append(l.slots, []wal.Record{{Kind: 1, Shard: 1, Incarnation: 1, Term: 1, Payload: payload}})
		l.dones = append(l.dones, func(err error) {
			if err != nil {
				l.failed = err
			}
			l.free <- int32(i)
		})
		l.free <- int32(i)
	}
	return l
}

func (l *load) run(k int) {
	for range k {
		i := <-l.free
		l.index++
		l.slots[i][0].Index = l.index
		l.w.Append(l.slots[i], l.dones[i])
	}
	held := make([]int32, 0, cap(l.free))
	for range cap(l.free) {
		held = append(held, <-l.free)
	}
	for _, i := range held {
		l.free <- i
	}
	if l.failed != nil {
		panic(l.failed)
	}
}

type ceiling struct {
	f     vfs.File
	off   int64
	bytes []byte
}

const ceilingBytes = 64 << 20

func newCeiling(b *testing.B) *ceiling {
	f, err := vfs.OS().Create(filepath.Join(b.TempDir(), "raw"))
	must(b, err)
	must(b, f.Preallocate(ceilingBytes))
	must(b, f.Sync())
	return &ceiling{f: f, bytes: make([]byte, 16<<20)}
}

func (c *ceiling) run(b *testing.B, groups uint64, size int64) {
	for range groups {
		if c.off+size > ceilingBytes {
			c.off = 0
		}
		if _, err := c.f.WriteAt(c.bytes[:size], c.off); err != nil {
			b.Fatal(err)
		}
		must(b, c.f.Sync())
		c.off += size
	}
}
