// Package stats holds counters and histograms, and writes them as text.
//
// A Histogram counts durations in buckets of powers of two: cheap to observe, and
// exact enough to tell a microsecond from a millisecond. A Writer streams the
// Prometheus text format without building anything in memory.
//
// Concurrency: Histogram is safe for concurrent use; a Writer belongs to one
// goroutine.
package stats
