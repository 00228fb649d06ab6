package amqp091_test

import (
	"testing"

	amqp "github.com/rabbitmq/amqp091-go"
)

func TestGlobalPrefetchHoldsForEarlierConsumersToo(t *testing.T) {
	s := start(t)
	ch, other := s.channel(), s.channel()
	queue(t, ch, "q", nil)
	put(t, ch, "", "q", text("a"))
	put(t, ch, "", "q", text("b"))
	ds := consume(t, ch, "q", false)
	bodies(t, ds, 2)
	check(t, ch.Qos(3, 0, true)) // two of them are taken
	for _, body := range []string{"c", "d", "e"} {
		put(t, ch, "", "q", text(body))
	}
	wantBodies(t, bodies(t, ds, 1), "c")
	wantReady(t, other, "q", 2)
	check(t, ch.Ack(1, false))
	wantBodies(t, bodies(t, ds, 1), "d")
	wantReady(t, other, "q", 1)
}

func TestConsumerTimeoutReturnsTheMessage(t *testing.T) {
	for name, row := range map[string]struct{ declare, consume amqp.Table }{
		"of the queue":    {amqp.Table{"x-consumer-timeout": 50}, nil},
		"of the consumer": {nil, amqp.Table{"x-consumer-timeout": 50}},
	} {
		t.Run(name, func(t *testing.T) {
			s := start(t)
			slow, quick := s.channel(), s.channel()
			queue(t, slow, "q", row.declare)
			check(t, slow.Qos(1, 0, false))
			put(t, slow, "", "q", text("a"))
			late := next(t, must(slow.Consume("q", "", false, false, false, false, row.consume))(t))
			d := next(t, consume(t, quick, "q", false))
			if string(d.Body) != "a" || !d.Redelivered {
				t.Fatalf("%q, redelivered %v", d.Body, d.Redelivered)
			}
			check(t, late.Ack(false)) // of a lease that is lost: it settles nothing
			wantReady(t, slow, "q", 0)
			check(t, quick.Close())
			eventuallyReady(t, slow, "q", 0) // the slow one has credit again and gets it
		})
	}
}

func TestGetIsRefusedWhereOneConsumerIsActive(t *testing.T) {
	s := start(t)
	ch := s.channel()
	must(ch.QueueDeclare("q", true, false, false, false, amqp.Table{"x-queue-type": "quorum", "x-single-active-consumer": true}))(t)
	_, _, err := ch.Get("q", true)
	wantError(t, err, amqp.ResourceLocked, "cannot obtain access to locked queue 'q' in vhost '/'. basic.get operations are not "+
		"supported by quorum queues with single active consumer")
}
