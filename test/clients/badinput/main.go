package main

import (
	"bufio"
	"fmt"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"weir/test/clients/harness"
)

var (
	broker  *harness.Broker
	address string // host:port of its AMQP door
)

func main() {
	if address = os.Getenv("RECORD_ADDRESS"); address != "" {
		record()
		return
	}
	var err error
	if broker, err = harness.StartBroker(); err == nil {
		address, err = hostPort(broker.URL)
	}
	if err != nil {
		fmt.Printf("FAIL badinput start: %v\n", err)
		os.Exit(1)
	}
	slow := startSlow()
	var all []harness.Scenario
	for _, c := range cases() {
		all = append(all, harness.Scenario{Name: c.Name, Run: func() error { return guarded(c.Run) }})
	}
	all = append(all, slow.scenarios()...)
	all = append(all, harness.Scenario{Name: "restart", Run: restart})
	harness.Main("badinput", all)
}

func hostPort(s string) (string, error) {
	u, err := url.Parse(s)
	if err != nil {
		return "", err
	}
	return u.Host, nil
}

// What the broker may grow by in a case, beyond a few times of what it was sent:
// Go frees late and the broker keeps some buffers.
const (
	growthBytesMax  = 96 << 20
	growthPerSent   = 5
	roundTripWithin = 5 * time.Second
)

// guarded runs a case and then sees that the broker is well.
func guarded(run func() error) error {
	before, sent := residentBytes(), bytesSent.Load()
	connected := connections.Load()
	if err := run(); err != nil {
		return err
	}
	if err := healthy(); err != nil {
		return fmt.Errorf("another client afterwards: %w", err)
	}
	after, sent := residentBytes(), bytesSent.Load()-sent
	if limit := before + growthBytesMax + growthPerSent*sent + idleBytesMax*(connections.Load()-connected); after > limit {
		return fmt.Errorf("resident memory went from %d to %d MiB after %d MiB of input", before>>20, after>>20, sent>>20)
	}
	return nil
}

// healthy publishes and consumes through an ordinary client.
func healthy() error {
	done := make(chan error, 1)
	go func() { done <- roundTrip() }()
	return harness.Within(done, roundTripWithin, "a round trip")
}

func roundTrip() error {
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
	deliveries, err := ch.Consume(q.Name, "", true, false, false, false, nil)
	if err != nil {
		return err
	}
	if err := ch.Publish("", q.Name, false, false, amqp.Publishing{Body: []byte("well")}); err != nil {
		return err
	}
	return harness.Expect("body", string((<-deliveries).Body), "well")
}

// residentBytes is the broker's resident memory; 0 where it cannot be told.
func residentBytes() int64 {
	f, err := os.Open(fmt.Sprintf("/proc/%d/status", broker.PID()))
	if err != nil {
		return 0
	}
	defer func() { _ = f.Close() }()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if rest, ok := strings.CutPrefix(lines.Text(), "VmRSS:"); ok {
			kib, _ := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
			return kib << 10
		}
	}
	return 0
}

// restart sees that nothing of all that keeps the store from opening again.
func restart() error {
	if err := broker.Terminate(); err != nil {
		return err
	}
	if err := broker.Start(); err != nil {
		return err
	}
	defer broker.Close()
	return healthy()
}
