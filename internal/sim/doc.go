// Package sim is a whole world for the broker: nodes with disks and clocks, a
// network, and clients of both dialects, in which everything goes wrong that can,
// and in which everything that happens follows from one seed.
//
// The production packages run in it unchanged, from the doors of internal/server
// down, and so do the clients' own libraries. What makes the history repeat is
// where it runs: the guest is compiled for WASI, where one thread runs all
// goroutines, and its host (package host) gives it time and chance. Virtual time
// passes when nobody has anything to do.
//
// A world is made of lives (processes of the broker, with a gate that a paused or
// ended one does not pass), disks (internal/vfs.Mem: torn, reordered and lost
// writes, device errors, no room, stalls, changed bits), a network (TCP over
// segments that are lost, doubled, delayed and overtaken, one-way cuts, resets) and
// programs (the clients). The witness compares what is applied with what was
// applied before at the same index, the book holds what clients were promised
// against what they find.
//
// Invariants: every choice comes from the world's dice; nothing reads the real
// clock or network; an ended life never acts again.
//
// Concurrency: as in production. In the guest only one goroutine runs at a time,
// and none is interrupted.
package sim
