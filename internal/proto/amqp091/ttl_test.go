package amqp091_test

import (
	"testing"

	amqp "github.com/rabbitmq/amqp091-go"
)

// The first message of a durable queue waits for a mark in the log before it is
// delivered; that wait does not count as one.
func TestMessagesThatMayNotWaitReachAWaitingConsumer(t *testing.T) {
	ch := start(t).channel()
	dead := queue(t, ch, "dead", nil)
	must(ch.QueueDeclare("now", true, false, false, false, amqp.Table{"x-dead-letter-exchange": "", "x-dead-letter-routing-key": "dead"}))(t)
	put(t, ch, "", "now", amqp.Publishing{Expiration: "0", Body: []byte("nobody waits")})
	wantBodies(t, bodies(t, consume(t, ch, dead, true), 1), "nobody waits")
	deliveries := consume(t, ch, "now", true)
	for _, body := range []string{"first", "second", "third"} {
		put(t, ch, "", "now", amqp.Publishing{Expiration: "0", Body: []byte(body)})
		wantBodies(t, bodies(t, deliveries, 1), body)
	}
}
