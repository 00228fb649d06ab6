package segment_test

import (
	"path/filepath"
	"testing"

	"weir/internal/record"
	"weir/internal/segment"
	"weir/internal/vfs"
)

const (
	benchRecords = 50_000
	benchSize    = 1 << 10
)

func benchRuns() []run {
	r := run{log: 1}
	for i := range record.Offset(benchRecords) {
		r.messages = append(r.messages, makeMessage(i, record.Envelope{Timestamp: 1}, benchSize))
	}
	return []run{r}
}

func BenchmarkWrite(b *testing.B) {
	runs := benchRuns()
	path := filepath.Join(b.TempDir(), "bench.seg")
	b.SetBytes(benchRecords * benchSize)
	b.ReportAllocs()
	for b.Loop() {
		_, err := write(vfs.OS(), path, runs)
		must(b, err)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/benchRecords, "ns/record")
}

func BenchmarkRead(b *testing.B) {
	path := filepath.Join(b.TempDir(), "bench.seg")
	_, err := write(vfs.OS(), path, benchRuns())
	must(b, err)
	r, err := segment.Open(vfs.OS(), path)
	must(b, err)
	defer r.Close()
	b.SetBytes(benchRecords * benchSize)
	b.ReportAllocs()
	for b.Loop() {
		must(b, r.Read(1, 0, 1<<40, nil, func(segment.Entry) bool { return true }))
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/benchRecords, "ns/record")
}
