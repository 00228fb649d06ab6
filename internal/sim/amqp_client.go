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
	peer  *life // at the other end of the last AMQP connection
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
			if err != nil {
				return nil, err
			}
			p.peer = c.peer.life
			return c, c.SetDeadline(time.Now().Add(10 * time.Second)) // of the handshake
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

// amqpProducer sends to a place and waits for confirms, a few at a time.
type amqpProducer struct {
	program
	place    string
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
	if err := declare(ch, p.place); err != nil {
		return err
	}
	p.world.note(p.title, "sends to %s", p.place)
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
	exchange, key := "", p.place
	switch p.place {
	case fanPlace:
		exchange, key = fanPlace, ""
	case delayedPlace:
		exchange = delayedPlace
	}
	for range 1 + p.world.dice.n(10) {
		e := p.world.book.begin(fmt.Sprintf("%s.%d", p.title, p.sessions), p.place)
		m := amqp.Publishing{DeliveryMode: amqp.Persistent, MessageId: fmt.Sprint(e.id), Body: body(e.id)}
		p.limit(e, &m)
		c, err := ch.PublishWithDeferredConfirm(exchange, key, false, false, m)
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
