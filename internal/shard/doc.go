// Package shard is the state machine of a data shard: its logs, their cursors,
// de-duplication, and on the leader the hand-out of messages to consumers.
//
// It does no I/O, starts no goroutine and reads no clock: entries, the time and
// what was read from disk come in; commands to propose, deliveries and reads to
// make go out. It knows neither names nor dialects.
//
// Invariants: replicated state changes only in Apply and is a function of the
// entries alone; what the leader decides by time, credit or limits becomes a
// command first; a message is in the tail or on the shelf as long as it is wanted.
//
// Concurrency: a Machine belongs to its shard's goroutine.
package shard
