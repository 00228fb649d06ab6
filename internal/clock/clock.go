package clock

import "time"

// Clock tells the time and wakes its callers.
type Clock interface {
	// Now is the wall time. It may jump; nothing durable may depend on it growing.
	Now() time.Time
	// Millis is the broker's time in unix milliseconds, for deadlines and ages. It
	// never goes back and does not follow the wall clock's jumps; see Steady.
	Millis() int64
	// AfterFunc runs f in its own goroutine once d has passed.
	AfterFunc(d time.Duration, f func()) Timer
}

// Timer is a pending AfterFunc.
type Timer interface {
	// Stop prevents the call; false says it ran already or was stopped.
	Stop() bool
	// Reset makes the call happen d from now.
	Reset(d time.Duration) bool
}

// System is the machine's own clock.
func System() Clock { return system{} }

type system struct{}

// steady is one for the process: its parts agree on the time.
var steady = NewSteady(Source{Now: systemNow, Slept: slept})

var processBegan = time.Now()

func systemNow() (wall, elapsed int64) {
	now := time.Now()
	return now.UnixNano(), int64(now.Sub(processBegan))
}

func (system) Now() time.Time { return time.Now() }
func (system) Millis() int64  { return steady.Millis() }
func (system) AfterFunc(d time.Duration, f func()) Timer {
	return time.AfterFunc(d, f)
}
