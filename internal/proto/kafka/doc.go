// Package kafka speaks the Apache Kafka protocol to unmodified clients.
//
// A request is read whole, within a budget for its frame, and answered in order.
// Record batches are stored as they were sent; only their base offset and leader
// epoch are written anew when they are fetched.
//
// It coordinates groups of consumers, share groups and transactions: package group
// decides about members, what was decided stands in a ledger before anybody hears
// of it, and a transaction ends by one change of its note, its partitions and its
// groups' positions. What is not answered is not advertised by ApiVersions.
//
// Invariants: nothing of a batch is stored before its length, checksum and counts
// agree; an answer to Produce never precedes the durability of its batches.
//
// Concurrency: each connection belongs to one goroutine, but for the answers to
// Produce, which another one writes while nothing else is answered; completions of
// appends run on engine goroutines and only hand over their result. A group belongs
// to one request or timer at a time, in turns; a transactional id to who holds its
// mutex.
package kafka
