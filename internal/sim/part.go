package sim

import (
	"fmt"
	"strings"
)

// part is something that clients do in a world.
type part struct {
	name  string
	share float64 // of the worlds have it
	// populate makes its clients and returns what checks at the end that all has
	// come of it that was promised.
	populate func(w *World) (check func())
}

// parts are in the order of their checks: after the last two the clock is far ahead.
var parts = []part{
	{"orders", 1, func(w *World) func() {
		w.produce(ordersPlace)
		w.produce(ordersPlace)
		w.consume("reader1", amqpConsumer{queue: ordersPlace, place: ordersPlace, alone: true})
		return func() { w.drain(ordersPlace, ordersPlace) }
	}},
	{"jobs", 1, func(w *World) func() {
		w.produce(jobsPlace)
		w.consume("worker1", amqpConsumer{queue: jobsPlace, place: jobsPlace})
		w.consume("worker2", amqpConsumer{queue: jobsPlace, place: jobsPlace})
		return func() { w.drain(jobsPlace, jobsPlace) }
	}},
	{"fan", 0.7, func(w *World) func() {
		w.produce(fanPlace)
		w.consume("fan1", amqpConsumer{queue: fanQueues[0], place: fanPlace, alone: true})
		return func() {
			for _, name := range fanQueues {
				w.drain(name, fanPlace)
			}
		}
	}},
	{"tries", 0.7, func(w *World) func() {
		w.produce(triesPlace)
		w.consume("tries1", amqpConsumer{queue: triesPlace, place: triesPlace, rejects: true})
		w.consume("dead1", amqpConsumer{queue: deadQueue, place: triesPlace, copies: true})
		return w.drainTries
	}},
	{"events", 1, populateEvents},
	{"audit", 0.7, func(w *World) func() {
		w.consume("audit1", amqpConsumer{queue: auditQueue, place: eventsPlace})
		return func() { w.drain(auditQueue, eventsPlace) }
	}},
	{"ledger", 0.7, func(w *World) func() {
		t := &transactor{}
		w.add("trans1", func(p program) client {
			t.program, t.topic = p, ledgerPlace
			return t
		})
		return func() { w.checkTransactions(t) }
	}},
	{"share", 0.5, func(w *World) func() {
		all := &shares{all: map[messageID]*share{}}
		for _, name := range []string{"sharer1", "sharer2"} {
			w.add(name, func(p program) client { return &sharer{program: p, topic: eventsPlace, shared: all} })
		}
		return func() { w.checkShares(all) }
	}},
	{"waiting", 0.5, func(w *World) func() {
		w.produce(waitingPlace)
		w.consume("waiting1", amqpConsumer{queue: waitingPlace, place: waitingPlace, rejects: true, gets: true})
		w.consume("late1", amqpConsumer{queue: lateQueue, place: waitingPlace, copies: true})
		return w.drainWaiting
	}},
	{"delayed", 0.5, func(w *World) func() {
		w.produce(delayedPlace)
		w.consume("delayed1", amqpConsumer{queue: delayedPlace, place: delayedPlace})
		return func() {
			w.outwait()
			w.drain(delayedPlace, delayedPlace)
		}
	}},
}

func populateEvents(w *World) func() {
	for _, name := range []string{"kafka1", "kafka2"} {
		w.add(name, func(p program) client { return &kafkaProducer{program: p, topic: eventsPlace} })
	}
	g := &group{read: map[int32]int64{}, committed: map[int32]int64{}}
	for _, name := range []string{"member1", "member2"} {
		w.add(name, func(p program) client {
			return &kafkaMember{program: p, topic: eventsPlace, group: "g", shared: g}
		})
	}
	return func() { w.checkTopic(eventsPlace) }
}

// populate makes the clients and returns the checks of what they do.
func (w *World) populate() (checks []func()) {
	var names []string
	for _, p := range parts {
		if w.dice.is(p.share) {
			names = append(names, p.name)
			checks = append(checks, p.populate(w))
		}
	}
	w.note("world", "has %s", strings.Join(names, ", "))
	return checks
}

func (w *World) produce(place string) {
	w.writers++
	w.add(fmt.Sprint("amqp", w.writers), func(p program) client { return &amqpProducer{program: p, place: place} })
}

func (w *World) consume(name string, c amqpConsumer) {
	w.add(name, func(p program) client {
		c.program = p
		return &c
	})
}
