// Package clock is the only place that reads the wall clock or makes timers, so
// that tests and the simulator can put their own time in its stead. It also makes
// of the wall clock, which may jump, the time that the broker's deadlines and ages
// are in, which does not.
//
// Concurrency: a Clock may be used by any goroutine.
package clock
