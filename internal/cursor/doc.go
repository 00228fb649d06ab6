// Package cursor keeps the book of one queue: which messages of a log are not
// settled yet, which of those are ready, leased, delayed, held or dead, who may
// have the next one, and when something will want attention again.
//
// It is not a store of messages: it knows offsets and a few attributes of them,
// never bytes. It is not replicated by itself: the shard feeds it committed
// commands, and the leader's broker drives the local half.
//
// A Settling has two halves.
//
// The replicated half is a function of the commands applied, in order: Append,
// AppendRestored, Settle, Release, ReleaseOne, Bury, Reopen, Delivered. It is the
// set of unsettled offsets, the delivery counts of returned messages, the dead
// messages and the high-water mark. AppendState writes it canonically: equal
// histories give equal bytes, whatever the local half did in between.
//
// The local half is the leader's: consumers, credit, leases, timers, tokens,
// and what is held because a command about it has been proposed. It is lost on
// a change of leadership (ResetLocal), which can only cause a redelivery.
//
// Invariant: every unsettled offset is in exactly one of the states ready,
// delayed, leased by one consumer, held, dead. Held means that no consumer can
// get it until a command about it is applied or Unhold takes it back.
//
// Memory: a few bits per message in the usual case, because all membership is
// in Sets (chunked bitmaps in which a run of full chunks costs 16 bytes). Only
// messages with an expiry or a due time (16 bytes), a priority (1 byte), an
// exact size because MaxBytes is set (4 bytes), or a lease that can time out
// (8 bytes) cost more. An idle queue costs a few hundred bytes.
//
// Concurrency: none. One goroutine owns a Settling or a Set. Time is handed in
// as unix milliseconds and never read from a clock.
//
// A turn of dispatch calls Expired and Overflowing and proposes what they held,
// then loops Peek, Pick, Lease until one of them declines, then asks Deadline.
package cursor
