// Command sim runs worlds of internal/sim: one with its whole history, or many with
// a line each. Equal seeds of one build have equal histories, down to the byte; the
// line of a world ends with a hash of it. The history of a world that fails is kept,
// and running its seed again shows it again.
package main
