// Package server is the composition root: it reads the configuration, builds
// the broker and its doors, starts them in order and stops them in the opposite
// one. It is the only place that knows every package.
//
// Concurrency: Run belongs to one goroutine; everything it builds has its own.
package server
