// Package store keeps the messages of one shard: the Tail in memory, where every
// new message is, and the Shelf on disk, where those stand that outlived it.
//
// It knows records, logs and offsets, not queues: its owner says which messages
// are still wanted.
//
// Invariants: a slab is the very buffer of a replicated entry and is never
// changed; a message leaves the tail only when it is settled or on the shelf; a
// file leaves the disk only after a checkpoint no longer names it.
//
// Concurrency: a Tail belongs to its shard's goroutine. A Shelf is changed by
// that goroutine only and read by any, under its lock; Write and Rewrite do
// their I/O on the goroutine that calls them, which is never the shard's.
package store
