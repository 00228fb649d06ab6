// Package harness runs the scenarios of the clients that are written in Go:
// one line on standard output per scenario, and brokers of their own for those
// that kill one.
//
// A scenario fails by returning an error; one that hangs is given up after
// scenarioMax. Scenarios run one after the other on the calling goroutine's
// behalf; a Broker belongs to the scenario that started it.
//
// Entry points: Main, StartBroker, Expect.
package harness
