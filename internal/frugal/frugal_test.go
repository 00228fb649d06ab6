package frugal_test

import (
	"runtime"
	"testing"
	"time"

	"weir/internal/frugal"
)

// verdict is a test that takes note of its failure.
type verdict struct {
	testing.TB
	failed bool
}

func (*verdict) Helper() {}

func (v *verdict) Fatalf(string, ...any) { v.failed = true }

var sink []byte

func TestCheck(t *testing.T) {
	ran := 0
	for name, c := range map[string]struct {
		input int
		run   func()
		fails bool
	}{
		"nothing":             {0, func() {}, false},
		"what input explains": {16 << 10, func() { sink = make([]byte, 1<<20) }, false},
		"too much":            {1, func() { sink = make([]byte, 1<<20) }, true},
		"too much once":       {1, func() { ran++; sink = make([]byte, 1<<20>>(10*min(ran-1, 1))) }, false},
		"too long":            {1, spin, true},
		"long input":          {1 << 20, spin, false},
	} {
		v := &verdict{TB: t}
		frugal.Check(v, c.input, 0, c.run)
		if v.failed != c.fails {
			t.Errorf("%s: failed %v", name, v.failed)
		}
	}
	v := &verdict{TB: t}
	if frugal.CheckWithin(v, 1, 1<<20, time.Minute, func() { spin(); sink = make([]byte, 1<<20) }); v.failed {
		t.Error("what is allowed for any input fails")
	}
	runtime.KeepAlive(sink)
}

// spin takes a little longer than a short input may, also in a slow build.
func spin() {
	for begun := time.Now(); time.Since(begun) < 11*frugal.TimePerBlock; {
	}
}

// failure takes note of Errorf.
type failure struct {
	testing.TB
	failed bool
}

func (*failure) Helper() {}

func (v *failure) Errorf(string, ...any) { v.failed = true }

func TestBudget(t *testing.T) {
	for most, fails := range map[float64]bool{0.5: true, 2: false} {
		v := &failure{TB: t}
		frugal.Budget(v, 10, most, func() {
			for range 10 {
				sink = make([]byte, 64)
			}
		})
		if v.failed != fails {
			t.Errorf("budget %v: failed %v", most, v.failed)
		}
	}
}
