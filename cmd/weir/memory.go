package main

import (
	"errors"
	"fmt"
	"log/slog"
	"math"
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"

	"github.com/KimMachineGun/automemlimit/memlimit"

	"weir/internal/server"
)

// The live heap is small next to the message buffers that pass through it, so that
// the usual percentage would collect far too often; and once the tail is full it
// would keep as much garbage as there are messages. So the heap has a size to aim
// at, within these bounds.
const (
	gcPercentMin = 50
	gcPercentMax = 400
)

const (
	// tailPart of what the cgroup may use is the most that the tail takes unless it is
	// told to: publishers wait at twice the tail, and there is as much around it.
	tailPart = 4
	// softPercent of it is where the collector does all it can: files that are mapped
	// and what the kernel keeps for sockets count too.
	softPercent = 90
)

// memory is what this process has of the machine's.
type memory struct {
	limit int64 // of its cgroup, in bytes; 0 is none
	err   error // why it is not known
}

// readMemory asks the cgroup, or those above it, for a limit.
func readMemory() memory {
	limit, err := memlimit.FromCgroup()
	for _, none := range []error{memlimit.ErrNoLimit, memlimit.ErrNoCgroup, memlimit.ErrCgroupsNotSupported} {
		if errors.Is(err, none) {
			return memory{}
		}
	}
	if err != nil {
		return memory{err: fmt.Errorf("cgroup: %w", err)}
	}
	return memory{limit: int64(min(limit, math.MaxInt64))}
}

// fit makes of a default one that has room in the limit.
func (m memory) fit(c *server.Config) {
	if m.limit > 0 {
		c.Storage.TailBytes = min(c.Storage.TailBytes, max(m.limit/tailPart, server.TailBytesMin))
	}
}

// soft is the limit the runtime is given: what the tail and what is around it need,
// within the cgroup's.
func (m memory) soft(tailBytes int64) int64 {
	need := 2*tailBytes + 64<<20
	if m.limit > 0 {
		return min(need, m.limit/100*softPercent)
	}
	return need
}

// tune makes collections begin where the heap has the size that the tail and what is
// around it need.
func (m memory) tune(tailBytes int64, log *slog.Logger) {
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(m.soft(tailBytes))
	}
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercentMax)
		afterEachCollection(func() { debug.SetGCPercent(gcPercent(tailBytes+tailBytes/4+32<<20, liveHeap())) })
	}
	switch {
	case m.err != nil:
		log.Warn("the limit of memory is not known", "err", m.err)
	case m.limit > 0:
		log.Info("memory is limited", "cgroup", m.limit, "runtime", debug.SetMemoryLimit(-1), "storage.tail_bytes", tailBytes)
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
