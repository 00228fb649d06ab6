// Package wire holds what every decoder needs: a bounds-checked reader over
// bytes that came from the network, and pools of the buffers they come in.
//
// It knows no protocol. A Reader never allocates and never panics; the first
// read beyond the end marks it short, and everything read after that is zero.
//
// Concurrency: a Reader belongs to one goroutine; the pools are free to all.
package wire
