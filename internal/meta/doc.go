// Package meta is the state machine of the control shard: namespaces, queues,
// exchanges, bindings, users, permissions and where each log is placed.
//
// It is pure: commands come in decoded or as bytes, results and effects go out.
// It reads no clock, does no I/O and knows no dialect.
//
// Invariants: a log id is given out once and never again; a binding names two
// ends that exist; every change goes through Apply, so that the same commands
// give the same state on every node.
//
// Concurrency: none of its own. The owner serialises Apply and guards readers.
package meta
