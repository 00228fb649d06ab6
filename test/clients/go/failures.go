package main

import (
	"errors"
	"fmt"
	"os"
	"strings"

	amqp "github.com/rabbitmq/amqp091-go"

	"weir/test/clients/harness"
)

func failures() []harness.Scenario {
	return []harness.Scenario{
		{Name: "error-404", Run: notFound},
		{Name: "error-403", Run: accessRefused},
		{Name: "error-405", Run: locked},
		{Name: "error-406-delivery-tag", Run: deliveryTag},
		{Name: "error-406-inequivalent", Run: inequivalent},
		{Name: "error-530", Run: notAllowed},
		{Name: "error-540", Run: func() error {
			return connectionError(540, func(ch *amqp.Channel) error { return ch.Publish("", "q", false, true, amqp.Publishing{}) })
		}},
	}
}

func expectCode(err error, code int) error {
	var e *amqp.Error
	if !errors.As(err, &e) {
		return fmt.Errorf("wanted error %d, got %s", code, fmt.Sprint(err))
	}
	return harness.Expect(e.Reason, e.Code, code)
}

// closedBy runs action and returns with which error the channel was closed.
func closedBy(ch *amqp.Channel, action func(ch *amqp.Channel) error) error {
	closed := ch.NotifyClose(make(chan *amqp.Error, 1))
	err := action(ch)
	var e *amqp.Error
	if errors.As(err, &e) {
		return err
	}
	return harness.Within(closed, harness.Wait, "the error")
}

type channelAction = func(ch *amqp.Channel) error

// channelErrors wants each action to close its channel with code, and the
// connection alive after them.
func channelErrors(code int, actions ...channelAction) error {
	return dialed(url(), amqp.Config{}, func(c *amqp.Connection) error {
		for i, action := range actions {
			ch, err := c.Channel()
			if err != nil {
				return fmt.Errorf("channel after error %d: %w", i, err)
			}
			if err := expectCode(closedBy(ch, action), code); err != nil {
				return fmt.Errorf("case %d: %w", i, err)
			}
		}
		ch, err := c.Channel()
		if err != nil {
			return err
		}
		queue, err := anonymous(ch)
		if err != nil {
			return err
		}
		if err := send(ch, "", queue, "alive"); err != nil {
			return err
		}
		return expectBodies(ch, queue, "alive")
	})
}

func connectionError(code int, action channelAction) error {
	return dialed(url(), amqp.Config{}, func(c *amqp.Connection) error {
		closed := c.NotifyClose(make(chan *amqp.Error, 1))
		ch, err := c.Channel()
		if err != nil {
			return err
		}
		_ = action(ch)
		return expectCode(harness.Within(closed, harness.Wait, "the close"), code)
	})
}

func consume(queue, tag string) channelAction {
	return func(ch *amqp.Channel) error {
		_, err := ch.Consume(queue, tag, true, false, false, false, nil)
		return err
	}
}

func declaration(name string, durable, exclusive bool, arguments amqp.Table) channelAction {
	return func(ch *amqp.Channel) error {
		_, err := ch.QueueDeclare(name, durable, false, exclusive, false, arguments)
		return err
	}
}

func exchange(name, kind string, durable bool) channelAction {
	return func(ch *amqp.Channel) error { return ch.ExchangeDeclare(name, kind, durable, false, false, false, nil) }
}

func notFound() error {
	missing := unique("missing")
	return channelErrors(404,
		func(ch *amqp.Channel) error { return expectReady(ch, missing, 0) },
		func(ch *amqp.Channel) error {
			return ch.ExchangeDeclarePassive(missing, "direct", false, false, false, false, nil)
		},
		consume(missing, ""),
		func(ch *amqp.Channel) error {
			_, _, err := ch.Get(missing, true)
			return err
		},
		func(ch *amqp.Channel) error { return send(ch, missing, "k", "") },
		func(ch *amqp.Channel) error { return ch.QueueBind(missing, "k", "amq.direct", false, nil) },
	)
}

func accessRefused() error {
	if err := channelErrors(403, declaration("amq.mine", false, false, nil), exchange("amq.mine", "direct", false),
		func(ch *amqp.Channel) error { return ch.ExchangeDelete("amq.direct", false, false) }); err != nil {
		return err
	}
	err := connected(url(), amqp.Config{}, func(ch *amqp.Channel) error {
		queue, err := declare(ch, "single", false, nil)
		if err != nil {
			return err
		}
		if _, err := ch.Consume(queue, "", true, true, false, false, nil); err != nil {
			return err
		}
		return channelErrors(403, consume(queue, ""))
	})
	if err != nil {
		return err
	}
	_, err = amqp.Dial(strings.Replace(os.Getenv("CLIENTS_AMQP"), "guest:guest", "guest:wrong", 1))
	return expectCode(err, 403)
}

func locked() error {
	return connected(url(), amqp.Config{}, func(owner *amqp.Channel) error {
		queue := unique("locked")
		if err := declaration(queue, false, true, nil)(owner); err != nil {
			return err
		}
		return channelErrors(405, declaration(queue, false, true, nil), consume(queue, ""),
			func(ch *amqp.Channel) error {
				_, err := ch.QueueDelete(queue, false, false, false)
				return err
			})
	})
}

func deliveryTag() error {
	return connected(url(), amqp.Config{}, func(owner *amqp.Channel) error {
		queue, err := declare(owner, "twice", false, nil)
		if err != nil {
			return err
		}
		if err := send(owner, "", queue, "x"); err != nil {
			return err
		}
		if err := expectReady(owner, queue, 1); err != nil {
			return err
		}
		return channelErrors(406,
			func(ch *amqp.Channel) error { return ch.Ack(99, false) },
			func(ch *amqp.Channel) error { return ch.Nack(99, false, true) },
			func(ch *amqp.Channel) error { return ch.Reject(99, true) },
			func(ch *amqp.Channel) error {
				d, _, err := ch.Get(queue, false)
				if err != nil {
					return err
				}
				return each(func() error { return d.Ack(false) }, func() error { return d.Ack(false) })
			})
	})
}

func inequivalent() error {
	queue, name := unique("args"), unique("args")
	return connected(url(), amqp.Config{}, func(ch *amqp.Channel) error {
		if err := declaration(queue, true, false, amqp.Table{"x-message-ttl": 1000})(ch); err != nil {
			return err
		}
		if err := exchange(name, "direct", false)(ch); err != nil {
			return err
		}
		return channelErrors(406,
			declaration(queue, false, false, amqp.Table{"x-message-ttl": 1000}),
			declaration(queue, true, false, amqp.Table{"x-message-ttl": 2000}),
			declaration(queue, true, false, nil),
			declaration(unique("bad"), false, false, amqp.Table{"x-message-ttl": -1}),
			exchange(name, "fanout", false), exchange(name, "direct", true))
	})
}

func notAllowed() error {
	_, err := amqp.Dial(os.Getenv("CLIENTS_AMQP") + "/no-such-vhost")
	var e *amqp.Error
	if !errors.As(err, &e) || e.Code != 530 && e.Code != 403 { // the client may translate it to its ErrVhost
		return fmt.Errorf("a vhost that does not exist: %w", err)
	}
	return connectionError(530, func(ch *amqp.Channel) error {
		queue, err := anonymous(ch)
		if err != nil {
			return err
		}
		return each(func() error { return consume(queue, "twice")(ch) }, func() error { return consume(queue, "twice")(ch) })
	})
}
