package stats_test

import (
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"weir/internal/stats"
)

func TestHistogramBuckets(t *testing.T) {
	var h stats.Histogram
	for _, d := range []time.Duration{-1, 0, time.Microsecond, 3 * time.Microsecond, time.Hour} {
		h.Observe(d)
	}
	counts, sum := h.Snapshot()
	want := map[int]uint64{0: 2, 1: 1, 2: 1, stats.HistogramBuckets - 1: 1}
	for i, n := range counts {
		if n != want[i] {
			t.Errorf("bucket %d: %d, want %d", i, n, want[i])
		}
	}
	if want := time.Hour + 4*time.Microsecond; sum != want {
		t.Errorf("sum %v, want %v", sum, want)
	}
}

func TestText(t *testing.T) {
	var b strings.Builder
	w := stats.NewWriter(&b)
	w.One("a", "the a", stats.Gauge, 1.5)
	w.Begin("b_total", "the b", stats.Counter)
	w.Sample("b_total", 1e15, "q", "x\"\\\ny", "v", "/")
	w.Histogram("c_seconds", "the c", []uint64{1, 2, 3}, 2*time.Second)
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	want := `# HELP a the a
# TYPE a gauge
a 1.5
# HELP b_total the b
# TYPE b_total counter
b_total{q="x\"\\\ny",v="/"} 1000000000000000
# HELP c_seconds the c
# TYPE c_seconds histogram
c_seconds_bucket{le="1e-06"} 1
c_seconds_bucket{le="2e-06"} 3
c_seconds_bucket{le="+Inf"} 6
c_seconds_sum 2
c_seconds_count 6
`
	if b.String() != want {
		t.Errorf("got\n%s\nwant\n%s", b.String(), want)
	}
}

func TestSampleAllocatesNothing(t *testing.T) {
	w := stats.NewWriter(io.Discard)
	w.Sample("weir_queue_messages_ready", 12345, "vhost", "/", "queue", "orders")
	if n := testing.AllocsPerRun(1000, func() {
		w.Sample("weir_queue_messages_ready", 12345, "vhost", "/", "queue", "orders")
	}); n > 0 {
		t.Errorf("%v allocations per sample", n)
	}
}

type broken struct{}

var errBroken = errors.New("broken")

func (broken) Write([]byte) (int, error) { return 0, errBroken }

func TestFlushReportsTheError(t *testing.T) {
	w := stats.NewWriter(broken{})
	for range 10_000 {
		w.One("a", "the a", stats.Gauge, 1)
	}
	if err := w.Flush(); !errors.Is(err, errBroken) {
		t.Errorf("err %v", err)
	}
}
