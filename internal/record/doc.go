// Package record defines what the engine knows of a message: the numbers that
// address it and the small envelope in front of the publisher's native bytes.
//
// It is not a neutral message format: the native bytes stay as the publisher's
// dialect wrote them, and only a reader of another dialect opens them.
//
// Invariants: a record is immutable once encoded, and its bytes are the same in
// a replicated entry, in the tail, in a segment and in a delivery.
//
// Concurrency: pure functions over byte slices; anybody may call them.
package record
