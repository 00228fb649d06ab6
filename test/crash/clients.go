package main

import (
	"errors"
	"fmt"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

// windowMax is how many publishes of one producer may be unconfirmed.
const windowMax = 300

// backlogMax is where a producer waits: verification reads everything.
const backlogMax = 4000

// producer publishes one sequence of messages over all lives.
type producer struct {
	world  *world
	name   string
	spec   spec
	tracks []*track
	next   int
}

func (p *producer) run(url string, stop chan struct{}) error {
	c, ch, err := connect(url)
	if err != nil {
		return err
	}
	defer c.Close()
	if err := ch.Confirm(false); err != nil {
		return err
	}
	base := p.next
	window := make(chan struct{}, max(4, min(windowMax, 2<<20/p.spec.sizeMax)))
	confirms := ch.NotifyPublish(make(chan amqp.Confirmation, windowMax+1))
	finished := make(chan struct{})
	go func() {
		defer close(finished)
		for c := range confirms {
			p.confirmed(base+int(c.DeliveryTag)-1, c.Ack)
			<-window
		}
	}()
	err = p.publish(ch, window, stop)
	for err == nil && len(window) > 0 && !p.world.dying.Load() && !ch.IsClosed() {
		time.Sleep(time.Millisecond)
	}
	_ = c.Close()
	<-finished
	return err
}

func (p *producer) publish(ch *amqp.Channel, window, stop chan struct{}) error {
	closed := ch.NotifyClose(make(chan *amqp.Error, 1))
	for {
		if p.next%256 == 0 && p.tracks[len(p.tracks)-1].wanted() > backlogMax {
			return nil
		}
		select {
		case <-stop:
			return nil
		case err := <-closed:
			return err
		case window <- struct{}{}:
		}
		size := 20 + int(uint32(p.next)*2654435761)%p.spec.sizeMax
		m := message(p.name, p.next, size)
		for _, t := range p.tracks {
			t.sent()
		}
		p.next++
		p.world.published.Add(1)
		key := p.spec.name
		if p.spec.exchange != "" {
			key = ""
		}
		if err := ch.Publish(p.spec.exchange, key, false, false, m); err != nil {
			return err
		}
	}
}

func (p *producer) confirmed(sequence int, ack bool) {
	if !ack {
		p.world.violated(fmt.Errorf("producer %s: message %d refused", p.name, sequence))
		return
	}
	p.world.confirmed.Add(1)
	for _, t := range p.tracks {
		p.world.violated(t.confirmed(sequence))
	}
}

// consume takes messages of one queue until stop or the end of the broker.
func (w *world) consume(url string, s spec, stop chan struct{}) error {
	c, ch, err := connect(url)
	if err != nil {
		return err
	}
	defer c.Close()
	if err := ch.Qos(200, 0, false); err != nil {
		return err
	}
	closed := ch.NotifyClose(make(chan *amqp.Error, 1))
	deliveries, err := ch.Consume(s.name, "", false, false, false, false, nil)
	if err != nil {
		return err
	}
	r := receiver{world: w, spec: s, last: map[string]int{}}
	flush := time.NewTicker(5 * time.Millisecond)
	defer flush.Stop()
	for {
		select {
		case <-stop:
			return nil
		case err := <-closed:
			return err
		case <-flush.C:
			r.acknowledge()
		case d, ok := <-deliveries:
			if !ok {
				return nil
			}
			if err := r.take(d); err != nil {
				return err
			}
		}
	}
}

// receiver is one consumer's view.
type receiver struct {
	world *world
	spec  spec
	last  map[string]int // by producer
	held  int
	open  []taken // not acknowledged
	n     int
}

type taken struct {
	delivery amqp.Delivery
	track    *track
	sequence int
}

func (r *receiver) take(d amqp.Delivery) error {
	producer, sequence, err := received(&d)
	if err != nil {
		return err
	}
	t := r.world.tracks[r.spec.name][producer]
	if t == nil {
		return fmt.Errorf("queue %s: a message of %s", r.spec.name, producer)
	}
	if err := t.delivered(sequence, r.world.life, d.Redelivered); err != nil {
		return err
	}
	// Two consumers share what a third gave back, in any order among them.
	if last, ok := r.last[producer]; ok && sequence <= last && (r.spec.manner != shared || !d.Redelivered) {
		return t.errorf(sequence, "delivered after %d", last)
	}
	r.last[producer] = sequence
	r.n++
	if r.spec.manner == holding && sequence%97 == 0 && r.held < 100 {
		r.held++
		return nil
	}
	r.open = append(r.open, taken{d, t, sequence})
	if len(r.open) >= 40 {
		r.acknowledge()
	}
	return nil
}

// acknowledge settles what is open. The history has it before the wire does: what
// the broker may have heard may be gone.
func (r *receiver) acknowledge() {
	if len(r.open) == 0 {
		return
	}
	at := time.Now()
	for _, o := range r.open {
		o.track.acknowledged(o.sequence, r.world.life, at)
	}
	if r.held == 0 {
		_ = r.open[len(r.open)-1].delivery.Ack(true) // an error shows on the channel
	} else {
		for _, o := range r.open {
			_ = o.delivery.Ack(false)
		}
	}
	r.world.acked.Add(int64(len(r.open)))
	r.open = r.open[:0]
}

// connect opens a connection and a channel on it. Closing the one closes both.
func connect(url string) (*amqp.Connection, *amqp.Channel, error) {
	c, err := amqp.Dial(url)
	if err != nil {
		return nil, nil, err
	}
	ch, err := c.Channel()
	if err != nil {
		return nil, nil, errors.Join(err, c.Close())
	}
	return c, ch, nil
}
