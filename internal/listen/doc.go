// Package listen owns the sockets: it binds addresses, accepts within limits,
// speaks TLS where a door asks for it and drains at shutdown. What is said on a
// connection is its door's handler's matter.
//
// Invariants: every accepted connection is counted until its handler returns; a
// handler's panic costs its own connection only.
//
// Concurrency: a Door may be used by any goroutine; each connection has its own.
package listen
