package main

import (
	"fmt"
	"sync"
	"time"
)

// fate is what is known of one message in one queue.
type fate uint8

const (
	unknown fate = iota // sent, not answered
	stored              // confirmed or seen: it has to be there
	gone                // seen to be missing when it was allowed to: never again
)

// ackGrace is the age at which an acknowledgement may not be lost any more by a
// crash: settles are written within milliseconds, the machine may be busy.
const ackGrace = 2 * time.Second

// entry is one message's history in one queue.
type entry struct {
	fate  fate
	acked time.Time // last acknowledgement sent, if not zero
	life  int       // of the broker, when it was sent
	seen  int       // life in which it was delivered last; 0: never
}

// track is what one producer sent to one queue, by sequence number.
type track struct {
	queue, producer string

	mu      sync.Mutex
	entries []entry
}

func (t *track) errorf(sequence int, format string, args ...any) error {
	return fmt.Errorf("queue %s, producer %s, message %d: %s", t.queue, t.producer, sequence, fmt.Sprintf(format, args...))
}

func (t *track) sent() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.entries = append(t.entries, entry{})
}

func (t *track) confirmed(sequence int) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.entries[sequence].fate == gone {
		return t.errorf(sequence, "confirmed after it was gone")
	}
	t.entries[sequence].fate = stored
	return nil
}

// delivered checks a delivery during load: what a client sees is durable.
func (t *track) delivered(sequence, life int, again bool) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if sequence >= len(t.entries) {
		return t.errorf(sequence, "invented: only %d were sent", len(t.entries))
	}
	e := &t.entries[sequence]
	switch {
	case e.fate == gone:
		return t.errorf(sequence, "came back after it was gone")
	case !e.acked.IsZero() && e.life == life:
		return t.errorf(sequence, "delivered again after its acknowledgement")
	}
	e.fate = stored
	return t.marked(e, sequence, life, again)
}

// looked notes that a message was delivered to be looked at.
func (t *track) looked(sequence, life int, again bool) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if sequence >= len(t.entries) {
		return t.errorf(sequence, "invented")
	}
	return t.marked(&t.entries[sequence], sequence, life, again)
}

// marked checks that what comes again after a crash says so.
func (t *track) marked(e *entry, sequence, life int, again bool) error {
	before := e.seen
	e.seen = life
	if before != 0 && before != life && !again {
		return t.errorf(sequence, "was delivered in life %d and is not marked as redelivered", before)
	}
	return nil
}

func (t *track) acknowledged(sequence, life int, at time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.entries[sequence].acked, t.entries[sequence].life = at, life
}

// settle compares with what a restarted broker holds. quiet is when the last life
// stopped working. What was unknown is known afterwards.
func (t *track) settle(present map[int]bool, quiet time.Time) []error {
	t.mu.Lock()
	defer t.mu.Unlock()
	var errs []error
	hole := -1 // an unconfirmed message that is missing
	for i := range t.entries {
		e := &t.entries[i]
		switch {
		case present[i] && e.fate == gone:
			errs = append(errs, t.errorf(i, "came back after it was gone"))
		case present[i] && !e.acked.IsZero() && e.acked.Before(quiet.Add(-ackGrace)):
			errs = append(errs, t.errorf(i, "is back %v after its acknowledgement", quiet.Sub(e.acked)))
		case present[i] && hole >= 0:
			errs = append(errs, t.errorf(i, "is there, the earlier %d is not", hole))
		case present[i]:
			e.fate, e.acked = stored, time.Time{}
		case e.fate == stored && e.acked.IsZero():
			errs = append(errs, t.errorf(i, "lost"))
		case e.fate == unknown:
			e.fate, hole = gone, i
		default:
			e.fate = gone
		}
	}
	return errs
}

// wanted counts the messages that have to be in the queue.
func (t *track) wanted() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	n := 0
	for i := range t.entries {
		if t.entries[i].fate == stored && t.entries[i].acked.IsZero() {
			n++
		}
	}
	return n
}
