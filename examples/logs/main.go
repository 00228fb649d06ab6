// Logs: lines are routed by who wrote them and how bad they are, and an archive
// can be read again after it was read.
package main

import (
	"context"
	"fmt"
	"log"
	"os"

	amqp "github.com/rabbitmq/amqp091-go"
)

const archive = "logs.archive"

// lines are routing keys and texts.
var lines = [][2]string{
	{"billing.info", "invoice 17 sent"},
	{"shop.info", "the doors are open"},
	{"shop.error", "the till is on fire"},
	{"billing.error", "invoice 18 bounced"},
	{"shop.info", "the fire is out"},
}

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
	publish(channel)
	consume(channel, "alarm", "logs.alarm", 2, nil)
	consume(channel, "accountants", "logs.billing", 2, nil)
	consume(channel, "archivist", archive, len(lines), nil)
	// The archive is empty for its consumers now, and still there to be read.
	consume(channel, "detective", archive, len(lines), amqp.Table{"x-stream-offset": "first"})
	consume(channel, "latecomer", archive, 2, amqp.Table{"x-stream-offset": int64(3)})
}

func declare(channel *amqp.Channel) {
	check(channel.ExchangeDeclare("logs", amqp.ExchangeTopic, true, false, false, false, nil))
	_, err := channel.QueueDelete(archive, false, false, false) // what an earlier run left there
	check(err)
	for _, q := range []struct {
		name, pattern string
		arguments     amqp.Table
	}{
		{"logs.alarm", "*.error", nil},
		{"logs.billing", "billing.#", nil},
		{archive, "#", amqp.Table{"x-retain-ms": 3_600_000}},
	} {
		_, err := channel.QueueDeclare(q.name, true, false, false, false, q.arguments)
		check(err)
		check(channel.QueueBind(q.name, q.pattern, "logs", false, nil))
	}
}

func publish(channel *amqp.Channel) {
	check(channel.Confirm(false))
	for _, line := range lines {
		confirmation, err := channel.PublishWithDeferredConfirm("logs", line[0], false, false, amqp.Publishing{
			DeliveryMode: amqp.Persistent, Body: []byte(line[1]),
		})
		check(err)
		stored, err := confirmation.WaitContext(context.Background())
		check(err)
		if !stored {
			log.Fatalf("%s: refused", line)
		}
	}
	fmt.Printf("programs: %d lines\n", len(lines))
}

// consume takes count lines off a queue, or only reads them if the arguments say
// from where.
func consume(channel *amqp.Channel, who, queue string, count int, arguments amqp.Table) {
	check(channel.Qos(10, 0, false))
	deliveries, err := channel.Consume(queue, who, false, false, false, false, arguments)
	check(err)
	for range count {
		delivery := <-deliveries
		fmt.Printf("%s: %s: %s\n", who, delivery.RoutingKey, delivery.Body)
		check(delivery.Ack(false))
	}
	check(channel.Cancel(who, false))
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
