package admin

import (
	"testing"
)

func TestRatesAreSinceTheLastLook(t *testing.T) {
	var r rates
	published := 100.0
	look := func(now int64, want float64) {
		t.Helper()
		if got := r.of("q", now, []float64{published})[0]; got != want {
			t.Errorf("at %d: %v, want %v", now, got, want)
		}
	}
	look(0, 0)
	published = 150
	look(1_000, 0) // too soon to say
	look(10_000, 5)
	published = 151
	look(11_000, 5)
	look(20_000, 0.1)
	look(30_000, 0)
}

func TestRatesForgetObjectsThatAreGone(t *testing.T) {
	var r rates
	for i := range 1500 {
		r.of(i, 0, nil)
	}
	r.prune(10, sampleMillisMax)
	if len(r.samples) != 1500 {
		t.Errorf("%d samples too early", len(r.samples))
	}
	r.of(7, sampleMillisMax, nil)
	r.prune(10, sampleMillisMax+1)
	if len(r.samples) != 1 {
		t.Errorf("%d samples", len(r.samples))
	}
}
