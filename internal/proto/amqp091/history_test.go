package amqp091_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	amqp "github.com/rabbitmq/amqp091-go"

	"weir/internal/history"
)

const (
	historyClients = 4
	historySteps   = 40
	historyLives   = 2
)

// requireHistory checks a history; what violates it is drawn into a file that stays.
func requireHistory(t *testing.T, h *history.History, m history.Model) {
	t.Helper()
	name := "weir-" + strings.ReplaceAll(t.Name(), "/", "-") + ".html"
	if err := h.Check(m, filepath.Join(os.TempDir(), name)); err != nil {
		t.Fatal(err)
	}
}

// historyQueue is a real client of the queue "q" on a connection of its own.
type historyQueue struct {
	ch   *amqp.Channel
	tags map[uint32]uint64
}

func newHistoryQueue(t *testing.T, s *server) *historyQueue {
	ch := s.channel()
	check(t, ch.Confirm(false))
	return &historyQueue{ch: ch, tags: map[uint32]uint64{}}
}

var errNegative = errors.New("negative confirm")

func (c *historyQueue) Put(message uint32) error {
	p := amqp.Publishing{DeliveryMode: amqp.Persistent, Body: []byte(fmt.Sprint(message))}
	confirm, err := c.ch.PublishWithDeferredConfirmWithContext(context.Background(), "", "q", false, false, p)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	ok, err := confirm.WaitContext(ctx)
	if err == nil && !ok {
		err = errNegative
	}
	return err
}

func (c *historyQueue) Take() (history.QueueOutput, error) {
	d, ok, err := c.ch.Get("q", false)
	if err != nil || !ok {
		return history.QueueOutput{Empty: true}, err
	}
	n, err := strconv.ParseUint(string(d.Body), 10, 32)
	c.tags[uint32(n)] = d.DeliveryTag
	return history.QueueOutput{Message: uint32(n), Redelivered: d.Redelivered}, err
}

func (c *historyQueue) Done(message uint32) error {
	return c.settled(c.ch.Ack(c.tags[message], false))
}

func (c *historyQueue) Back(message uint32) error {
	return c.settled(c.ch.Nack(c.tags[message], false, true))
}

// settled returns when what the channel sent before is in effect.
func (c *historyQueue) settled(err error) error {
	if err == nil {
		_, err = c.ch.QueueDeclarePassive("q", true, false, false, false, nil)
	}
	return err
}

// TestQueueIsLinearizable: what real clients are told of a queue over a power cut
// is what a plain list would have told them.
func TestQueueIsLinearizable(t *testing.T) {
	for seed := range uint64(3) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			h := history.New()
			run := &history.QueueRun{History: h, Queue: "q", Seed: seed}
			power := history.NewPower(h, seed)
			s := &server{t: t, disk: power.FS()}
			s.run()
			defer func() { s.stop() }()
			must(s.channel().QueueDeclare("q", true, false, false, false, nil))(t)
			for life := range historyLives {
				var clients []history.QueueClient
				for range historyClients {
					clients = append(clients, newHistoryQueue(t, s))
				}
				if life < historyLives-1 {
					power.CutAfter(2 * historySteps)
				}
				check(t, run.Live(clients, historySteps))
				power.Reboot()
				s.stop()
				s.disk = power.FS()
				s.run()
			}
			check(t, run.Drain(newHistoryQueue(t, s)))
			requireHistory(t, h, history.Queue())
		})
	}
}

// TestQueueServesAsALock: whoever has the only message of a queue has the lock,
// until he gives it back or his channel or connection ends.
func TestQueueServesAsALock(t *testing.T) {
	s := start(t)
	ch := s.channel()
	must(ch.QueueDeclare("lock", true, false, false, false, nil))(t)
	put(t, ch, "", "lock", text("token"))
	h := history.New()
	errs := make(chan error, historyClients)
	for i := range historyClients {
		u := lockUser{s: s, life: h.Life(), number: i, rng: rand.New(rand.NewPCG(1, uint64(i)))}
		go func() { errs <- u.work() }()
	}
	for range historyClients {
		check(t, <-errs)
	}
	// What a connection held is free some time after its end.
	h.Crash(func() {})
	h.Settle(func(history.Lost) (any, bool) { return nil, true })
	requireHistory(t, h, history.Lock())
}

// lockUser tries and releases; each of its connections is another user.
type lockUser struct {
	s       *server
	life    history.Life
	number  int
	rng     *rand.Rand
	c       *amqp.Connection
	socket  net.Conn
	ch      *amqp.Channel
	holding bool
	tag     uint64
}

func (u *lockUser) work() error {
	for range 2 * historySteps {
		var err error
		switch {
		case u.ch == nil:
			err = u.connect()
		case u.holding:
			err = u.release()
		default:
			err = u.try()
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (u *lockUser) connect() (err error) {
	u.number += historyClients
	c := amqp.Config{Dial: func(network, address string) (net.Conn, error) {
		u.socket, err = net.Dial(network, address)
		return u.socket, err
	}}
	if u.c, err = amqp.DialConfig("amqp://guest:guest@"+u.s.address+"/", c); err == nil {
		u.ch, err = u.c.Channel()
	}
	return err
}

func (u *lockUser) try() error {
	o := u.life.Begin(u.number, history.LockInput{Lock: "lock", User: u.number})
	d, ok, err := u.ch.Get("lock", false)
	u.holding, u.tag = ok, d.DeliveryTag
	o.End(history.LockOutput{Held: ok})
	return err
}

func (u *lockUser) release() error {
	u.holding = false
	o := u.life.Begin(u.number, history.LockInput{Lock: "lock", User: u.number, Release: true})
	switch u.rng.IntN(4) {
	case 0: // the end of a channel is answered
		err := u.ch.Close()
		o.End(nil)
		u.ch = nil
		return errors.Join(err, u.c.Close())
	case 1: // that of a connection is not
		u.ch = nil
		return u.socket.Close()
	}
	err := u.ch.Nack(u.tag, false, true)
	if err == nil {
		_, err = u.ch.QueueDeclarePassive("lock", true, false, false, false, nil)
	}
	o.End(nil)
	return err
}
