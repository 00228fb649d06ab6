// Package invariant holds the assertions of the engine. A broken invariant in
// storage, replication or a state machine must stop the process: going on would
// spread the damage to disk and to peers.
//
// It is not for bad input: a client's mistake is an error value.
//
// Concurrency: any goroutine may call it.
package invariant
