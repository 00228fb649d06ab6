package main

import (
	"errors"

	amqp "github.com/rabbitmq/amqp091-go"

	"weir/test/clients/harness"
)

// startCanary publishes and consumes one message after the other on a connection
// of its own until stop is called, which says whether anything ever went wrong.
func startCanary() (stop func() error) {
	ending, ended := make(chan struct{}), make(chan error, 1)
	trips := 0
	go func() { ended <- canary(ending, &trips) }()
	return func() error {
		close(ending)
		if err := harness.Within(ended, harness.Wait, "the last round trip"); err != nil {
			return err
		}
		if trips == 0 {
			return errors.New("not one round trip")
		}
		return nil
	}
}

func canary(ending <-chan struct{}, trips *int) error {
	c, err := amqp.Dial(broker.URL)
	if err != nil {
		return err
	}
	defer func() { _ = c.Close() }()
	ch, err := c.Channel()
	if err != nil {
		return err
	}
	q, err := ch.QueueDeclare("", false, false, true, false, nil)
	if err != nil {
		return err
	}
	deliveries, err := ch.Consume(q.Name, "", false, false, false, false, nil)
	if err != nil {
		return err
	}
	for {
		select {
		case <-ending:
			return nil
		default:
		}
		if err := ch.Publish("", q.Name, false, false, amqp.Publishing{Body: []byte("still here")}); err != nil {
			return err
		}
		d, ok := <-deliveries
		if !ok {
			return errors.New("the consumer ended")
		}
		if err := d.Ack(false); err != nil {
			return err
		}
		*trips++
	}
}
