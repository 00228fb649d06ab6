// Package listen owns the sockets: it binds addresses, accepts within limits,
// speaks TLS where a door asks for it and drains at shutdown. What is said on a
// connection is its door's handler's matter.
//
// Limits: connections of a door, of one remote address and of all doors, new ones per
// second, and TLS handshakes that compute at the same time.
//
// Invariants: every accepted connection is counted until its handler returns; a
// handler's panic costs its own connection only.
//
// Concurrency: a Door may be used by any goroutine; each connection has its own.
package listen
