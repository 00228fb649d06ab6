// Package bench drives any AMQP 0-9-1 broker and measures it: closed loop for
// the highest rate, open loop for latency at a fixed rate. It is a client of its
// own, lean enough that the broker and not the client is what is measured.
//
// It is not a client library: it knows one way of publishing and consuming.
//
// Invariants: latency is measured from when a message was due to be sent, not
// from when it was; every message carries that time, its producer and a sequence,
// so that loss, duplicates and disorder are counted, not assumed away.
//
// Concurrency: a Run has two goroutines per producer and one per consumer; each
// has histograms of its own, merged at the end.
package bench
