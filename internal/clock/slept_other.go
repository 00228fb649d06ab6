//go:build !linux

package clock

// slept is unknown here: time then drifts to where the wall clock is.
func slept() int64 { return 0 }
