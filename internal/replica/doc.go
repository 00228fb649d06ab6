// Package replica replicates a shard's entries: it drives one go.etcd.io/raft
// RawNode per group over the node's shared write-ahead log and hands committed
// entries to a Machine, in order, each exactly once per life of the process.
//
// It is not a goroutine of its own: the owner calls Step and Process from the
// shard's goroutine and is woken through Config.Wake. It does not know what an
// entry means. A Volatile group runs the same Machine without log or peers.
//
// Invariants: an entry is applied only after it is on stable storage of a quorum
// (with one voter: of this node); storage messages to one target are processed in
// order and never dropped; a write error never leads to an acknowledgement.
//
// Concurrency: a Group belongs to one goroutine. Only the write-ahead log's
// completions arrive from elsewhere, through a mutex-guarded list.
package replica
