// Package batch reads and writes Kafka's record batches of magic 2, their records
// and the four compressions.
//
// It is not where batches are checked against a topic's settings or a producer's
// sequence: it knows their bytes only.
//
// Invariants: what is handed out was inside the batch; unpacking never takes more
// memory than the caller's budget, whatever the batch says of itself.
//
// Concurrency: pure functions; what is pooled is safe for everybody.
//
// Entry points: Read, Batch.Records, Check, Compress; Opener for readers of any
// dialect.
package batch
