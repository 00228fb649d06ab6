// Package route matches one published message against the bindings of one
// exchange. It knows the seven ways of matching (Kind) and nothing of queues,
// names or protocols: a binding leads to a Target, a number its owner chose.
//
// It does not follow a target that is an exchange itself, keep history, delay
// messages or check permissions.
//
// Meaning is RabbitMQ's. A topic key is split at dots, the empty key has no
// words, * stands for one word and # for any number of them. A headers binding
// with all and no header matches everything, one with any and no header matches
// nothing; headers whose name begins with x- count only in the with-x modes; a
// binding's nil value asks for the header to be there.
//
// Hashes are this package's own, and they are part of its contract: which
// target a key leads to is a function of the bindings there are, not of the
// order they came in, and is the same in every process and release. Adding or
// removing a binding of a consistent hash moves only the keys that it wins or
// had.
//
// Invariant: a binding is identified by its target, key, mode and headers, in
// any order; adding it twice adds it once. Match gives each target once.
//
// Concurrency: Match, Len and the iterators may run at the same time in many
// goroutines as long as no method that changes the table runs.
package route
