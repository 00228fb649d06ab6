// Package clock is the only place that reads the wall clock or makes timers, so
// that tests and the simulator can put their own time in its stead.
//
// Concurrency: a Clock may be used by any goroutine.
package clock
