package main

import (
	"testing"

	"weir/internal/server"
)

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

func TestMemoryFitsTheLimit(t *testing.T) {
	const mb = 1 << 20
	for _, row := range []struct{ limit, tail, soft int64 }{
		{0, 128 * mb, 320 * mb},
		{4096 * mb, 128 * mb, 320 * mb},
		{400 * mb, 100 * mb, 264 * mb},
		{100 * mb, 25 * mb, 90 * mb},
		{2 * mb, 1 * mb, 2 * mb * 9 / 10},
	} {
		m := memory{limit: row.limit}
		c := server.Default()
		m.fit(&c)
		if soft := m.soft(c.Storage.TailBytes); c.Storage.TailBytes != row.tail || soft/mb != row.soft/mb {
			t.Errorf("of %d MB the tail has %d bytes, the runtime %d", row.limit/mb, c.Storage.TailBytes, soft)
		}
	}
	if soft := (memory{limit: 100 * mb}).soft(1024 * mb); soft/mb != 89 && soft/mb != 90 {
		t.Errorf("with a tail that is too large the runtime has %d bytes", soft)
	}
}
