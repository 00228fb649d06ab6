package main

import "testing"

func TestGCPercent(t *testing.T) {
	const mb = 1 << 20
	for _, row := range []struct {
		live int64
		want int
	}{{0, gcPercentMax}, {10 * mb, gcPercentMax}, {96 * mb, 100}, {150 * mb, gcPercentMin}, {500 * mb, gcPercentMin}} {
		if got := gcPercent(192*mb, row.live); got != row.want {
			t.Errorf("%d MB live: %d, not %d", row.live/mb, got, row.want)
		}
	}
}
