// Package codec reads and writes AMQP 0-9-1 as it stands on the wire, in both
// directions: frames, methods, content headers and field tables.
//
// It keeps no connection state and decides nothing: it says whether bytes are
// well-formed, and the server and the bench client do the rest.
//
// Invariants: decoding never panics, never recurses, allocates at most a small
// multiple of its input (most of it allocates nothing: results alias the
// input), and refuses trailing bytes. Encoding what was decoded gives the same
// bytes, but for bits and tickets the specification reserves.
//
// Concurrency: pure functions and values.
//
// Entry points: Frame, the method structs with Decode and Append, Properties,
// Table, and the Append functions that build whole frames.
package codec
