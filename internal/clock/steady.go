package clock

import (
	"sync/atomic"
	"time"
)

const (
	// steadySpan is how often the broker's time is held against the wall clock, and
	// how long a correction takes.
	steadySpan = int64(time.Second)
	// steadyPart of the time that passes is what a correction may take or give.
	steadyPart = 10
	// sleptMin tells a machine that slept from the noise of two clocks.
	sleptMin = int64(time.Second)
)

// unset is before any time that a clock shows once it has been set.
var unset = time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC).UnixNano()

// Steady makes the broker's time of three sources: one that never goes back and
// keeps its pace where the wall clock is set forward or back, and is right in the
// end all the same. It runs with elapsed and drifts towards wall by at most a tenth
// of the time that passes, so that a deadline is off by no more than that. Only a
// machine that slept, and a clock that had not been set at all, let it leap forward.
type Steady struct {
	source Source
	anchor atomic.Pointer[anchor]
}

// Source is where a Steady takes time from.
type Source struct {
	// Now returns the wall time in unix nanoseconds and what a clock shows that
	// runs evenly, in nanoseconds since any moment.
	Now func() (wall, elapsed int64)
	// Slept is how long the machine has slept so far, which elapsed does not show.
	Slept func() int64
}

// anchor is the line that time follows for the next span.
type anchor struct {
	elapsed int64 // of the source
	time    int64 // the broker's then, in unix nanoseconds
	correct int64 // to add over the span
	slept   int64
}

// NewSteady begins at the source's wall time.
func NewSteady(s Source) *Steady {
	c := &Steady{source: s}
	wall, elapsed := s.Now()
	c.anchor.Store(&anchor{elapsed: elapsed, time: wall, slept: s.Slept()})
	return c
}

// Millis is the time in unix milliseconds.
func (c *Steady) Millis() int64 {
	for {
		wall, elapsed := c.source.Now()
		a := c.anchor.Load()
		passed := elapsed - a.elapsed
		now := a.time + passed + a.correct*min(passed, steadySpan)/steadySpan
		if passed < steadySpan {
			return now / int64(time.Millisecond)
		}
		c.anchor.CompareAndSwap(a, c.next(a, wall, elapsed, now)) // else somebody has just done it
	}
}

// next is the anchor after a, at a moment at which the time is now.
func (c *Steady) next(a *anchor, wall, elapsed, now int64) *anchor {
	next := &anchor{elapsed: elapsed, time: now, slept: a.slept}
	ahead := wall - now
	if ahead > sleptMin {
		next.leap(ahead, c.source.Slept(), wall)
		ahead = wall - next.time
	}
	next.correct = max(-steadySpan/steadyPart, min(ahead, steadySpan/steadyPart))
	return next
}

// leap goes ahead at once where the machine slept or its clock has been set at last.
func (a *anchor) leap(ahead, slept, wall int64) {
	if a.time < unset {
		a.time = wall
	} else if d := slept - a.slept; d > 0 {
		a.time += min(d, ahead)
	}
	a.slept = slept
}
