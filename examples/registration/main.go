// Registration: a mail that cannot be sent is tried again later, and set aside
// after the third time.
package main

import (
	"context"
	"fmt"
	"log"
	"os"

	amqp "github.com/rabbitmq/amqp091-go"
)

const (
	mailQueue   = "registration.mail"
	retryQueue  = "registration.retry"
	failedQueue = "registration.failed"
	attemptsMax = 3
)

// failures is how often the mail server refuses an address.
var failures = map[string]int{"ada@example.org": 0, "grace@example.org": 1, "nobody@example.org": 100}

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
	declare(channel)
	check(channel.Confirm(false))
	for address := range failures {
		publish(channel, mailQueue, amqp.Publishing{Body: []byte(address)})
		fmt.Printf("website: %s registered\n", address)
	}
	mail(channel)
}

// declare makes the three queues. The default exchange "" delivers to the queue
// named by the routing key.
func declare(channel *amqp.Channel) {
	for queue, arguments := range map[string]amqp.Table{
		mailQueue:   {"x-dead-letter-exchange": "", "x-dead-letter-routing-key": retryQueue},
		retryQueue:  {"x-dead-letter-exchange": "", "x-dead-letter-routing-key": mailQueue, "x-message-ttl": 1000},
		failedQueue: nil,
	} {
		_, err := channel.QueueDeclare(queue, true, false, false, false, arguments)
		check(err)
	}
}

// mail handles registrations until every one is either sent or set aside. A real
// mailer would go on.
func mail(channel *amqp.Channel) {
	deliveries, err := channel.Consume(mailQueue, "", false, false, false, false, nil)
	check(err)
	for open := len(failures); open > 0; {
		delivery := <-deliveries
		address, attempt := string(delivery.Body), attempts(delivery.Headers)+1
		switch {
		case attempt > failures[address]:
			fmt.Printf("mailer: %s: sent at attempt %d\n", address, attempt)
			check(delivery.Ack(false))
			open--
		case attempt < attemptsMax:
			fmt.Printf("mailer: %s: attempt %d failed, again in a second\n", address, attempt)
			check(delivery.Reject(false)) // not back into this queue: to the dead letters
		default:
			fmt.Printf("mailer: %s: attempt %d failed, set aside\n", address, attempt)
			// First stored there, then forgotten here: a crash in between makes two of it, never none.
			publish(channel, failedQueue, amqp.Publishing{Headers: delivery.Headers, Body: delivery.Body})
			check(delivery.Ack(false))
			open--
		}
	}
}

// attempts is how often the mailer has rejected a message before.
func attempts(headers amqp.Table) int {
	deaths, _ := headers["x-death"].([]any)
	for _, d := range deaths {
		if death := d.(amqp.Table); death["queue"] == mailQueue && death["reason"] == "rejected" {
			return int(death["count"].(int64))
		}
	}
	return 0
}

func publish(channel *amqp.Channel, queue string, message amqp.Publishing) {
	message.DeliveryMode = amqp.Persistent
	confirmation, err := channel.PublishWithDeferredConfirm("", queue, false, false, message)
	check(err)
	stored, err := confirmation.WaitContext(context.Background())
	check(err)
	if !stored {
		log.Fatalf("%s: refused", queue)
	}
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
