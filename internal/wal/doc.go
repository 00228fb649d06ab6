// Package wal is the node's one write-ahead log, shared by all of its shards.
//
// It is not an index: it hands every retained record to the opener once, in
// append order, and after that it only appends. It knows nothing of what a
// record means beyond the shard and index by which it is released.
//
// One writer goroutine takes whatever was queued while the last sync ran and
// makes it durable with one vectored write and one sync; there are no timers in
// the default mode. A second goroutine keeps a prepared file ahead of the
// writer and recycles those the checkpoints have passed.
//
// Invariants:
//   - A record is acknowledged only after a sync that covers it. After a failed
//     write or sync nothing is acknowledged again.
//   - Groups are written one at a time and whole; all of a file is durable
//     before the first group of the next file is written.
//   - Files are released oldest first, so that what is retained is always a
//     suffix of what was appended.
//   - Recovery never writes behind a torn tail: it goes on in another file,
//     whose link says where the torn one ends.
//
// The bytes are described at putHeader and in docs/format/wal.md.
//
// Concurrency: every method may be called by any goroutine.
//
// Entry points: Open, WAL.Append, WAL.Release; Verify and Dump work offline.
package wal
