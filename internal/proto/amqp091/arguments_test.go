package amqp091_test

import (
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

func TestSingleActiveConsumer(t *testing.T) {
	s := start(t)
	first, second := s.channel(), s.channel()
	queue(t, first, "q", amqp.Table{"x-single-active-consumer": true})
	check(t, first.Qos(1, 0, false))
	active := consume(t, first, "q", false)
	waiting := consume(t, second, "q", true)
	put(t, second, "", "q", text("a"))
	put(t, second, "", "q", text("b"))
	if d := next(t, active); string(d.Body) != "a" {
		t.Fatalf("%q", d.Body)
	}
	wantReady(t, second, "q", 1) // the other consumer has room and is not given it
	check(t, first.Close())
	wantBodies(t, bodies(t, waiting, 2), "a", "b")
}

func TestRateLimitSpreadsDeliveries(t *testing.T) {
	ch := start(t).channel()
	queue(t, ch, "q", amqp.Table{"x-rate-limit": 50})
	const messages = 16
	for range messages {
		put(t, ch, "", "q", text("x"))
	}
	begin := time.Now()
	ds := consume(t, ch, "q", true)
	for range messages {
		next(t, ds)
	}
	if took, least := time.Since(begin), time.Second*(messages-1)/50; took < least*8/10 { // a few go at once
		t.Errorf("%d messages at 50/s took %v, want %v", messages, took, least)
	}
}

func TestDelayedRetryBacksOff(t *testing.T) {
	s := start(t)
	ch := s.channel()
	must(ch.QueueDeclare("q", true, false, false, false, amqp.Table{
		"x-queue-type": "quorum", "x-delayed-retry-type": "all", "x-delayed-retry-min": 100,
	}))(t)
	check(t, ch.Qos(10, 0, false))
	put(t, ch, "", "q", text("a"))
	ds := consume(t, ch, "q", false)
	begin := time.Now()
	check(t, next(t, ds).Nack(false, true))
	if d := next(t, ds); !d.Redelivered || time.Since(begin) < 90*time.Millisecond {
		t.Errorf("redelivered %v after %v", d.Redelivered, time.Since(begin))
	}
	_, err := ch.QueueDeclare("r", true, false, false, false, amqp.Table{"x-queue-type": "quorum", "x-delayed-retry-type": "failed", "x-delayed-retry-min": 100})
	wantError(t, err, amqp.NotImplemented, "x-delayed-retry-type")
}

func TestHintsAreTaken(t *testing.T) {
	s := start(t)
	for kind, hints := range map[string]amqp.Table{
		"classic": {"x-queue-mode": "lazy", "x-queue-version": 2, "x-queue-master-locator": "min-masters", "x-queue-leader-locator": "balanced"},
		"quorum": {
			"x-max-in-memory-length": 5, "x-max-in-memory-bytes": 5, "x-quorum-initial-group-size": 3, "x-queue-leader-locator": "client-local",
			"x-dead-letter-strategy": "at-least-once",
		},
	} {
		ch := s.channel()
		hints["x-queue-type"] = kind
		must(ch.QueueDeclare(kind, true, false, false, false, hints))(t)
		put(t, ch, "", kind, text(kind))
		wantBodies(t, bodies(t, consume(t, ch, kind, true), 1), kind)
	}
	_, err := s.channel().QueueDeclare("q", true, false, false, false, amqp.Table{"x-queue-type": "quorum", "x-dead-letter-strategy": "never"})
	wantError(t, err, amqp.PreconditionFailed, "invalid_dlx_strategy")
}

func TestFlowActiveIsAnswered(t *testing.T) {
	check(t, start(t).channel().Flow(true))
}

func TestUnusedQueueExpires(t *testing.T) {
	m := manage(t)
	ch := m.channel()
	queue(t, ch, "q", amqp.Table{"x-expires": 50})
	put(t, ch, "", "q", text("a"))
	for end := time.Now().Add(patience); ; {
		if _, there := m.broker.Queue("/", "q"); !there {
			break
		}
		if time.Now().After(end) {
			t.Fatal("the queue is still there")
		}
	}
	_, err := ch.QueueDeclarePassive("q", false, false, false, false, nil)
	wantError(t, err, amqp.NotFound, "no queue 'q'")
}

func TestArgumentsNotOffered(t *testing.T) {
	s := start(t)
	for _, name := range []string{"x-consumer-disconnected-timeout", "x-member-placement-tag"} {
		_, err := s.channel().QueueDeclare("q", true, false, false, false, amqp.Table{"x-queue-type": "quorum", name: 5})
		wantError(t, err, amqp.NotImplemented, name)
	}
}

func TestPolicyTimesOutConsumersAndBacksOff(t *testing.T) {
	m := manage(t)
	ch := m.channel()
	must(ch.QueueDeclare("q", true, false, false, false, amqp.Table{"x-queue-type": "quorum"}))(t)
	m.policy("p", "^q$", "all", 0, map[string]any{
		"consumer-timeout": int64(50), "delayed-retry-type": "all", "delayed-retry-min": int64(100),
	})
	check(t, ch.Qos(1, 0, false))
	put(t, ch, "", "q", text("a"))
	ds := consume(t, ch, "q", false)
	next(t, ds) // and not acknowledged
	begin := time.Now()
	other := consume(t, m.channel(), "q", false)
	if d := next(t, other); !d.Redelivered || time.Since(begin) < 90*time.Millisecond {
		t.Errorf("redelivered %v after %v", d.Redelivered, time.Since(begin))
	}
}
