package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"

	amqp "github.com/rabbitmq/amqp091-go"
)

const (
	churnObjects = 6
	churnRecords = 3 // sent to each incarnation at a time
)

// object is a queue or topic that is made and deleted again and again. It is
// there or not as far as sure says; an incarnation never holds what was sent to
// an earlier one.
type object struct {
	name        string
	sure, there bool
	incarnation int
	acked       []bool // of the incarnation, by sequence
}

// sender is the name under which the incarnation is sent to.
func (o *object) sender() string { return fmt.Sprintf("%s/%d", o.name, o.incarnation) }

// verify checks whether the object is there, and what is in it.
func (o *object) verify(there bool, contents []place) error {
	if o.sure && o.there != there {
		return fmt.Errorf("%s: there is %v, should be %v", o.sender(), there, o.there)
	}
	o.sure, o.there = true, there
	if !there {
		return nil
	}
	last, present := -1, make([]bool, len(o.acked))
	for _, at := range contents {
		if at.name != o.sender() || at.sequence >= len(o.acked) || at.sequence <= last {
			return fmt.Errorf("%s: has %v behind %d", o.sender(), at, last)
		}
		last, present[at.sequence] = at.sequence, true
	}
	for i, acked := range o.acked {
		if acked && !present[i] {
			return fmt.Errorf("%s: message %d of %d is lost", o.sender(), i, len(o.acked))
		}
	}
	return nil
}

// begin makes the object's next incarnation the current one.
func (o *object) begin() { o.sure, o.acked, o.incarnation = false, nil, o.incarnation+1 }

const churnExchange = "churn"

// churn makes, binds, fills and deletes queues.
type churn struct {
	world   *world
	rng     *rand.Rand
	objects []object
}

func newChurn(w *world) *churn {
	c := &churn{world: w, rng: rand.New(rand.NewPCG(w.rng.Uint64(), 0))}
	for i := range churnObjects {
		c.objects = append(c.objects, object{name: fmt.Sprint("churn-", i), sure: true})
	}
	return c
}

func (c *churn) declare(_ context.Context, p *process) error {
	conn, err := amqp.Dial(p.url)
	if err != nil {
		return err
	}
	defer conn.Close()
	ch, err := conn.Channel()
	if err != nil {
		return err
	}
	return ch.ExchangeDeclare(churnExchange, "direct", true, false, false, false, nil)
}

func (c *churn) load(ctx context.Context, p *process, running *sync.WaitGroup) {
	running.Go(func() {
		if err := c.run(ctx, p.url); err != nil && ctx.Err() == nil {
			c.world.trouble(fmt.Errorf("churn: %w", err))
		}
	})
}

func (c *churn) run(ctx context.Context, url string) error {
	conn, err := amqp.Dial(url)
	if err != nil {
		return err
	}
	defer conn.Close()
	ch, err := conn.Channel()
	if err != nil {
		return err
	}
	if err := ch.Confirm(false); err != nil {
		return err
	}
	returns := ch.NotifyReturn(make(chan amqp.Return, 100))
	for ctx.Err() == nil {
		o := &c.objects[c.rng.IntN(len(c.objects))]
		switch {
		case !o.there:
			err = c.create(ch, o)
		case c.rng.IntN(2) == 0:
			o.sure = false
			if _, err = ch.QueueDelete(o.name, false, false, false); err == nil {
				o.sure, o.there = true, false
			}
		}
		if err == nil && o.there {
			err = c.fill(ctx, ch, o)
		}
		if err != nil {
			return err
		}
		select {
		case r, ok := <-returns:
			if ok {
				c.world.violated(fmt.Errorf("churn: the binding of %s is lost", r.RoutingKey))
			}
		default:
		}
	}
	return nil
}

func (c *churn) create(ch *amqp.Channel, o *object) error {
	o.begin()
	if _, err := ch.QueueDeclare(o.name, true, false, false, false, nil); err != nil {
		return err
	}
	if err := ch.QueueBind(o.name, o.sender(), churnExchange, false, nil); err != nil {
		return err
	}
	o.sure, o.there = true, true
	return nil
}

func (c *churn) fill(ctx context.Context, ch *amqp.Channel, o *object) error {
	for range churnRecords {
		sequence := len(o.acked)
		o.acked = append(o.acked, false)
		confirm, err := ch.PublishWithDeferredConfirm(churnExchange, o.sender(), true, false, message(o.sender(), sequence, 60))
		if err != nil {
			return err
		}
		ack, err := confirm.WaitContext(ctx)
		if err != nil || !ack {
			return err
		}
		o.acked[sequence] = true
		c.world.confirmed.Add(1)
	}
	return nil
}

func (c *churn) verify(_ context.Context, p *process) error {
	for i := range c.objects {
		o := &c.objects[i]
		var contents []place
		err := look(p.url, o.name, func(d *amqp.Delivery) error {
			name, sequence, err := received(d)
			contents = append(contents, place{name, sequence})
			return err
		})
		var refused *amqp.Error
		absent := errors.As(err, &refused) && refused.Code == amqp.NotFound
		if err != nil && !absent {
			return fmt.Errorf("verify %s: %w", o.name, err)
		}
		unsure := !o.sure
		if err := o.verify(!absent, contents); err != nil {
			c.world.violated(fmt.Errorf("churn: %w", err))
		}
		if unsure && o.there { // its binding may be missing
			if err := c.forget(p.url, o); err != nil {
				return err
			}
		}
	}
	return nil
}

// forget deletes a queue whose making or deletion was not answered.
func (c *churn) forget(url string, o *object) error {
	conn, err := amqp.Dial(url)
	if err != nil {
		return err
	}
	defer conn.Close()
	ch, err := conn.Channel()
	if err != nil {
		return err
	}
	if _, err := ch.QueueDelete(o.name, false, false, false); err != nil {
		return err
	}
	o.there = false
	return nil
}
