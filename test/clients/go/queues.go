package main

import (
	"errors"
	"fmt"
	"maps"
	"strings"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"weir/test/clients/harness"
)

func queues() []harness.Scenario {
	return []harness.Scenario{
		on("mandatory-return", mandatoryReturn),
		on("requeue-order", requeueOrder),
		on("dead-letter-reject", deadLetter),
		on("ttl-queue", func(ch *amqp.Channel) error { return expire(ch, amqp.Table{"x-message-ttl": 200}, "") }),
		on("ttl-message", func(ch *amqp.Channel) error { return expire(ch, nil, "200") }),
		on("priority", priority),
		on("max-length-drop-head", dropHead),
		on("max-length-reject-publish", rejectPublish),
		on("exclusive-queue", exclusive),
		on("auto-delete-queue", autoDelete),
		on("server-named-queue", serverNamed),
		on("cancel-notify", cancelNotify),
		on("get-purge-passive", getPurgePassive),
		on("headers-exchange", headersExchange),
	}
}

func mandatoryReturn(ch *amqp.Channel) error {
	exchange := unique("nobody")
	returns := ch.NotifyReturn(make(chan amqp.Return, 2))
	confirms := ch.NotifyPublish(make(chan amqp.Confirmation, 2))
	err := each(
		func() error { return ch.ExchangeDeclare(exchange, "direct", false, false, false, false, nil) },
		func() error { return ch.Confirm(false) },
		func() error {
			return ch.Publish(exchange, "nowhere", true, false, amqp.Publishing{MessageId: "m", Body: []byte("lost")})
		},
		func() error { return harness.Within(confirms, harness.Wait, "the confirm") },
	)
	if err != nil {
		return err
	}
	select { // the client dispatches in the order of the frames
	case r := <-returns:
		return harness.Expect("return", []any{r.ReplyCode, r.ReplyText, r.Exchange, r.RoutingKey, r.MessageId, string(r.Body)},
			[]any{uint16(312), "NO_ROUTE", exchange, "nowhere", "m", "lost"})
	default:
		return errors.New("the confirm came before the return")
	}
}

func requeueOrder(ch *amqp.Channel) error {
	queue, err := declare(ch, "requeue", false, nil)
	if err != nil {
		return err
	}
	for _, n := range numbers(5) {
		if err := send(ch, "", queue, n); err != nil {
			return err
		}
	}
	var got []amqp.Delivery
	again := func(what string, wanted ...string) func() error {
		return func() error {
			if got, err = take(ch, queue, len(wanted), false); err != nil {
				return err
			}
			return harness.Expect(what, shape(got), wanted)
		}
	}
	return each(
		again("first", numbers(5)...),
		func() error {
			for _, d := range got {
				if err := d.Nack(false, true); err != nil {
					return err
				}
			}
			return nil
		},
		again("after nacks", "0r", "1r", "2r", "3r", "4r"),
		func() error { return got[4].Nack(true, true) },
		again("after nack multiple", "0r", "1r", "2r", "3r", "4r"),
		func() error { return got[1].Reject(true) },
		again("after reject", "1r"),
	)
}

func death(d amqp.Delivery) (amqp.Table, error) {
	list, _ := d.Headers["x-death"].([]any)
	if len(list) == 0 {
		return nil, fmt.Errorf("no x-death in %v", d.Headers)
	}
	t, _ := list[0].(amqp.Table)
	return t, nil
}

func deadLetter(ch *amqp.Channel) error {
	dead, err := anonymous(ch)
	if err != nil {
		return err
	}
	exchange := unique("dlx")
	if err := each(
		func() error { return ch.ExchangeDeclare(exchange, "fanout", false, true, false, false, nil) },
		func() error { return ch.QueueBind(dead, "", exchange, false, nil) },
	); err != nil {
		return err
	}
	queue, err := declare(ch, "source", false, amqp.Table{"x-dead-letter-exchange": exchange, "x-dead-letter-routing-key": "buried"})
	if err != nil {
		return err
	}
	if err := ch.Publish("", queue, false, false, amqp.Publishing{Headers: amqp.Table{"mine": int32(7)}, Body: []byte("bad")}); err != nil {
		return err
	}
	bad, err := take(ch, queue, 1, false)
	if err != nil {
		return err
	}
	if err := bad[0].Reject(false); err != nil {
		return err
	}
	got, err := take(ch, dead, 1, true)
	if err != nil {
		return err
	}
	d := got[0]
	entry, err := death(d)
	if err != nil {
		return err
	}
	at, _ := entry["time"].(time.Time)
	if since := time.Since(at); since < -time.Second || since > 5*time.Second {
		return fmt.Errorf("time of death %v", at)
	}
	delete(entry, "time")
	return each(
		func() error {
			return harness.Expect("envelope", []any{d.Exchange, d.RoutingKey, string(d.Body), d.Headers["mine"]},
				[]any{exchange, "buried", "bad", int32(7)})
		},
		func() error {
			return harness.Expect("x-death", entry, amqp.Table{
				"count": int64(1), "reason": "rejected", "queue": queue,
				"exchange": "", "routing-keys": []any{queue},
			})
		},
		func() error {
			return harness.Expect("first death", []any{
				d.Headers["x-first-death-queue"], d.Headers["x-first-death-reason"],
				d.Headers["x-first-death-exchange"],
			}, []any{queue, "rejected", ""})
		},
	)
}

func expire(ch *amqp.Channel, extra amqp.Table, expiration string) error {
	dead, err := anonymous(ch)
	if err != nil {
		return err
	}
	arguments := amqp.Table{"x-dead-letter-exchange": "", "x-dead-letter-routing-key": dead}
	maps.Copy(arguments, extra)
	queue, err := declare(ch, "ttl", false, arguments)
	if err != nil {
		return err
	}
	began := time.Now()
	if err := ch.Publish("", queue, false, false, amqp.Publishing{Expiration: expiration, Body: []byte("late")}); err != nil {
		return err
	}
	got, err := take(ch, dead, 1, true)
	if err != nil {
		return err
	}
	if took := time.Since(began); took < 150*time.Millisecond || took > 5*time.Second {
		return fmt.Errorf("expired after %v", took)
	}
	entry, err := death(got[0])
	if err != nil {
		return err
	}
	original, _ := entry["original-expiration"].(string)
	return harness.Expect("death", []any{entry["reason"], entry["queue"], original, got[0].Expiration},
		[]any{"expired", queue, expiration, ""})
}

func priority(ch *amqp.Channel) error {
	queue, err := declare(ch, "priority", false, amqp.Table{"x-max-priority": 5})
	if err != nil {
		return err
	}
	for n, p := range []uint8{0, 5, 1, 3, 5, 9, 0, 3} {
		if err := ch.Publish("", queue, false, false, amqp.Publishing{Priority: p, Body: fmt.Append(nil, n)}); err != nil {
			return err
		}
	}
	return expectBodies(ch, queue, strings.Split("14537206", "")...)
}

func dropHead(ch *amqp.Channel) error {
	dead, err := anonymous(ch)
	if err != nil {
		return err
	}
	queue, err := declare(ch, "short", false,
		amqp.Table{"x-max-length": 3, "x-dead-letter-exchange": "", "x-dead-letter-routing-key": dead})
	if err != nil {
		return err
	}
	for _, n := range numbers(5) {
		if err := send(ch, "", queue, n); err != nil {
			return err
		}
	}
	got, err := take(ch, dead, 2, true)
	if err != nil {
		return err
	}
	entry, err := death(got[0])
	if err != nil {
		return err
	}
	return each(
		func() error { return harness.Expect("dropped", shape(got), numbers(2)) },
		func() error { return harness.Expect("reason", entry["reason"], "maxlen") },
		func() error { return expectBodies(ch, queue, "2", "3", "4") },
	)
}

func rejectPublish(ch *amqp.Channel) error {
	queue, err := declare(ch, "full", false, amqp.Table{"x-max-length": 2, "x-overflow": "reject-publish"})
	if err != nil {
		return err
	}
	if err := ch.Confirm(false); err != nil {
		return err
	}
	var outcome []bool
	publish := func(body string) error {
		d, err := ch.PublishWithDeferredConfirm("", queue, false, false, amqp.Publishing{Body: []byte(body)})
		if err != nil {
			return err
		}
		outcome = append(outcome, d.Wait())
		return nil
	}
	for _, n := range numbers(4) {
		if err := publish(n); err != nil {
			return err
		}
	}
	return each(
		func() error { return expectBodies(ch, queue, "0", "1") },
		func() error { return publish("room again") },
		func() error { return harness.Expect("acks", outcome, []bool{true, true, false, false, true}) },
	)
}

func exclusive(observer *amqp.Channel) error {
	var queue string
	err := connected(url(), amqp.Config{}, func(ch *amqp.Channel) error {
		var err error
		if queue, err = anonymous(ch); err != nil {
			return err
		}
		_, _, err = observer.Get(queue, true)
		return expectCode(err, 405)
	})
	if err != nil {
		return err
	}
	return connected(url(), amqp.Config{}, func(ch *amqp.Channel) error { return expectCode(expectReady(ch, queue, 0), 404) })
}

func autoDelete(ch *amqp.Channel) error {
	queue := unique("auto")
	consume := func(tag string) func() error {
		return func() error {
			_, err := ch.Consume(queue, tag, true, false, false, false, nil)
			return err
		}
	}
	err := each(
		func() error {
			_, err := ch.QueueDeclare(queue, false, true, false, false, nil)
			return err
		},
		consume("one"), consume("two"),
		func() error { return ch.Cancel("one", false) },
		func() error { return expectReady(ch, queue, 0) },
		func() error { return ch.Cancel("two", false) },
	)
	if err != nil {
		return err
	}
	return expectCode(expectReady(ch, queue, 0), 404)
}

func serverNamed(ch *amqp.Channel) error {
	a, err := anonymous(ch)
	if err != nil {
		return err
	}
	b, err := anonymous(ch)
	if err != nil {
		return err
	}
	if !strings.HasPrefix(a, "amq.gen-") || a == b {
		return fmt.Errorf("names %s and %s", a, b)
	}
	exchange := unique("last")
	return each(
		func() error { return ch.ExchangeDeclare(exchange, "direct", false, true, false, false, nil) },
		func() error { return ch.QueueBind("", "k", exchange, false, nil) }, // the queue declared last
		func() error { return send(ch, exchange, "k", "x") },
		func() error { return expectBodies(ch, b, "x") },
	)
}

func cancelNotify(ch *amqp.Channel) error {
	queue, err := declare(ch, "doomed", false, nil)
	if err != nil {
		return err
	}
	cancels := ch.NotifyCancel(make(chan string, 1))
	if _, err := ch.Consume(queue, "", true, false, false, false, nil); err != nil {
		return err
	}
	return each(
		func() error {
			return connected(url(), amqp.Config{}, func(other *amqp.Channel) error {
				_, err := other.QueueDelete(queue, false, false, false)
				return err
			})
		},
		func() error { return harness.Within(cancels, harness.Wait, "basic.cancel") },
		func() error {
			_, err := anonymous(ch) // the channel lives
			return err
		},
	)
}

func getPurgePassive(ch *amqp.Channel) error {
	queue, err := declare(ch, "get", false, nil)
	if err != nil {
		return err
	}
	if _, ok, err := ch.Get(queue, true); ok || err != nil {
		return fmt.Errorf("get of an empty queue: %v, %w", ok, err)
	}
	for _, n := range numbers(5) {
		if err := send(ch, "", queue, n); err != nil {
			return err
		}
	}
	zero, ok, err := ch.Get(queue, false)
	if err != nil || !ok {
		return fmt.Errorf("get: %v, %w", ok, err)
	}
	q, err := ch.QueueDeclarePassive(queue, false, false, false, false, nil)
	if err != nil {
		return err
	}
	purged, err := ch.QueuePurge(queue, false)
	if err != nil {
		return err
	}
	if err := zero.Nack(false, true); err != nil {
		return err
	}
	again, ok, err := ch.Get(queue, true)
	if err != nil {
		return err
	}
	return harness.Expect("get, passive declare, purge, get again",
		[]any{string(zero.Body), zero.MessageCount, zero.Redelivered, q.Messages, q.Consumers, purged, ok, string(again.Body), again.Redelivered},
		[]any{"0", uint32(4), false, 4, 0, 4, true, "0", true})
}

func headersExchange(ch *amqp.Channel) error {
	exchange := unique("headers")
	if err := ch.ExchangeDeclare(exchange, "headers", false, false, false, false, nil); err != nil {
		return err
	}
	queues := map[string]string{}
	for _, match := range []string{"all", "any"} {
		q, err := anonymous(ch)
		if err != nil {
			return err
		}
		if err := ch.QueueBind(q, "", exchange, false, amqp.Table{"x-match": match, "format": "pdf", "pages": 3}); err != nil {
			return err
		}
		queues[match] = q
	}
	for n, h := range []amqp.Table{
		{"format": "pdf", "pages": 3, "more": true},
		{"format": "pdf"},
		{"format": "zip", "pages": int64(3)},
		{"format": "zip"},
		nil,
	} {
		if err := ch.Publish(exchange, "", false, false, amqp.Publishing{Headers: h, Body: fmt.Append(nil, n)}); err != nil {
			return err
		}
	}
	return each(
		func() error { return expectBodies(ch, queues["all"], "0") },
		func() error { return expectBodies(ch, queues["any"], "0", "1", "2") },
		func() error { return expectReady(ch, queues["all"], 0) },
		func() error { return expectReady(ch, queues["any"], 0) },
		func() error { return ch.ExchangeDelete(exchange, false, false) },
	)
}
