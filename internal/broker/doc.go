// Package broker is the narrow waist: the one surface every dialect stands on,
// and the engine behind it. It declares, publishes, attaches, settles, reads and
// browses; it knows no protocol.
//
// Two consumption shapes only: an attachment with credit and settlement, and a
// positional read. A publish is routed and authorised on the caller's goroutine,
// ordered on its shard's goroutine, and completed after it is durable.
//
// Invariants: a completion never precedes durability of every target; what one
// Publisher sends to one log keeps its order; Sink methods never block; names
// below this package never appear above it and the other way round.
//
// Concurrency: Broker is safe for concurrent use. A Session, with its Publishers
// and the calls on its Attachments, belongs to one goroutine (the connection's);
// Sink and completion callbacks run on engine goroutines and must only append to
// the connection's out-buffer.
package broker
