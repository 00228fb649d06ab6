//go:build race

package frugal

// slower is how much slower instrumented code may be.
const slower = 10
