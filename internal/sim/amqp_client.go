package sim

import (
	"context"
	"fmt"
	"net"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

// client is a program beside the nodes. Its run ends soon after the world's
// stopping is closed.
type client interface {
	name() string
	run()
}

// program is what clients have in common.
type program struct {
	world *World
	title string
	net   *Network
	ip    string
	done  chan struct{}
}

func (w *World) program(title string) program {
	return program{world: w, net: w.net, title: title, ip: fmt.Sprintf("127.0.1.%d", len(w.clients)+1), done: make(chan struct{})}
}

func (p *program) name() string { return p.title }

func (p *program) over() bool {
	select {
	case <-p.world.stopping:
		return true
	default:
		return false
	}
}

// wait sleeps, less if the world comes to its end.
func (p *program) wait(d time.Duration) {
	select {
	case <-p.world.stopping:
	case <-time.After(d):
	}
}

// dialAMQP connects to any node.
func (p *program) dialAMQP() (*amqp.Connection, *amqp.Channel, error) {
	node := p.world.nodes[p.world.dice.n(len(p.world.nodes))]
	conn, err := amqp.DialConfig("amqp://guest:guest@"+node.address(amqpPort)+"/", amqp.Config{
		Heartbeat: 5 * time.Second, Locale: "en_US",
		Dial: func(_, address string) (net.Conn, error) {
			c, err := p.net.dial(context.Background(), p.ip, address)
			if err == nil {
				err = c.SetDeadline(time.Now().Add(10 * time.Second)) // of the handshake
			}
			return c, err
		},
	})
	if err != nil {
		return nil, nil, err
	}
	ch, err := conn.Channel()
	if err != nil {
		conn.Close()
		return nil, nil, err
	}
	return conn, ch, nil
}

// amqpProducer sends to a queue and waits for confirms, a few at a time.
type amqpProducer struct {
	program
	queue    string
	sessions int
}

func (p *amqpProducer) run() {
	for !p.over() {
		if err := p.session(); err != nil {
			p.world.note(p.title, "%v", err)
			p.wait(p.world.dice.between(50*time.Millisecond, time.Second))
		}
	}
}

func (p *amqpProducer) session() error {
	conn, ch, err := p.dialAMQP()
	if err != nil {
		return err
	}
	defer conn.Close()
	if err := ch.Confirm(false); err != nil {
		return err
	}
	if _, err := ch.QueueDeclare(p.queue, true, false, false, false, nil); err != nil {
		return err
	}
	p.world.note(p.title, "sends to %s", p.queue)
	p.sessions++ // what an earlier one sent may still be on its way: order is a session's
	for !p.over() {
		if err := p.batch(ch); err != nil {
			return err
		}
		p.wait(p.world.dice.between(0, 500*time.Millisecond))
	}
	return nil
}

func (p *amqpProducer) batch(ch *amqp.Channel) error {
	type sent struct {
		entry   *entry
		confirm *amqp.DeferredConfirmation
	}
	var batch []sent
	for range 1 + p.world.dice.n(10) {
		e := p.world.book.begin(fmt.Sprintf("%s.%d", p.title, p.sessions), p.queue)
		c, err := ch.PublishWithDeferredConfirm("", p.queue, false, false, amqp.Publishing{
			DeliveryMode: amqp.Persistent, MessageId: fmt.Sprint(e.id), Body: body(e.id),
		})
		if err != nil {
			return err
		}
		batch = append(batch, sent{e, c})
	}
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	for _, s := range batch {
		ok, err := s.confirm.WaitContext(ctx)
		if err != nil {
			return fmt.Errorf("no confirm of message %d: %w", s.entry.id, err)
		}
		if !ok {
			return fmt.Errorf("no confirm of message %d", s.entry.id)
		}
		p.world.book.confirm(s.entry)
	}
	p.world.note(p.title, "messages %d to %d are confirmed", batch[0].entry.id, batch[len(batch)-1].entry.id)
	return nil
}

// amqpConsumer settles what a queue gives it. Alone on its queue it also holds the
// order against that of sending.
type amqpConsumer struct {
	program
	queue string
	place string // whose messages it gives: the queue's own, or a topic's
	alone bool
	until func() bool // not nil: goes on after the world's stopping until it is true
	news  bool        // something came
	seen  map[string]int
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
	conn, ch, err := c.dialAMQP()
	if err != nil {
		return err
	}
	defer conn.Close()
	if err := ch.Qos(1+c.world.dice.n(50), 0, false); err != nil {
		return err
	}
	var from amqp.Table
	if c.place != c.queue {
		from = amqp.Table{"x-stream-offset": "first"}
	}
	if _, err := ch.QueueDeclare(c.queue, true, false, false, false, from); err != nil {
		return err
	}
	deliveries, err := ch.Consume(c.queue, "", false, false, false, false, nil)
	if err != nil {
		return err
	}
	c.world.note(c.title, "consumes %s", c.queue)
	c.seen = map[string]int{}
	var acks []*entry
	began, asked := time.Now(), time.Now()
	for !c.ended() {
		select {
		case d, ok := <-deliveries:
			if !ok {
				return fmt.Errorf("the consumer of %s is closed", c.queue)
			}
			e, err := c.take(d)
			if err != nil {
				return err
			}
			if e != nil {
				acks = append(acks, e)
			}
		case <-time.After(200 * time.Millisecond):
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
			e.sure = true
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
	b := &c.world.book
	b.mu.Lock()
	e := b.entries[id]
	switch {
	case e == nil || e.place != c.place:
		c.world.violated(c.title, "message %d in %s, where nobody sent it", id, c.queue)
	case e.sure:
		c.world.violated(c.title, "message %d of %s again, acknowledged at %v", id, c.queue, e.settled.Sub(c.world.began))
	case e.delivered > 0 && !d.Redelivered:
		c.world.violated(c.title, "message %d of %s again, not as redelivered", id, c.queue)
	case c.alone && !d.Redelivered && e.number <= c.seen[e.producer]:
		c.world.violated(c.title, "message %d of %s, number %d of %s after number %d", id, c.queue, e.number, e.producer, c.seen[e.producer])
	}
	if e == nil {
		b.mu.Unlock()
		return nil, d.Ack(false)
	}
	e.delivered++
	c.news = true
	if !d.Redelivered {
		c.seen[e.producer] = e.number
	}
	b.mu.Unlock()
	if c.until == nil {
		switch c.world.dice.n(40) {
		case 0:
			return nil, d.Nack(false, true)
		case 1:
			return nil, nil // held until the connection ends
		}
	}
	b.mu.Lock()
	e.settled = time.Now()
	b.mu.Unlock()
	return e, d.Ack(false)
}
