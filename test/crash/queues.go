package main

import (
	"fmt"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

// declareQueues makes durable queues.
func declareQueues(url string, queues map[string]amqp.Table) error {
	c, ch, err := connect(url)
	if err != nil {
		return err
	}
	defer c.Close()
	for name, arguments := range queues {
		if _, err := ch.QueueDeclare(name, true, false, false, false, arguments); err != nil {
			return err
		}
	}
	return nil
}

// look reads what is in a durable queue now without settling anything.
func look(url, queue string, yield func(*amqp.Delivery) error) error {
	c, ch, err := connect(url)
	if err != nil {
		return err
	}
	defer c.Close()
	q, err := ch.QueueDeclarePassive(queue, true, false, false, false, nil)
	if err != nil || q.Messages == 0 {
		return err
	}
	deliveries, err := ch.Consume(queue, "", false, false, false, false, nil)
	if err != nil {
		return err
	}
	for i := range q.Messages {
		select {
		case d := <-deliveries:
			if err := yield(&d); err != nil {
				return err
			}
		case <-time.After(10 * time.Second):
			return fmt.Errorf("%w: %d of %d", errStalled, i, q.Messages)
		}
	}
	return nil
}
