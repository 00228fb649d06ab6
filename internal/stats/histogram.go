package stats

import (
	"math/bits"
	"sync/atomic"
	"time"
)

// HistogramBuckets is the number of buckets of a Histogram: bucket i counts
// durations below 2^i microseconds, the last one all that took longer.
const HistogramBuckets = 24

// Histogram counts durations. The zero Histogram is ready for use.
type Histogram struct {
	buckets [HistogramBuckets]atomic.Uint64
	nanos   atomic.Int64
}

// Observe counts one duration; a negative one counts as 0.
func (h *Histogram) Observe(d time.Duration) {
	d = max(d, 0)
	h.buckets[min(bits.Len64(uint64(d/time.Microsecond)), HistogramBuckets-1)].Add(1)
	h.nanos.Add(int64(d))
}

// Snapshot returns the count of each bucket and the sum of all durations. Both
// may miss what is observed meanwhile.
func (h *Histogram) Snapshot() (counts [HistogramBuckets]uint64, sum time.Duration) {
	for i := range counts {
		counts[i] = h.buckets[i].Load()
	}
	return counts, time.Duration(h.nanos.Load())
}
