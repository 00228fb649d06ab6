package sim

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// progressMax is how long after the last trouble everything has to work again.
const progressMax = 30 * time.Second

// endMax is how long after the last trouble a world may take for everything.
const endMax = 4 * time.Minute

// ErrViolated says that a promise was broken.
var ErrViolated = errors.New("a promise was broken")

// Run lets the world run: clients work, things go wrong, everything is put right,
// and all promises are checked. The error wraps ErrViolated if one was broken.
func Run(o Options) error {
	if o.Nodes > 1 {
		return errors.New("several nodes do not form a cluster yet")
	}
	w := New(o)
	w.note("world", "seed %d, %d nodes", o.Seed, len(w.nodes))
	defer time.AfterFunc(o.Length+endMax, w.giveUp).Stop()
	for _, n := range w.nodes {
		n.config.Kafka.Partitions = 3
		n.start()
	}
	checks := w.populate()
	for _, c := range w.clients {
		go func() {
			c.run()
			w.note(c.name(), "is done")
			close(doneOf(c))
		}()
	}
	w.makeTrouble()
	w.settle(checks)
	if v := w.Violations(); len(v) > 0 {
		return fmt.Errorf("%w: %d times, first: %s", ErrViolated, len(v), v[0])
	}
	w.note("world", "all promises are kept: %s", w.tally())
	return nil
}

func doneOf(c client) chan struct{} {
	return c.(interface{ finished() chan struct{} }).finished()
}

func (p *program) finished() chan struct{} { return p.done }

// add brings a client into the world.
func (w *World) add(title string, make func(p program) client) {
	w.clients = append(w.clients, make(w.program(title)))
}

// settle heals everything, lets the clients come to their ends and checks what is
// there at last.
func (w *World) settle(checks []func()) {
	for _, n := range w.nodes {
		n.disk.fill(-1)
		if l := n.living(); l != nil {
			l.resume()
		}
	}
	w.revive()
	if !w.ready() {
		return
	}
	close(w.stopping)
	late := time.After(progressMax)
	for _, c := range w.clients {
		select {
		case <-doneOf(c):
		case <-late:
			w.violated(c.name(), "makes no progress %v after the last trouble", progressMax)
			w.stacks()
			return
		}
	}
	w.note("world", "the clients are done")
	for _, check := range checks {
		check()
	}
}

// ready waits until all nodes serve.
func (w *World) ready() bool {
	late := time.After(progressMax)
	for _, n := range w.nodes {
		n.mu.Lock()
		up := n.up
		n.mu.Unlock()
		select {
		case <-up:
		case <-late:
			w.violated(n.name, "does not come up")
			w.stacks()
			return false
		}
	}
	return true
}

// giveUp ends a world that does not end by itself.
func (w *World) giveUp() {
	w.violated("world", "does not come to an end")
	w.stacks()
	os.Exit(1)
}

// stacks writes what every goroutine does into the history.
func (w *World) stacks() {
	b := make([]byte, 16<<20)
	w.note("world", "%s", b[:runtime.Stack(b, true)])
}

// drain empties a queue; every confirmed message has come out of it then.
func (w *World) drain(queue, place string) {
	w.empty(queue, place)
	for _, e := range w.book.of(place) {
		if e.fate == confirmed && e.of(queue).times == 0 {
			w.violated(queue, "message %d is confirmed and never came", e.id)
		}
	}
}

// drainTries empties a queue and that for what it rejects: every confirmed message
// was acknowledged in the one or has come out of the other.
func (w *World) drainTries() {
	w.empty(triesPlace, triesPlace)
	w.empty(deadQueue, triesPlace)
	for _, e := range w.book.of(triesPlace) {
		if e.fate == confirmed && e.of(triesPlace).settled.IsZero() && e.of(deadQueue).times == 0 {
			w.violated(triesPlace, "message %d is confirmed and neither settled nor dead", e.id)
		}
	}
}

// empty settles everything in a queue.
func (w *World) empty(queue, place string) {
	began, last := time.Now(), time.Now()
	c := &amqpConsumer{program: w.program("drain"), queue: queue, place: place, copies: queue == deadQueue || queue == lateQueue}
	c.until = func() bool {
		w.book.mu.Lock()
		defer w.book.mu.Unlock()
		if c.news {
			c.news, last = false, time.Now()
		}
		return time.Since(last) > 3*time.Second || time.Since(began) > patience
	}
	c.run()
}

// checkTopic reads a topic and compares it with what its producers know.
func (w *World) checkTopic(topic string) {
	p := w.program("audit")
	found, numbers := map[messageID]int{}, map[string]int{}
	err := p.readAll(topic, func(r *kgo.Record) {
		id, err := identify(r.Value)
		if err != nil {
			w.violated(topic, "partition %d offset %d: %v", r.Partition, r.Offset, err)
			return
		}
		e := w.book.locate("audit", id, topic, r.Partition, r.Offset)
		if e == nil {
			return
		}
		if found[id]++; found[id] > 1 {
			w.violated(topic, "message %d is there %d times", id, found[id])
		}
		key := fmt.Sprint(e.producer, r.Partition)
		if e.number <= numbers[key] {
			w.violated(topic, "partition %d offset %d: number %d of %s after number %d", r.Partition, r.Offset, e.number, e.producer, numbers[key])
		}
		numbers[key] = e.number
	})
	if err != nil {
		w.violated(topic, "%v", err)
	}
	for _, e := range w.book.of(topic) {
		if e.fate == confirmed && found[e.id] == 0 {
			w.violated(topic, "message %d is confirmed and not there", e.id)
		}
	}
}

func (w *World) checkTransactions(t *transactor) {
	p := w.program("auditor")
	found := map[messageID]int{}
	err := p.readAll(t.topic, func(r *kgo.Record) {
		id, err := identify(r.Value)
		if err != nil {
			w.violated(t.topic, "partition %d offset %d: %v", r.Partition, r.Offset, err)
			return
		}
		if w.book.locate("auditor", id, t.topic, r.Partition, r.Offset) != nil {
			found[id]++
		}
	}, kgo.FetchIsolationLevel(kgo.ReadCommitted()))
	if err != nil {
		w.violated(t.topic, "%v", err)
	}
	t.check(found)
}

// tally counts what happened.
func (w *World) tally() string {
	w.book.mu.Lock()
	defer w.book.mu.Unlock()
	sent, promised, delivered := 0, 0, 0
	for _, e := range w.book.order {
		sent++
		if e.fate == confirmed {
			promised++
		}
		for _, d := range e.in {
			delivered += d.times
		}
	}
	lives, entries := 0, 0
	for _, n := range w.nodes {
		lives += n.lives
	}
	for _, facts := range w.seen.facts {
		entries += len(facts)
	}
	return fmt.Sprintf("%d messages sent, %d confirmed, %d deliveries, %d lives, %d entries", sent, promised, delivered, lives, entries)
}
