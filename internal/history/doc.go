// Package history checks what concurrent clients were told against plain models:
// a history is right if every operation could have happened at one moment between
// its beginning and its end, in the order the model allows (linearizability).
//
// Clients say Begin before they ask and End when they are told. A crash ends what
// is open without an answer; Settle then decides from what was seen later whether
// such an operation happened, which keeps the models free of choices. Queue, Log,
// Lock and Register are the models; QueueRun, LogRun and RegisterRun are clients that ask at
// random. All serve tests and the simulator alike: a history has no clock, only an
// order.
package history
