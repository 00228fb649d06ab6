package amqp091_test

import (
	"fmt"
	"testing"

	amqp "github.com/rabbitmq/amqp091-go"
)

func TestRecentHistory(t *testing.T) {
	for _, durable := range []bool{true, false} {
		t.Run(fmt.Sprint("durable ", durable), func(t *testing.T) {
			s := start(t)
			ch := s.channel()
			check(t, ch.ExchangeDeclare("h", "x-recent-history", durable, false, false, false, amqp.Table{"x-recent-history-length": 3}))
			early := queue(t, ch, "early", nil)
			check(t, ch.QueueBind(early, "", "h", false, nil))
			for i := range 5 {
				put(t, ch, "h", "k", text(fmt.Sprint(i)))
			}
			put(t, ch, "h", "k", amqp.Publishing{Body: []byte("secret"), Headers: amqp.Table{"x-recent-history-no-store": true}})
			wantReady(t, ch, early, 6)
			late := queue(t, ch, "late", nil)
			check(t, ch.QueueBind(late, "", "h", false, nil))
			wantReady(t, ch, late, 3)
			check(t, ch.QueueBind(late, "", "h", false, nil)) // nothing new
			wantReady(t, ch, late, 3)
			put(t, ch, "h", "k", text("5"))
			wantBodies(t, bodies(t, consume(t, ch, late, true), 4), "2", "3", "4", "5")
			check(t, ch.ExchangeDeclare("topic", "topic", false, false, false, false, nil))
			behind, other := queue(t, ch, "behind", nil), queue(t, ch, "other", nil)
			check(t, ch.QueueBind(behind, "k", "topic", false, nil))
			check(t, ch.QueueBind(other, "not", "topic", false, nil))
			check(t, ch.ExchangeBind("topic", "", "h", false, nil))
			wantReady(t, ch, behind, 3)
			wantReady(t, ch, other, 0)
		})
	}
}

func TestRecentHistorySurvivesRestart(t *testing.T) {
	s := start(t)
	ch := s.channel()
	check(t, ch.ExchangeDeclare("h", "x-recent-history", true, false, false, false, nil))
	check(t, ch.Confirm(false))
	for i := range 30 {
		c := must(ch.PublishWithDeferredConfirm("h", "", false, false, amqp.Publishing{Body: []byte(fmt.Sprint(i)), DeliveryMode: 2}))(t)
		if !c.Wait() {
			t.Fatal("nack")
		}
	}
	s.restart()
	ch = s.channel()
	q := queue(t, ch, "q", nil)
	check(t, ch.QueueBind(q, "", "h", false, nil))
	wantReady(t, ch, q, 20)
	wantBodies(t, bodies(t, consume(t, ch, q, true), 1), "10")
	check(t, ch.ExchangeDelete("h", false, false))
	check(t, ch.ExchangeDeclare("h", "x-recent-history", true, false, false, false, nil))
	check(t, ch.QueueBind(q, "", "h", false, nil))
	wantReady(t, ch, q, 0) // another exchange remembers nothing of the first
}

func TestRecentHistoryIsNoQueue(t *testing.T) {
	s := start(t)
	ch := s.channel()
	check(t, ch.ExchangeDeclare("h", "x-recent-history", true, false, false, false, nil))
	returns := ch.NotifyReturn(make(chan amqp.Return, 1))
	check(t, ch.Publish("h", "", true, false, text("x")))
	if r := next(t, returns); r.ReplyCode != amqp.NoRoute {
		t.Fatalf("%+v", r)
	}
	_, err := ch.QueueDeclarePassive("h", true, false, false, false, nil)
	wantError(t, err, amqp.NotFound, "no queue 'h'")
}

func TestRecentHistoryArgument(t *testing.T) {
	s := start(t)
	for _, bad := range []any{0, -1, "many"} {
		err := s.channel().ExchangeDeclare("h", "x-recent-history", true, false, false, false, amqp.Table{"x-recent-history-length": bad})
		wantError(t, err, amqp.PreconditionFailed, "'x-recent-history-length' must be a positive integer")
	}
}

func TestLocalRandom(t *testing.T) {
	s := start(t)
	ch := s.channel()
	check(t, ch.ExchangeDeclare("r", "x-local-random", true, false, false, false, nil))
	for _, name := range []string{"a", "b"} {
		check(t, ch.QueueBind(queue(t, ch, name, nil), "", "r", false, nil))
	}
	for range 100 {
		put(t, ch, "r", "", text("x"))
	}
	n := must(ch.QueueDeclarePassive("a", false, false, false, false, nil))(t).Messages
	if wantReady(t, ch, "b", 100-n); n < 20 || n > 80 {
		t.Fatalf("%d of 100", n)
	}
}
