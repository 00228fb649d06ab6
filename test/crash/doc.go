// Command crash kills the real broker under load, again and again on the same
// data directory, and checks after every restart what clients had been promised:
// no confirmed message lost, reordered, changed or invented, none that came back
// although it was settled in time, none that reappears after it was seen gone.
// Beside that, of Kafka's clients: acknowledged records are there, once, in order
// and where they were; a copier's transactions leave exactly the beginning of what
// it copies, as far as its position says; no group goes back behind what it
// committed or passes a record over; nothing is shared again after its
// acceptance was acknowledged; what compaction and retention must keep is kept.
// And of both: transactions are whole or not at all, messages on their way to
// another queue or to their time are somewhere, and what is made and deleted all
// the time is there or not as was answered.
//
// The ends it makes: SIGKILL at a random moment of load, also after a SIGSTOP,
// also during recovery; a log device that fails or is slow (-mode eio and slow,
// through strace); a file system that runs full (-mode full, on a small tmpfs).
// What it cannot make is a power cut: the page cache survives SIGKILL. The
// crash-clone tests of the packages do that.
//
// Lives belong to worlds, a data directory with its clients' history; -jobs of
// them run at once. One line per life, with the seed at the top; the random
// choices repeat with the seed, the timing of the processes does not. At the end
// there is a line per mode. The exit status is 1 on any violation, and the world's
// data directory and the broker's own output are kept.
package main
