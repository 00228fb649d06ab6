package amqp091_test

import (
	"testing"
	"time"

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

func TestRejectedMessagesAreInTheirDeadLetterQueueAtOnce(t *testing.T) {
	s := start(t)
	ch := s.channel()
	for _, durable := range []bool{true, false} {
		dead := must(ch.QueueDeclare("dead", durable, false, false, false, nil))(t).Name
		q := must(ch.QueueDeclare("q", durable, false, false, false, amqp.Table{
			"x-dead-letter-exchange": "", "x-dead-letter-routing-key": dead,
		}))(t).Name
		for range 50 {
			put(t, ch, "", q, text("x"))
			d, ok, err := ch.Get(q, false)
			if check(t, err); !ok {
				t.Fatal("nothing in the queue")
			}
			check(t, d.Reject(false))
			if _, ok, err = ch.Get(dead, true); err != nil || !ok {
				t.Fatal("nothing among the dead letters", err)
			}
		}
		must(ch.QueueDelete(q, false, false, false))(t)
		must(ch.QueueDelete(dead, false, false, false))(t)
	}
}

func TestPurgeTakesWhatWasGivenBackBefore(t *testing.T) {
	s := start(t)
	ch := s.channel()
	q := must(ch.QueueDeclare("q", true, false, false, false, nil))(t).Name
	for range 50 {
		put(t, ch, "", q, text("x"))
		d, _, err := ch.Get(q, false)
		check(t, err)
		check(t, d.Nack(false, true))
		if n := must(ch.QueuePurge(q, false))(t); n != 1 {
			t.Fatalf("%d purged", n)
		}
		wantReady(t, ch, q, 0)
	}
}

func TestGetAfterItsChannelWasClosed(t *testing.T) {
	s := start(t)
	c := s.dial()
	first, second := open(t, c), open(t, c)
	q := queue(t, first, "q", nil)
	put(t, first, "", q, text("a"))
	put(t, first, "", q, text("b"))
	d, _, err := first.Get(q, false)
	check(t, err)
	other, _, err := second.Get(q, false)
	check(t, err)
	check(t, first.Close())
	again, ok, err := second.Get(q, false)
	if check(t, err); !ok || string(again.Body) != string(d.Body) || !again.Redelivered {
		t.Fatalf("%q, %v, redelivered %v", again.Body, ok, again.Redelivered)
	}
	check(t, other.Ack(false)) // is still the second channel's own
	check(t, again.Ack(false))
	wantReady(t, second, q, 0)
}

func TestGlobalPrefetchServesAllQueues(t *testing.T) {
	s := start(t)
	ch := s.channel()
	check(t, ch.Qos(1, 0, true))
	queues := []string{"a", "b", "c"}
	var all []<-chan amqp.Delivery
	for _, q := range queues {
		queue(t, ch, q, nil)
		for range 30 {
			put(t, ch, "", q, text("x"))
		}
		all = append(all, consume(t, ch, q, false))
	}
	for range 45 {
		var d amqp.Delivery
		select {
		case d = <-all[0]:
		case d = <-all[1]:
		case d = <-all[2]:
		}
		check(t, d.Ack(false))
	}
	for _, q := range queues {
		if n := must(ch.QueueDeclarePassive(q, false, false, false, false, nil))(t).Messages; n > 25 {
			t.Errorf("%s has %d of 30 left", q, n)
		}
	}
}

func TestMessagesThatMayNotWait(t *testing.T) {
	s := start(t)
	ch := s.channel()
	q := queue(t, ch, "q", amqp.Table{"x-message-ttl": 0})
	for range 50 {
		put(t, ch, "", q, text("x"))
		if d, ok, err := ch.Get(q, true); err != nil || ok {
			t.Fatalf("%q %v", d.Body, err)
		}
	}
	ds := consume(t, ch, q, false)
	put(t, ch, "", q, text("once"))
	check(t, next(t, ds).Reject(true))
	put(t, ch, "", q, text("twice"))
	if d := next(t, ds); string(d.Body) != "twice" {
		t.Fatalf("%q", d.Body)
	}
}

func TestEveryKeyCountsAtEveryExchange(t *testing.T) {
	s := start(t)
	ch := s.channel()
	check(t, ch.ExchangeDeclare("first", "direct", false, false, false, false, nil))
	check(t, ch.ExchangeDeclare("second", "topic", false, false, false, false, nil))
	check(t, ch.ExchangeBind("second", "one", "first", false, nil))
	q := queue(t, ch, "q", nil)
	check(t, ch.QueueBind(q, "two", "second", false, nil))
	put(t, ch, "first", "", amqp.Publishing{Headers: amqp.Table{"CC": []any{"one"}, "BCC": []any{"two"}}})
	wantReady(t, ch, q, 1)
}

func TestTransactionsAreDatedWhenTheyAreCommitted(t *testing.T) {
	s := start(t)
	ch := s.channel()
	q := queue(t, ch, "q", amqp.Table{"x-message-ttl": 300})
	check(t, ch.Tx())
	put(t, ch, "", q, text("x"))
	pause := make(chan struct{})
	time.AfterFunc(400*time.Millisecond, func() { close(pause) })
	<-pause
	check(t, ch.TxCommit())
	if _, ok, err := ch.Get(q, true); err != nil || !ok {
		t.Fatal("expired before it was published", err)
	}
	check(t, ch.TxCommit())
}
