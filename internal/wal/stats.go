package wal

import (
	"math/bits"
	"sync/atomic"
	"time"
)

// SyncBuckets is the number of buckets of Stats.Syncs.
const SyncBuckets = 24

// Stats are totals since Open, except Files and Retained.
type Stats struct {
	Files    int   // retained, the current one included; spares are not counted
	Retained int64 // bytes in them

	Groups   uint64
	Records  uint64
	Bytes    int64
	Replayed uint64 // records handed out by Open

	// Syncs counts syncs by duration: bucket i holds those below 2^i
	// microseconds, the last one all that took longer.
	Syncs    [SyncBuckets]uint64
	SyncTime time.Duration
}

type counters struct {
	groups, records, replayed atomic.Uint64
	bytes, syncNanos          atomic.Int64
	syncs                     [SyncBuckets]atomic.Uint64
}

func (c *counters) group(items []item, size int64) {
	n := 0
	for i := range items {
		n += len(items[i].records)
	}
	c.groups.Add(1)
	c.records.Add(uint64(n))
	c.bytes.Add(size)
}

func (c *counters) sync(d time.Duration) {
	d = max(d, 0)
	c.syncs[min(bits.Len64(uint64(d/time.Microsecond)), SyncBuckets-1)].Add(1)
	c.syncNanos.Add(int64(d))
}

// Stats returns the counters; it is cheap.
func (w *WAL) Stats() Stats {
	s := Stats{
		Groups:   w.stats.groups.Load(),
		Records:  w.stats.records.Load(),
		Bytes:    w.stats.bytes.Load(),
		Replayed: w.stats.replayed.Load(),
		SyncTime: time.Duration(w.stats.syncNanos.Load()),
	}
	for i := range s.Syncs {
		s.Syncs[i] = w.stats.syncs[i].Load()
	}
	w.keeper.mu.Lock()
	defer w.keeper.mu.Unlock()
	s.Files = len(w.keeper.mu.live)
	for _, f := range w.keeper.mu.live {
		s.Retained += f.end()
	}
	return s
}
