package sim

import (
	"fmt"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

// waitingTTL is how long messages of waitingPlace live, at most.
const waitingTTL = 1500 * time.Millisecond

// term is from when and until when a message may be had, as far as its sender can
// know. Broker time is what the process counts that was asked to keep the message,
// in unix milliseconds.
type term struct {
	life        *life     // that was asked; nil: the message may be had at any time
	sent        time.Time // in the world's time
	asked, kept int64     // in broker time; kept is when it was confirmed, 0: it was not
	delay, ttl  time.Duration
	dies        bool // ttl counts
}

// passed says whether the time has passed once a process shows what it has done: by
// its own time, and by the world's as well, of which it may be ahead by a tenth.
// What has become due or has died in an earlier process stays so, even where the
// clock of the later one is behind.
func (t *term) passed(wait time.Duration, l *life) bool {
	if wait == 0 {
		return true
	}
	at := t.asked + wait.Milliseconds()
	if l != t.life {
		return max(l.clock.Millis(), l.node.reached(t.life, l)) >= at
	}
	return l.clock.Millis() >= at && time.Since(t.sent) >= (wait-2*time.Millisecond)*10/11 // times are whole milliseconds
}

// deadline is when a confirmed message is due or dead at the latest.
func (t *term) deadline() int64 { return t.kept + (t.delay + t.ttl).Milliseconds() }

// dead says whether a message has certainly died before the time.
func (t *term) dead(at int64) bool { return t.dies && t.kept != 0 && t.deadline() < at }

// limit gives a message the term that its place asks for.
func (p *amqpProducer) limit(e *entry, m *amqp.Publishing) {
	t := term{life: p.peer, sent: time.Now(), asked: p.peer.clock.Millis()}
	switch p.place {
	case waitingPlace:
		t.dies, t.ttl = true, waitingTTL
		if p.world.dice.is(0.1) {
			t.delay = p.world.dice.between(0, time.Second).Truncate(time.Millisecond)
		}
		if p.world.dice.is(0.3) {
			own := p.world.dice.between(time.Millisecond, 2*waitingTTL).Truncate(time.Millisecond)
			m.Expiration = fmt.Sprint(own.Milliseconds())
			t.ttl = min(t.ttl, own)
		}
	case delayedPlace:
		if t.delay = p.world.dice.between(0, 4*time.Second).Truncate(time.Millisecond); p.world.dice.is(0.05) {
			t.delay = time.Hour
		}
	default:
		return
	}
	if t.delay > 0 {
		m.Headers = amqp.Table{"x-delay": t.delay.Milliseconds()}
	}
	e.term = t
}

// timely says what is wrong with the moment at which a message comes.
func (c *amqpConsumer) timely(e *entry, d *amqp.Delivery) {
	c.world.book.mu.Lock()
	defer c.world.book.mu.Unlock()
	t := &e.term
	switch {
	case t.life == nil:
	case c.queue == lateQueue:
		c.buried(e, d)
	case !t.passed(t.delay, c.peer):
		c.world.violated(c.title, "message %d of %s comes before its time", e.id, c.queue)
	case t.dead(c.since):
		c.world.violated(c.title, "message %d of %s was dead %d ms ago", e.id, c.queue, c.since-t.deadline())
	case e.of(lateQueue).times > 0:
		c.world.violated(c.title, "message %d of %s has been in %s", e.id, c.queue, lateQueue)
	}
}

// buried holds a dead letter against what is known of its death. More than one copy
// of it takes a process that ended in between.
func (c *amqpConsumer) buried(e *entry, d *amqp.Delivery) {
	t, alive, dead := &e.term, e.of(waitingPlace), e.of(lateQueue)
	reason := d.Headers["x-first-death-reason"]
	switch {
	case reason == "expired" && !t.passed(t.delay+t.ttl, c.peer):
		c.world.violated(c.title, "message %d has died before its time", e.id)
	case reason == "rejected" && !alive.rejected, reason != "expired" && reason != "rejected":
		c.world.violated(c.title, "message %d has died, said to be %v", e.id, reason)
	case alive.sure:
		c.world.violated(c.title, "message %d has died, acknowledged at %v", e.id, alive.settled.Sub(c.world.began))
	}
	if d.Redelivered {
		return
	}
	dead.copies++
	if ends := t.life.node.lives - t.life.number; dead.copies > 1+ends {
		c.world.violated(c.title, "message %d is %d times in %s, and %d lives have ended", e.id, dead.copies, c.queue, ends)
	}
}

// outwaitMax is how long the world waits for a message; longer waits are what its
// nodes sleep through.
const outwaitMax = 10 * time.Second

// outwait ends when every message is due or dead.
func (w *World) outwait() {
	var last int64
	w.book.mu.Lock()
	for _, e := range w.book.order {
		if e.term.kept != 0 {
			last = max(last, e.term.deadline())
		}
	}
	w.book.mu.Unlock()
	if last == 0 {
		return
	}
	for _, n := range w.nodes {
		l := n.living()
		left := time.Duration(last+1-l.clock.Millis()) * time.Millisecond
		if left <= outwaitMax {
			time.Sleep(left)
			continue
		}
		n.stop()
		n.jump(time.UnixMilli(last + 1).Sub(time.Now().Add(n.skewed())))
		w.note(n.name, "sleeps until every message is due or dead")
		n.start()
	}
	w.ready()
}

// drainWaiting empties the queue of messages that die, which have died, and that of
// the dead ones: every confirmed message was acknowledged or is dead.
func (w *World) drainWaiting() {
	w.outwait()
	w.empty(waitingPlace, waitingPlace)
	w.empty(lateQueue, waitingPlace)
	for _, e := range w.book.of(waitingPlace) {
		if e.fate == confirmed && e.of(waitingPlace).settled.IsZero() && e.of(lateQueue).times == 0 {
			w.violated(waitingPlace, "message %d is confirmed and neither settled nor dead", e.id)
		}
	}
}
