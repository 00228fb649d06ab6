package clock

import "time"

// Clock tells the time and wakes its callers.
type Clock interface {
	// Now is the wall time. It may jump; nothing durable may depend on it growing.
	Now() time.Time
	// Millis is Now in unix milliseconds.
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

func (system) Now() time.Time { return time.Now() }
func (system) Millis() int64  { return time.Now().UnixMilli() }
func (system) AfterFunc(d time.Duration, f func()) Timer {
	return time.AfterFunc(d, f)
}
