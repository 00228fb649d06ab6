// Package segment is the immutable file in which records lie that are still
// wanted when they leave memory.
//
// A file holds runs, one per log, in order of log id: a busy log's segment is a
// file of one run, and what is left of thousands of small logs shares one.
//
// It is not a store: which files belong to a log, and when one may be removed,
// is for the layer above to know.
//
// Invariants: a file has its final name only once all of it is durable, and is
// never written again. Every byte is under a checksum, and nothing is handed
// out before its checksum was verified; damage is a *vfs.CorruptError.
//
// The bytes are described in format.go and docs/format/segment.md.
//
// Concurrency: a Writer is one goroutine's; a Reader is anybody's.
//
// Entry points: Create, Open; Verify and Dump look at a file offline.
package segment
