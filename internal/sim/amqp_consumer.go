package sim

import (
	"errors"
	"fmt"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

var errNoTopic = errors.New("the topic is not there yet")

// amqpConsumer settles what a queue gives it. Alone on its queue it also holds the
// order against that of sending.
type amqpConsumer struct {
	program
	queue   string
	place   string // whose messages it gives: the queue's own, or a topic's
	alone   bool
	rejects bool        // now and then
	gets    bool        // a message at a time, instead of consuming
	copies  bool        // a message may be stored more than once
	until   func() bool // not nil: goes on after the world's stopping until it is true
	news    bool        // something came
	seen    map[string]int
	since   int64 // in the peer's broker time: what comes now was handed out then or later
}

func (c *amqpConsumer) ended() bool {
	if c.until != nil {
		return c.until()
	}
	return c.over()
}

func (c *amqpConsumer) run() {
	for !c.ended() {
		if err := c.session(); err != nil {
			c.world.note(c.title, "%v", err)
			c.pause(c.world.dice.between(50*time.Millisecond, time.Second))
		}
	}
}

func (c *amqpConsumer) pause(d time.Duration) {
	if c.until != nil {
		time.Sleep(d)
		return
	}
	c.wait(d)
}

func (c *amqpConsumer) session() error {
	if c.queue == auditQueue && !c.world.book.any(eventsPlace) {
		return errNoTopic // the queue would be one like any other
	}
	conn, ch, err := c.dialAMQP()
	if err != nil {
		return err
	}
	defer conn.Close()
	if err := ch.Qos(1+c.world.dice.n(50), 0, false); err != nil {
		return err
	}
	if err := declare(ch, c.queue); err != nil {
		return err
	}
	next, err := c.source(ch)
	if err != nil {
		return err
	}
	c.world.note(c.title, "consumes %s", c.queue)
	c.seen = map[string]int{}
	var acks []*entry
	began, asked := time.Now(), time.Now()
	for !c.ended() {
		d, ok, err := next()
		if err != nil {
			return err
		}
		if ok {
			e, err := c.take(d)
			if err != nil {
				return err
			}
			if e != nil {
				acks = append(acks, e)
			}
		}
		if len(acks) > 0 && time.Since(asked) > time.Second {
			if err := c.handled(ch, acks); err != nil {
				return err
			}
			acks, asked = nil, time.Now()
		}
		if c.until == nil && time.Since(began) > 3*time.Second && c.world.dice.is(0.002) {
			break // with what it holds
		}
	}
	return nil
}

// source begins to take messages from the queue. What it returns waits a while for
// the next one.
func (c *amqpConsumer) source(ch *amqp.Channel) (func() (amqp.Delivery, bool, error), error) {
	c.since = c.peer.clock.Millis()
	if c.gets {
		return func() (amqp.Delivery, bool, error) {
			c.pause(c.world.dice.between(0, 200*time.Millisecond))
			c.since = c.peer.clock.Millis()
			return ch.Get(c.queue, false)
		}, nil
	}
	deliveries, err := ch.Consume(c.queue, "", false, false, false, false, nil)
	return func() (amqp.Delivery, bool, error) {
		select {
		case d, ok := <-deliveries:
			if !ok {
				return d, false, fmt.Errorf("the consumer of %s is closed", c.queue)
			}
			return d, true, nil
		case <-time.After(200 * time.Millisecond):
			return amqp.Delivery{}, false, nil
		}
	}, err
}

// handled asks the channel something, which it answers after the acknowledgements
// sent so far; some seconds later, if the node still lives, they are in its log.
func (c *amqpConsumer) handled(ch *amqp.Channel, acks []*entry) error {
	var lives []*life
	for _, n := range c.world.nodes {
		lives = append(lives, n.living())
	}
	if _, err := ch.QueueDeclarePassive(c.queue, true, false, false, false, nil); err != nil {
		return err
	}
	time.AfterFunc(ackGrace, func() {
		for i, n := range c.world.nodes {
			if lives[i] == nil || n.living() != lives[i] || n.disk.late() {
				return
			}
		}
		c.world.book.mu.Lock()
		defer c.world.book.mu.Unlock()
		for _, e := range acks {
			e.of(c.queue).sure = true
		}
	})
	return nil
}

// take checks a delivery and settles it one way or the other.
func (c *amqpConsumer) take(d amqp.Delivery) (*entry, error) {
	id, err := identify(d.Body)
	if err != nil {
		c.world.violated(c.title, "%s: %v", c.queue, err)
		return nil, d.Ack(false)
	}
	e := c.judge(id, d.Redelivered)
	if e == nil {
		return nil, d.Ack(false)
	}
	c.timely(e, &d)
	if c.until == nil {
		switch c.world.dice.n(40) {
		case 0:
			return nil, d.Nack(false, true)
		case 1:
			return nil, nil // held until the connection ends
		case 2:
			if c.rejects {
				c.world.book.mu.Lock()
				e.of(c.queue).rejected = true
				c.world.book.mu.Unlock()
				return nil, d.Reject(false)
			}
		}
	}
	c.world.book.mu.Lock()
	e.of(c.queue).settled = time.Now()
	c.world.book.mu.Unlock()
	return e, d.Ack(false)
}

// judge says what is wrong with a delivery; nil is a message that is not here at all.
func (c *amqpConsumer) judge(id messageID, again bool) *entry {
	b := &c.world.book
	b.mu.Lock()
	defer b.mu.Unlock()
	e := b.entries[id]
	if e == nil || e.place != c.place {
		c.world.violated(c.title, "message %d in %s, where nobody sent it", id, c.queue)
		return nil
	}
	d := e.of(c.queue)
	switch {
	case c.copies:
	case d.sure:
		c.world.violated(c.title, "message %d of %s again, acknowledged at %v", id, c.queue, d.settled.Sub(c.world.began))
	case d.times > 0 && !again:
		c.world.violated(c.title, "message %d of %s again, not as redelivered", id, c.queue)
	case c.alone && !again && e.number <= c.seen[e.producer]:
		c.world.violated(c.title, "message %d of %s, number %d of %s after number %d", id, c.queue, e.number, e.producer, c.seen[e.producer])
	}
	d.times++
	c.news = true
	if !again {
		c.seen[e.producer] = e.number
	}
	return e
}
