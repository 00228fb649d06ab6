package frugal

import "testing"

// Budget fails where each of so many operations that run does allocates more often
// than most, on average. It measures several times and takes the least: other
// goroutines allocate too. Instrumented builds, where the runtime allocates
// besides, are not measured.
func Budget(t testing.TB, operations int, most float64, run func()) {
	t.Helper()
	if slower > 1 {
		t.Skip("allocations are not counted under the race detector")
	}
	least := testing.AllocsPerRun(1, run)
	for range attempts {
		least = min(least, testing.AllocsPerRun(3, run))
	}
	if each := least / float64(operations); each > most {
		t.Errorf("%.3f allocations each, the budget is %.3f", each, most)
	} else {
		t.Logf("%.3f allocations each, the budget is %.3f", each, most)
	}
}
