package sim

import (
	"fmt"
	"strings"

	amqp "github.com/rabbitmq/amqp091-go"
)

// The places of the world. Messages of fanPlace go to both of its queues, which may
// be on different shards; what consumers of triesPlace reject goes to deadQueue, what
// dies in waitingPlace to lateQueue.
const (
	ordersPlace  = "orders"
	jobsPlace    = "jobs"
	fanPlace     = "fan"
	triesPlace   = "tries"
	deadQueue    = "dead"
	waitingPlace = "waiting"
	lateQueue    = "late"
	delayedPlace = "delayed" // an exchange, and its queue
	eventsPlace  = "events"  // a topic
	auditQueue   = "events::audit"
	ledgerPlace  = "ledger" // a topic
)

var fanQueues = []string{"fan-a", "fan-b"}

// declare makes a queue, or what belongs to a place.
func declare(ch *amqp.Channel, name string) error {
	if name == fanPlace || strings.HasPrefix(name, fanPlace+"-") {
		return declareFan(ch)
	}
	var arguments amqp.Table
	switch name {
	case auditQueue:
		arguments = amqp.Table{"x-stream-offset": "first"}
	case triesPlace, deadQueue:
		return declarePair(ch, triesPlace, deadQueue, amqp.Table{})
	case delayedPlace:
		return declareDelayed(ch)
	case waitingPlace, lateQueue:
		return declarePair(ch, waitingPlace, lateQueue, amqp.Table{"x-message-ttl": waitingTTL.Milliseconds()})
	}
	_, err := ch.QueueDeclare(name, true, false, false, false, arguments)
	return err
}

// declarePair makes a queue and the one for its dead letters.
func declarePair(ch *amqp.Channel, queue, dead string, arguments amqp.Table) error {
	if _, err := ch.QueueDeclare(dead, true, false, false, false, nil); err != nil {
		return err
	}
	arguments["x-dead-letter-exchange"], arguments["x-dead-letter-routing-key"] = "", dead
	_, err := ch.QueueDeclare(queue, true, false, false, false, arguments)
	return err
}

func declareFan(ch *amqp.Channel) error {
	if err := ch.ExchangeDeclare(fanPlace, "fanout", true, false, false, false, nil); err != nil {
		return err
	}
	for _, name := range fanQueues {
		if _, err := ch.QueueDeclare(name, true, false, false, false, nil); err != nil {
			return err
		}
		if err := ch.QueueBind(name, "", fanPlace, false, nil); err != nil {
			return err
		}
	}
	return nil
}

func declareDelayed(ch *amqp.Channel) error {
	if err := ch.ExchangeDeclare(delayedPlace, "x-delayed-message", true, false, false, false, amqp.Table{"x-delayed-type": "direct"}); err != nil {
		return err
	}
	if _, err := ch.QueueDeclare(delayedPlace, true, false, false, false, nil); err != nil {
		return err
	}
	return ch.QueueBind(delayedPlace, delayedPlace, delayedPlace, false, nil)
}

// populate makes the clients.
func (w *World) populate() *transactor {
	for i, place := range []string{ordersPlace, ordersPlace, jobsPlace, fanPlace, triesPlace, waitingPlace, delayedPlace} {
		w.add(fmt.Sprint("amqp", i+1), func(p program) client { return &amqpProducer{program: p, place: place} })
	}
	consume := func(name string, c amqpConsumer) {
		w.add(name, func(p program) client {
			c.program = p
			return &c
		})
	}
	consume("reader1", amqpConsumer{queue: ordersPlace, place: ordersPlace, alone: true})
	consume("worker1", amqpConsumer{queue: jobsPlace, place: jobsPlace})
	consume("worker2", amqpConsumer{queue: jobsPlace, place: jobsPlace})
	consume("fan1", amqpConsumer{queue: fanQueues[0], place: fanPlace, alone: true})
	consume("tries1", amqpConsumer{queue: triesPlace, place: triesPlace, rejects: true})
	consume("dead1", amqpConsumer{queue: deadQueue, place: triesPlace, copies: true})
	consume("waiting1", amqpConsumer{queue: waitingPlace, place: waitingPlace, rejects: true, gets: true})
	consume("late1", amqpConsumer{queue: lateQueue, place: waitingPlace, copies: true})
	consume("delayed1", amqpConsumer{queue: delayedPlace, place: delayedPlace})
	consume("audit1", amqpConsumer{queue: auditQueue, place: eventsPlace})
	for _, name := range []string{"kafka1", "kafka2"} {
		w.add(name, func(p program) client { return &kafkaProducer{program: p, topic: eventsPlace} })
	}
	g := &group{read: map[int32]int64{}, committed: map[int32]int64{}}
	for _, name := range []string{"member1", "member2"} {
		w.add(name, func(p program) client {
			return &kafkaMember{program: p, topic: eventsPlace, group: "g", shared: g}
		})
	}
	t := &transactor{}
	w.add("trans1", func(p program) client {
		t.program, t.topic = p, ledgerPlace
		return t
	})
	return t
}
