//go:build !race

package broker_test

import (
	"testing"

	"weir/internal/vfs"
)

// TestPathAllocatesNothingPerMessage guards the way of a message through the
// engine: what is allocated is per entry and per batch.
func TestPathAllocatesNothingPerMessage(t *testing.T) {
	if testing.Short() {
		t.Skip("runs a benchmark")
	}
	r := testing.Benchmark(func(b *testing.B) { benchmarkPath(b, vfs.NewMem(), "data", 16) })
	if r.AllocsPerOp() != 0 {
		t.Fatalf("%d allocations per message: %v", r.AllocsPerOp(), r.MemString())
	}
}
