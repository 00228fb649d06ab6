package main

import (
	"context"
	"fmt"
	"slices"
	"strconv"

	amqp "github.com/rabbitmq/amqp091-go"

	"weir/test/clients/harness"
)

func tutorials() []harness.Scenario {
	return []harness.Scenario{
		on("hello", hello),
		on("work-queues", workQueues),
		on("publish-subscribe", publishSubscribe),
		on("routing", routing),
		on("topics", topics),
		on("rpc-exclusive-queue", func(ch *amqp.Channel) error { return rpc(ch, anonymous) }),
		on("rpc-direct-reply-to", func(ch *amqp.Channel) error {
			return rpc(ch, func(*amqp.Channel) (string, error) { return "amq.rabbitmq.reply-to", nil })
		}),
		on("confirms-individual", func(ch *amqp.Channel) error { return confirms(ch, 100, 1) }),
		on("confirms-batch", func(ch *amqp.Channel) error { return confirms(ch, 2000, 100) }),
		on("confirms-async", func(ch *amqp.Channel) error { return confirms(ch, 5000, 5000) }),
	}
}

func hello(ch *amqp.Channel) error {
	queue, err := declare(ch, "hello", false, nil)
	if err != nil {
		return err
	}
	if err := send(ch, "", queue, "Hello World!"); err != nil {
		return err
	}
	return expectBodies(ch, queue, "Hello World!")
}

// worker consumes on a connection of its own with a prefetch of one.
func worker(queue string, run func(tasks <-chan amqp.Delivery) error) error {
	return connected(url(), amqp.Config{}, func(ch *amqp.Channel) error {
		if err := ch.Qos(1, 0, false); err != nil {
			return err
		}
		tasks, err := ch.Consume(queue, "", false, false, false, false, nil)
		if err != nil {
			return err
		}
		return run(tasks)
	})
}

func workQueues(ch *amqp.Channel) error {
	queue, err := declare(ch, "work", true, nil)
	if err != nil {
		return err
	}
	if err := ch.Confirm(false); err != nil {
		return err
	}
	for _, n := range numbers(4) {
		d, err := ch.PublishWithDeferredConfirm("", queue, false, false,
			amqp.Publishing{Body: []byte(n), DeliveryMode: amqp.Persistent})
		if err != nil || !d.Wait() {
			return fmt.Errorf("message %s is not confirmed: %w", n, err)
		}
	}
	return worker(queue, func(one <-chan amqp.Delivery) error {
		return worker(queue, func(two <-chan amqp.Delivery) error { return shareWork(ch, queue, one, two) })
	})
}

// shareWork sees that neither worker gets a second message before it has
// acknowledged its first.
func shareWork(ch *amqp.Channel, queue string, one, two <-chan amqp.Delivery) error {
	var a, b, c, d amqp.Delivery
	var err error
	next := func(tasks <-chan amqp.Delivery, into *amqp.Delivery) func() error {
		return func() error {
			*into, err = receive(tasks)
			return err
		}
	}
	return each(
		next(one, &a), next(two, &b),
		func() error {
			first := []string{string(a.Body), string(b.Body)}
			slices.Sort(first)
			return harness.Expect("first of each", first, []string{"0", "1"})
		},
		func() error { return expectReady(ch, queue, 2) },
		func() error { return a.Ack(false) },
		next(one, &c),
		func() error { return harness.Expect("after the first ack", string(c.Body), "2") },
		func() error { return b.Ack(false) },
		next(two, &d),
		func() error { return harness.Expect("for the free worker", string(d.Body), "3") },
		func() error { return c.Ack(false) },
		func() error { return d.Ack(false) },
	)
}

func publishSubscribe(ch *amqp.Channel) error {
	exchange := unique("logs")
	if err := ch.ExchangeDeclare(exchange, "fanout", false, true, false, false, nil); err != nil {
		return err
	}
	var queues []string
	for range 3 {
		q, err := anonymous(ch)
		if err != nil {
			return err
		}
		if err := ch.QueueBind(q, "", exchange, false, nil); err != nil {
			return err
		}
		queues = append(queues, q)
	}
	if err := send(ch, exchange, "ignored", "to all"); err != nil {
		return err
	}
	for _, q := range queues {
		if err := expectBodies(ch, q, "to all"); err != nil {
			return err
		}
	}
	return nil
}

// route binds a queue per pattern, publishes every key, and compares.
func route(ch *amqp.Channel, kind string, keys []string, wanted map[string][]string) error {
	exchange := unique(kind)
	if err := ch.ExchangeDeclare(exchange, kind, false, true, false, false, nil); err != nil {
		return err
	}
	queues := map[string]string{}
	for pattern := range wanted {
		q, err := anonymous(ch)
		if err != nil {
			return err
		}
		if err := ch.QueueBind(q, pattern, exchange, false, nil); err != nil {
			return err
		}
		queues[pattern] = q
	}
	for _, key := range keys {
		if err := send(ch, exchange, key, key); err != nil {
			return err
		}
	}
	for pattern, some := range wanted {
		if err := expectBodies(ch, queues[pattern], some...); err != nil {
			return fmt.Errorf("%s: %w", pattern, err)
		}
		if err := expectReady(ch, queues[pattern], 0); err != nil {
			return fmt.Errorf("%s: %w", pattern, err)
		}
	}
	return nil
}

func routing(ch *amqp.Channel) error {
	return route(ch, "direct", []string{"info", "warning", "error", "debug"},
		map[string][]string{"info": {"info"}, "error": {"error"}})
}

func topics(ch *amqp.Channel) error {
	keys := []string{"quick.orange.rabbit", "lazy.orange.elephant", "lazy", "lazy.a.b.c.d", "orange", ""}
	return route(ch, "topic", keys, map[string][]string{
		"*.orange.*": keys[:2], "*.*.rabbit": keys[:1], "lazy.#": keys[1:4], "#": keys,
	})
}

func fib(n int) int {
	if n < 2 {
		return n
	}
	return fib(n-1) + fib(n-2)
}

// serveFib answers requests until its channel is closed.
func serveFib(ch *amqp.Channel, requests <-chan amqp.Delivery) {
	for d := range requests {
		n, _ := strconv.Atoi(string(d.Body))
		_ = ch.Publish("", d.ReplyTo, false, false,
			amqp.Publishing{CorrelationId: d.CorrelationId, Body: []byte(strconv.Itoa(fib(n)))})
		_ = d.Ack(false)
	}
}

func rpc(client *amqp.Channel, replyQueue func(*amqp.Channel) (string, error)) error {
	return connected(url(), amqp.Config{}, func(server *amqp.Channel) error {
		queue, err := declare(server, "rpc", false, nil)
		if err != nil {
			return err
		}
		requests, err := server.Consume(queue, "", false, false, false, false, nil)
		if err != nil {
			return err
		}
		go serveFib(server, requests)
		replyTo, err := replyQueue(client)
		if err != nil {
			return err
		}
		replies, err := client.Consume(replyTo, "", true, false, false, false, nil)
		if err != nil {
			return err
		}
		for _, n := range []int{1, 5, 10, 12, 15} {
			id := fmt.Sprintf("id-%d", n)
			if err := client.Publish("", queue, false, false,
				amqp.Publishing{ReplyTo: replyTo, CorrelationId: id, Body: []byte(strconv.Itoa(n))}); err != nil {
				return err
			}
			d, err := receive(replies)
			if err != nil {
				return err
			}
			if err := harness.Expect("answer", d.CorrelationId+" "+string(d.Body), id+" "+strconv.Itoa(fib(n))); err != nil {
				return err
			}
		}
		return nil
	})
}

// confirms publishes count messages and waits after every batch of them.
func confirms(ch *amqp.Channel, count, batch int) error {
	queue, err := declare(ch, "confirm", true, nil)
	if err != nil {
		return err
	}
	if err := ch.Confirm(false); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), harness.Wait)
	defer cancel()
	var waiting []*amqp.DeferredConfirmation
	for i, n := range numbers(count) {
		d, err := ch.PublishWithDeferredConfirm("", queue, false, false,
			amqp.Publishing{Body: []byte(n), DeliveryMode: amqp.Persistent})
		if err != nil {
			return err
		}
		waiting = append(waiting, d)
		if (i+1)%batch > 0 {
			continue
		}
		for _, d := range waiting {
			if acked, err := d.WaitContext(ctx); err != nil || !acked {
				return fmt.Errorf("message %d: acked %v, %w", d.DeliveryTag, acked, err)
			}
		}
		waiting = waiting[:0]
	}
	return expectBodies(ch, queue, numbers(count)...)
}
