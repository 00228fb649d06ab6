package main

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"weir/test/clients/harness"
)

const (
	heartbeat = time.Second
	idleFor   = 20 * time.Second
)

func lifetimes() []harness.Scenario {
	return []harness.Scenario{
		{Name: "heartbeat", Run: func() error {
			// Either side would have given up on a silent peer by then.
			return connected(url(), amqp.Config{Heartbeat: heartbeat}, worksAfter(4*heartbeat))
		}},
		{Name: "tls", Run: secure},
		{Name: "recovery", Run: recovery},
		{Name: "crash-backlog", Run: func() error { return crash(false) }},
		{Name: "crash-consuming", Run: func() error { return crash(true) }},
	}
}

// worksAfter leaves the connection alone for a while and then uses it.
func worksAfter(pause time.Duration) channelAction {
	return func(ch *amqp.Channel) error {
		<-time.After(pause)
		queue, err := anonymous(ch)
		if err != nil {
			return err
		}
		if err := send(ch, "", queue, "awake"); err != nil {
			return err
		}
		return expectBodies(ch, queue, "awake")
	}
}

// startIdle leaves a connection alone in the background of the other scenarios.
func startIdle() <-chan error {
	done := make(chan error, 1)
	go func() { done <- connected(url(), amqp.Config{}, worksAfter(idleFor)) }()
	return done
}

func secure() error {
	pem, err := os.ReadFile(os.Getenv("CLIENTS_CA"))
	if err != nil {
		return err
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	config := amqp.Config{TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}}
	return connected(os.Getenv("CLIENTS_AMQPS")+"/", config, func(ch *amqp.Channel) error {
		queue, err := anonymous(ch)
		if err != nil {
			return err
		}
		body := strings.Repeat("0123456789abcdef", 1<<16)
		if err := send(ch, "", queue, body); err != nil {
			return err
		}
		return expectBodies(ch, queue, body)
	})
}

func recovery() error {
	b, err := harness.StartBroker()
	if err != nil {
		return err
	}
	defer b.Close()
	queue := unique("kept")
	err = dialed(b.URL, amqp.Config{}, func(c *amqp.Connection) error {
		closed := c.NotifyClose(make(chan *amqp.Error, 1))
		ch, err := c.Channel()
		if err != nil {
			return err
		}
		return each(
			func() error { return declaration(queue, true, false, nil)(ch) },
			func() error { return declaration("transient", false, false, nil)(ch) },
			func() error { return ch.Confirm(false) },
			func() error {
				for _, n := range numbers(100) {
					d, err := ch.PublishWithDeferredConfirm("", queue, false, false,
						amqp.Publishing{Body: []byte(n), DeliveryMode: amqp.Persistent})
					if err != nil || !d.Wait() {
						return fmt.Errorf("not confirmed: %w", err)
					}
				}
				return nil
			},
			b.Terminate,
			func() error { return expectCode(harness.Within(closed, harness.Wait, "the close"), 320) },
		)
	})
	if err != nil {
		return err
	}
	if err := b.Start(); err != nil {
		return err
	}
	return connected(b.URL, amqp.Config{}, func(ch *amqp.Channel) error {
		return each(
			func() error { return expectReady(ch, queue, 100) },
			func() error { return expectBodies(ch, queue, numbers(100)...) },
			func() error { return expectCode(expectReady(ch, "transient", 0), 404) },
		)
	})
}

// stream is a publisher of numbered messages, at most 1000 unconfirmed, that
// goes on until its connection is lost.
type stream struct {
	sent      int
	confirmed map[int]bool
	reached   chan struct{} // closed at 3000 confirms
	done      chan struct{}
}

const window, mark = 1000, 3000

func startStream(url, queue string) (*stream, error) {
	c, err := amqp.Dial(url)
	if err != nil {
		return nil, err
	}
	ch, err := c.Channel()
	if err != nil {
		return nil, err
	}
	confirms := ch.NotifyPublish(make(chan amqp.Confirmation, window))
	if err := ch.Confirm(false); err != nil {
		return nil, err
	}
	s := &stream{confirmed: map[int]bool{}, reached: make(chan struct{}), done: make(chan struct{})}
	go func() {
		defer close(s.done)
		defer func() { _ = c.Close() }()
		for {
			for s.sent-len(s.confirmed) < window {
				s.sent++
				if ch.Publish("", queue, false, false,
					amqp.Publishing{Body: []byte(strconv.Itoa(s.sent)), DeliveryMode: amqp.Persistent}) != nil {
					break
				}
			}
			confirm, ok := <-confirms
			if !ok {
				return
			}
			if confirm.Ack {
				s.confirmed[int(confirm.DeliveryTag)] = true
			}
			if len(s.confirmed) == mark {
				close(s.reached)
			}
		}
	}()
	return s, nil
}

type arrived struct {
	body        string
	redelivered bool
}

// drain consumes and acknowledges in groups until "end" comes or the connection
// is lost; it then sends what it got.
func drain(url, queue string) (<-chan []arrived, error) {
	c, err := amqp.Dial(url)
	if err != nil {
		return nil, err
	}
	ch, err := c.Channel()
	if err != nil {
		return nil, err
	}
	if err := ch.Qos(200, 0, false); err != nil {
		return nil, err
	}
	deliveries, err := ch.Consume(queue, "", false, false, false, false, nil)
	if err != nil {
		return nil, err
	}
	result := make(chan []arrived, 1)
	go func() {
		var got []arrived
		for d := range deliveries {
			got = append(got, arrived{string(d.Body), d.Redelivered})
			end := string(d.Body) == "end"
			if len(got)%10 == 0 || end {
				_ = d.Ack(true)
			}
			if end {
				break
			}
		}
		_ = c.Close()
		result <- got
	}()
	return result, nil
}

// checkCrash wants every confirmed message, in order, at most again and then
// marked so, and none that was not sent.
func checkCrash(s *stream, parts ...[]arrived) error {
	seen := map[int]bool{}
	for _, part := range parts {
		last := 0
		for _, a := range part {
			if a.body == "end" {
				continue
			}
			n, err := strconv.Atoi(a.body)
			switch {
			case err != nil || n < 1 || n > s.sent:
				return fmt.Errorf("message %q was never sent", a.body)
			case seen[n] && !a.redelivered:
				return fmt.Errorf("message %d came twice, the second time not marked as redelivered", n)
			case !seen[n] && n < last:
				return fmt.Errorf("message %d came after %d", n, last)
			case !seen[n]:
				last = n
			}
			seen[n] = true
		}
	}
	missing := 0
	for n := range s.confirmed {
		if !seen[n] {
			missing++
		}
	}
	if missing > 0 {
		return fmt.Errorf("%d of %d confirmed messages are lost", missing, len(s.confirmed))
	}
	return nil
}

func crash(consuming bool) error {
	b, err := harness.StartBroker()
	if err != nil {
		return err
	}
	defer b.Close()
	queue := unique("crash")
	if err := connected(b.URL, amqp.Config{}, declaration(queue, true, false, nil)); err != nil {
		return err
	}
	var first []arrived
	var before <-chan []arrived
	if consuming {
		if before, err = drain(b.URL, queue); err != nil {
			return err
		}
	}
	s, err := startStream(b.URL, queue)
	if err != nil {
		return err
	}
	if err := harness.Within(s.reached, harness.Wait, "3000 confirms"); err != nil {
		return err
	}
	b.Kill()
	if err := harness.Within(s.done, harness.Wait, "the end of the publisher"); err != nil {
		return err
	}
	if consuming {
		first = <-before
	}
	if err := b.Start(); err != nil {
		return err
	}
	err = connected(b.URL, amqp.Config{}, func(ch *amqp.Channel) error {
		return ch.Publish("", queue, false, false, amqp.Publishing{Body: []byte("end"), DeliveryMode: amqp.Persistent})
	})
	if err != nil {
		return err
	}
	rest, err := drain(b.URL, queue)
	if err != nil {
		return err
	}
	select {
	case got := <-rest:
		return checkCrash(s, first, got)
	case <-time.After(harness.Wait):
		return fmt.Errorf("the rest did not come")
	}
}
