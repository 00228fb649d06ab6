package sim

import (
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
