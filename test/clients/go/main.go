package main

import (
	"fmt"
	"os"
	"slices"
	"sync/atomic"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"weir/test/clients/harness"
)

func main() {
	idle := startIdle()
	harness.Main("go", slices.Concat(tutorials(), queues(), failures(), contents(), lifetimes(), []harness.Scenario{
		{Name: "idle-20s", Run: func() error { return harness.Within(idle, idleFor+harness.Wait, "the idle connection") }},
	}))
}

var serial atomic.Int64

func unique(what string) string {
	return fmt.Sprintf("go.%s.%d.%d", what, os.Getpid(), serial.Add(1))
}

func url() string { return os.Getenv("CLIENTS_AMQP") + "/" }

// on makes a scenario of a function that needs one channel.
func on(name string, run func(ch *amqp.Channel) error) harness.Scenario {
	return harness.Scenario{Name: name, Run: func() error { return connected(url(), amqp.Config{}, run) }}
}

// connected runs a function with a channel on a connection of its own.
func connected(url string, config amqp.Config, run func(ch *amqp.Channel) error) error {
	return dialed(url, config, func(c *amqp.Connection) error {
		ch, err := c.Channel()
		if err != nil {
			return err
		}
		return run(ch)
	})
}

func dialed(url string, config amqp.Config, run func(c *amqp.Connection) error) error {
	c, err := amqp.DialConfig(url, config)
	if err != nil {
		return err
	}
	err = run(c)
	if closeErr := c.Close(); err == nil && closeErr != amqp.ErrClosed { //nolint:errorlint // the client compares so itself
		err = closeErr
	}
	return err
}

// each runs steps until one fails.
func each(steps ...func() error) error {
	for _, step := range steps {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

func declare(ch *amqp.Channel, what string, durable bool, arguments amqp.Table) (string, error) {
	q, err := ch.QueueDeclare(unique(what), durable, false, false, false, arguments)
	return q.Name, err
}

func anonymous(ch *amqp.Channel) (string, error) {
	q, err := ch.QueueDeclare("", false, false, true, false, nil)
	return q.Name, err
}

func send(ch *amqp.Channel, exchange, key, body string) error {
	return ch.Publish(exchange, key, false, false, amqp.Publishing{Body: []byte(body)})
}

func receive(deliveries <-chan amqp.Delivery) (amqp.Delivery, error) {
	select {
	case d, ok := <-deliveries:
		if !ok {
			return d, fmt.Errorf("the consumer was cancelled")
		}
		return d, nil
	case <-time.After(harness.Wait):
		return amqp.Delivery{}, fmt.Errorf("no delivery in %v", harness.Wait)
	}
}

// take consumes exactly count messages.
func take(ch *amqp.Channel, queue string, count int, autoAck bool) ([]amqp.Delivery, error) {
	tag := unique("consumer")
	deliveries, err := ch.Consume(queue, tag, autoAck, false, false, false, nil)
	if err != nil {
		return nil, err
	}
	var got []amqp.Delivery
	for len(got) < count {
		d, err := receive(deliveries)
		if err != nil {
			return nil, fmt.Errorf("after %d of %d messages of %s: %w", len(got), count, queue, err)
		}
		got = append(got, d)
	}
	return got, ch.Cancel(tag, false)
}

// expectBodies consumes as many messages as wanted and compares them.
func expectBodies(ch *amqp.Channel, queue string, wanted ...string) error {
	got, err := take(ch, queue, len(wanted), true)
	if err != nil {
		return err
	}
	return harness.Expect("messages of "+queue, shape(got), wanted)
}

// expectReady wants so many messages in the queue.
func expectReady(ch *amqp.Channel, queue string, wanted int) error {
	q, err := ch.QueueDeclarePassive(queue, false, false, false, false, nil)
	if err != nil {
		return err
	}
	return harness.Expect("ready in "+queue, q.Messages, wanted)
}

// shape is the bodies, redelivered ones with an r.
func shape(list []amqp.Delivery) []string {
	var out []string
	for _, d := range list {
		s := string(d.Body)
		if d.Redelivered {
			s += "r"
		}
		out = append(out, s)
	}
	return out
}

func numbers(count int) []string {
	var out []string
	for n := range count {
		out = append(out, fmt.Sprint(n))
	}
	return out
}
