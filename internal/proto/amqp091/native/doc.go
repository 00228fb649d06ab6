// Package native is what every door that speaks AMQP 0-9-1's words shares: the
// bytes a message of the dialect is stored as, how routers see its headers and
// properties, and what the arguments of queues, exchanges, bindings and
// consumers mean to the broker.
//
// It knows no frames, channels, reply codes or HTTP: a door hands it decoded
// tables and properties and phrases what it refuses (Error).
//
// Invariants:
//   - What is stored opens into its parts, which put together are the same bytes
//     (message.go has the table).
//   - An argument RabbitMQ knows is read, accepted as a hint, or refused; it is
//     never dropped in silence. Arguments of nobody are kept.
//   - Two declarations are equivalent exactly where RabbitMQ would say so;
//     integers of any width are alike.
//   - Reading what routers and the engine need of a publish without such headers
//     allocates nothing.
//
// Concurrency: pure functions; Headers belongs to one goroutine.
//
// Entry points: Open, OpenRecord, Parts; Describe; ReadQueue, ReadExchange,
// ReadMatch, ReadConsumer.
package native
