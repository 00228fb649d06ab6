// Package checkpoint keeps one shard's state on disk as keys and values, all of
// which the shard also has in memory.
//
// It is not a database: there is no lookup. Open streams the newest state once;
// after that every Write adds one file with what changed, and Compact now and
// then merges base and deltas into a new base.
//
// Invariants:
//   - A file has its final name only once all of it is durable, and is never
//     written again. The state is the newest base and every delta behind it.
//   - Write has returned: that checkpoint, and what it says of index, term and
//     vote, survives power loss. It has not: the one before it does.
//   - Old files go only after the base that replaces them is durable.
//   - Every byte is under a checksum; damage is a *vfs.CorruptError.
//
// The bytes are described in format.go and docs/format/checkpoint.md.
//
// Concurrency: Write, Replace and Compact may be called from different
// goroutines; Compact does not hold up Write.
//
// Entry points: Open, Store.Write, Store.Compact; Verify and Dump work offline.
package checkpoint
