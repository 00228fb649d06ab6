// Package kafka speaks the Apache Kafka protocol to unmodified clients.
//
// A request is read whole, within a budget for its frame, and answered in order.
// Record batches are stored as they were sent; only their base offset and leader
// epoch are written anew when they are fetched.
//
// It coordinates groups of consumers: package group decides, a hosted group keeps
// what was decided in a ledger before anybody hears of it. What is not answered is
// not advertised by ApiVersions.
//
// Invariants: nothing of a batch is stored before its length, checksum and counts
// agree; an answer to Produce never precedes the durability of its batches.
//
// Concurrency: each connection belongs to one goroutine; completions of appends
// run on engine goroutines and only hand over their result. A group belongs to one
// request or timer at a time, in turns.
package kafka
