// Flash sale: the queue takes ten orders, refuses all others, and hands them to
// the till at a steady rate.
package main

import (
	"context"
	"fmt"
	"log"
	"os"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

const (
	queue     = "flashsale.orders"
	buyers    = 200
	lamps     = 10
	perSecond = 5
)

func main() {
	url := os.Getenv("AMQP_URL")
	if url == "" {
		url = "amqp://guest:guest@localhost:5672/"
	}
	connection, err := amqp.Dial(url)
	check(err)
	defer func() { check(connection.Close()) }()
	channel, err := connection.Channel()
	check(err)

	_, err = channel.QueueDelete(queue, false, false, false) // yesterday's sale
	check(err)
	_, err = channel.QueueDeclare(queue, true, false, false, false, amqp.Table{
		"x-accept-limit": lamps,
		"x-rate-limit":   perSecond,
	})
	check(err)
	sell(channel)
	ship(channel)
}

// sell publishes what all buyers want, all at once, and tells each of them how it
// went.
func sell(channel *amqp.Channel) {
	check(channel.Confirm(false))
	answers := make([]*amqp.DeferredConfirmation, buyers)
	for buyer := range answers {
		answer, err := channel.PublishWithDeferredConfirm("", queue, false, false, amqp.Publishing{
			DeliveryMode: amqp.Persistent, Body: fmt.Appendf(nil, "buyer %d", buyer+1),
		})
		check(err)
		answers[buyer] = answer
	}
	soldOut := 0
	for buyer, answer := range answers {
		accepted, err := answer.WaitContext(context.Background())
		check(err)
		if accepted {
			fmt.Printf("website: buyer %d has a lamp\n", buyer+1)
		} else {
			soldOut++
		}
	}
	fmt.Printf("website: told %d buyers that it is sold out\n", soldOut)
}

// ship is the till.
func ship(channel *amqp.Channel) {
	deliveries, err := channel.Consume(queue, "", false, false, false, false, nil)
	check(err)
	began := time.Now()
	for range lamps {
		delivery := <-deliveries
		fmt.Printf("till: %s pays\n", delivery.Body)
		check(delivery.Ack(false))
	}
	// The first second's worth may come at once.
	if took := time.Since(began); took < (lamps/perSecond-1)*time.Second*9/10 {
		log.Fatalf("%d orders in %v are too many for the till", lamps, took)
	}
	fmt.Printf("till: never more than %d a second\n", perSecond)
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
