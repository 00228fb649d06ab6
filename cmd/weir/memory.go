package main

import (
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
)

// The live heap is small next to the message buffers that pass through it, so that
// the usual percentage would collect far too often; and once the tail is full it
// would keep as much garbage as there are messages. So the heap has a size to aim
// at, within these bounds.
const (
	gcPercentMin = 50
	gcPercentMax = 400
)

// tuneMemory makes collections begin where the heap has the size that the tail
// and what is around it need.
func tuneMemory(tailBytes int64) {
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(2*tailBytes + 64<<20)
	}
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercentMax)
		afterEachCollection(func() { debug.SetGCPercent(gcPercent(tailBytes+tailBytes/4+32<<20, liveHeap())) })
	}
}

// gcPercent lets the heap grow to aim before the next collection.
func gcPercent(aim, live int64) int {
	return int(min(max((aim-live)*100/max(live, 1), gcPercentMin), gcPercentMax))
}

func liveHeap() int64 {
	sample := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	metrics.Read(sample)
	return int64(sample[0].Value.Uint64())
}

// afterEachCollection runs f when the collector has been through the heap.
func afterEachCollection(f func()) {
	mark := &[16]byte{}
	runtime.SetFinalizer(mark, func(*[16]byte) {
		f()
		afterEachCollection(f)
	})
}
