// Package amqp091 serves AMQP 0-9-1 with RabbitMQ's extensions to its unmodified
// clients: it turns frames into calls on the waist and deliveries into frames.
//
// It keeps no message and decides no routing, ordering or durability. What it
// owns is what only this dialect has: channels, delivery tags, consumer tags,
// confirms, reply codes and deaths. What arguments mean and how a message is
// stored is shared with the HTTP door (package native).
//
// Invariants:
//   - Native bytes of a message are the exchange and routing key, size and
//     properties, and body as the publisher sent them (package native has the table).
//   - Per channel, delivery tags go out in ascending order, basic.return goes
//     out before the confirm of its message, and consume-ok before deliveries.
//   - Nothing is allocated from a length field; what waits for a client that
//     does not read is bounded by the session's byte window and replyBytesMax.
//
// Concurrency: a connection is one reader goroutine, which owns everything but
// the outbox, one writer goroutine, which exists only while there is traffic,
// and one timer. Engine goroutines only append to the outbox. The outbox mutex
// is a leaf: nothing is called while it is held.
//
// Entry points: New, Server.Serve, Server.Drain; DeadLetter, which the broker is
// handed at composition.
package amqp091
