// Package host runs worlds of package sim so that equal seeds have equal histories:
// it compiles the guest for WASI with the Go toolchain and runs it under wazero,
// one instance per world. What could differ between two runs comes from here: the
// clock is a counter that moves when the guest looks at it and jumps when the guest
// sleeps, and the bytes of chance follow from the seed, with which the guest's
// runtime seeds its maps and selects as well.
//
// Concurrency: a Host may run several worlds at once.
package host
