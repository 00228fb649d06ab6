// Package vfs is the file seam: everything weir writes goes through an FS, so
// that a test or the simulator can put a crash or a failing disk in its stead.
//
// There are three implementations: OS is the machine's own file system, Mem
// lives in memory and can be cloned as power loss could have left it, and
// Inject puts errors (or an observer) in front of either.
//
// It is not a general file system: no append mode, no seek, no permissions, no
// links. Files are opened by path, read and written at offsets.
//
// Invariants: what File.Sync has returned for survives power loss (contents and
// size); what FS.SyncDir has returned for survives it too (names). Nothing else
// does. MkdirAll alone is durable when it returns.
//
// Concurrency: an FS and a File may be used by many goroutines at once; writes
// that overlap are the caller's to order.
package vfs
