package admin

import (
	"testing"

	"weir/internal/broker"
	"weir/internal/record"
)

func TestRatesAreSinceTheLastLook(t *testing.T) {
	var r rates
	q := broker.QueueInfo{Log: 1, Published: 100, Total: 100}
	look := func(now int64, want float64) {
		t.Helper()
		if got := r.of(&q, now).published; got != want {
			t.Errorf("at %d: %v, want %v", now, got, want)
		}
	}
	look(0, 0)
	q.Published = 150
	look(1_000, 0) // too soon to say
	look(10_000, 5)
	q.Published = 151
	look(11_000, 5)
	look(20_000, 0.1)
	look(30_000, 0)
}

func TestRatesForgetQueuesThatAreGone(t *testing.T) {
	var r rates
	for i := range 500 {
		r.of(&broker.QueueInfo{Log: record.LogID(i)}, 0)
	}
	r.prune(10, sampleMillisMax)
	if len(r.samples) != 500 {
		t.Errorf("%d samples too early", len(r.samples))
	}
	r.of(&broker.QueueInfo{Log: 7}, sampleMillisMax)
	r.prune(10, sampleMillisMax+1)
	if len(r.samples) != 1 {
		t.Errorf("%d samples", len(r.samples))
	}
}
