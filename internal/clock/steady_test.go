package clock_test

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"weir/internal/clock"
)

// machine is a source that can be set.
type machine struct{ wall, elapsed, slept int64 }

func (m *machine) source() clock.Source {
	return clock.Source{Now: func() (int64, int64) { return m.wall, m.elapsed }, Slept: func() int64 { return m.slept }}
}

func (m *machine) pass(d time.Duration) {
	m.wall += int64(d)
	m.elapsed += int64(d)
}

func begin(at time.Time) (*machine, *clock.Steady) {
	m := &machine{wall: at.UnixNano(), elapsed: 5}
	return m, clock.NewSteady(m.source())
}

var today = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

// TestJumpsAreNotFollowed sets the clock back and forth: deadlines stay where they
// were, but for a tenth, and in the end the time is right.
func TestJumpsAreNotFollowed(t *testing.T) {
	for _, jump := range []time.Duration{-24 * time.Hour, -time.Hour, -time.Second, time.Second, time.Hour, 24 * time.Hour} {
		m, c := begin(today)
		before := c.Millis()
		m.wall += int64(jump)
		for range 60 {
			m.pass(time.Second)
			c.Millis()
		}
		if passed := c.Millis() - before; passed < 53_000 || passed > 67_000 {
			t.Errorf("jump by %v: a minute took %d ms", jump, passed)
		}
		for range 20 * int(jump.Abs()/time.Second) {
			m.pass(time.Second)
			c.Millis()
		}
		if now := c.Millis(); now != m.wall/1e6 {
			t.Errorf("jump by %v: off by %d ms in the end", jump, now-m.wall/1e6)
		}
	}
}

// TestSleepAndFirstSettingAreFollowed wakes a machine and sets a clock that was not.
func TestSleepAndFirstSettingAreFollowed(t *testing.T) {
	m, c := begin(today)
	m.wall += int64(8 * time.Hour)
	m.slept += int64(8 * time.Hour)
	m.pass(time.Second)
	if now := c.Millis(); now != m.wall/1e6 {
		t.Errorf("after a night asleep off by %d ms", now-m.wall/1e6)
	}
	m, c = begin(time.Unix(60, 0))
	m.wall = today.UnixNano()
	m.pass(time.Second)
	if now := c.Millis(); now != m.wall/1e6 {
		t.Errorf("after the first setting off by %d ms", now-m.wall/1e6)
	}
}

// TestNeverBack looks at random moments of a machine whose clock is set at random.
func TestNeverBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m, c := begin(today)
		last := c.Millis()
		for range rapid.IntRange(1, 100).Draw(t, "looks") {
			m.pass(time.Duration(rapid.Int64Range(0, int64(3*time.Second)).Draw(t, "passes")))
			if rapid.Bool().Draw(t, "set") {
				m.wall += rapid.Int64Range(-int64(time.Hour), int64(time.Hour)).Draw(t, "by")
			}
			now := c.Millis()
			if now < last {
				t.Fatalf("%d after %d", now, last)
			}
			last = now
		}
	})
}

func BenchmarkMillis(b *testing.B) {
	c := clock.System()
	for b.Loop() {
		c.Millis()
	}
}
