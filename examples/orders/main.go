// Orders: the shop announces an order once, and four services each get a copy.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"log"
	"os"
	"sync"

	amqp "github.com/rabbitmq/amqp091-go"
)

// Order is what the shop announces.
type Order struct {
	ID       int    `json:"id"`
	Customer string `json:"customer"`
	Article  string `json:"article"`
	Price    int    `json:"price"`
}

var orders = []Order{
	{1, "Ada", "a teapot", 40},
	{2, "Grace", "a lamp", 25},
	{3, "Alan", "a bicycle", 310},
}

var services = map[string]func(Order) string{
	"stock":  func(o Order) string { return "took " + o.Article + " off the shelf" },
	"points": func(o Order) string { return fmt.Sprintf("gave %s %d points", o.Customer, o.Price/10) },
	"mail":   func(o Order) string { return fmt.Sprintf("told %s that %s is on its way", o.Customer, o.Article) },
	"sms":    func(o Order) string { return "texted " + o.Customer },
}

func main() {
	url := os.Getenv("AMQP_URL")
	if url == "" {
		url = "amqp://guest:guest@localhost:5672/"
	}
	connection, err := amqp.Dial(url)
	check(err)
	defer func() { check(connection.Close()) }()

	var done sync.WaitGroup
	for name, work := range services {
		deliveries := subscribe(connection, name)
		done.Go(func() { serve(name, deliveries, work) })
	}
	publish(connection)
	done.Wait()
}

// subscribe makes the service's queue, binds it, and starts to consume it.
func subscribe(connection *amqp.Connection, service string) <-chan amqp.Delivery {
	channel, err := connection.Channel()
	check(err)
	queue := "orders." + service
	check(channel.ExchangeDeclare("orders", amqp.ExchangeFanout, true, false, false, false, nil))
	_, err = channel.QueueDeclare(queue, true, false, false, false, nil)
	check(err)
	check(channel.QueueBind(queue, "", "orders", false, nil))
	check(channel.Qos(10, 0, false)) // at most ten orders in this service's hands
	deliveries, err := channel.Consume(queue, "", false, false, false, false, nil)
	check(err)
	return deliveries
}

// serve handles as many orders as there are. A real service would go on.
func serve(name string, deliveries <-chan amqp.Delivery, work func(Order) string) {
	for range orders {
		delivery := <-deliveries
		var order Order
		check(json.Unmarshal(delivery.Body, &order))
		fmt.Printf("%s: order %d: %s\n", name, order.ID, work(order))
		check(delivery.Ack(false)) // only now the broker forgets it
	}
}

func publish(connection *amqp.Connection) {
	channel, err := connection.Channel()
	check(err)
	check(channel.Confirm(false)) // ask the broker to say when it has stored an order
	for _, order := range orders {
		body, err := json.Marshal(order)
		check(err)
		confirmation, err := channel.PublishWithDeferredConfirm("orders", "", false, false, amqp.Publishing{
			ContentType: "application/json", DeliveryMode: amqp.Persistent, Body: body,
		})
		check(err)
		stored, err := confirmation.WaitContext(context.Background())
		check(err)
		if !stored {
			log.Fatalf("order %d was refused", order.ID)
		}
		fmt.Printf("shop: order %d is stored\n", order.ID)
	}
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
