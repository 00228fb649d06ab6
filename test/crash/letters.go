package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

// way is how messages go take from one queue to another by themselves, or in
// one queue from not yet to ready.
type way struct {
	from, to string
	delay    time.Duration // before they may be in to
	header   amqp.Table
	sent     []letter
}

// letter is a message of a way: when it was published, and whether it was confirmed.
type letter struct {
	at        time.Time
	confirmed bool
}

const lifeLettersMax = 200

// letters are messages on their way: rejected ones and expired ones to a
// dead-letter queue, delayed ones to their time. A confirmed one is always
// somewhere.
type letters struct {
	world *world

	mu   sync.Mutex
	ways []*way
}

func newLetters(w *world) *letters {
	return &letters{world: w, ways: []*way{
		{from: "rejected", to: "dead"},
		{from: "waiting", to: "late", delay: 150 * time.Millisecond},
		{from: "delayed", to: "delayed", delay: 400 * time.Millisecond, header: amqp.Table{"x-delay": 400}},
	}}
}

func (l *letters) declare(_ context.Context, p *process) error {
	return declareQueues(p.url, map[string]amqp.Table{
		"rejected": {"x-dead-letter-exchange": "", "x-dead-letter-routing-key": "dead"}, "dead": nil,
		"waiting": {"x-dead-letter-exchange": "", "x-dead-letter-routing-key": "late", "x-message-ttl": 150}, "late": nil,
		"delayed": nil,
	})
}

func (l *letters) load(ctx context.Context, p *process, running *sync.WaitGroup) {
	for _, f := range []func(context.Context, string) error{l.publish, l.reject} {
		running.Go(func() {
			if err := f(ctx, p.url); err != nil && ctx.Err() == nil {
				l.world.trouble(fmt.Errorf("letters: %w", err))
			}
		})
	}
}

// publish sends to all ways in turn and waits for each confirm.
func (l *letters) publish(ctx context.Context, url string) error {
	c, ch, err := connect(url)
	if err != nil {
		return err
	}
	defer c.Close()
	if err := ch.Confirm(false); err != nil {
		return err
	}
	for i := 0; i < lifeLettersMax && ctx.Err() == nil; i++ {
		w := l.ways[i%len(l.ways)]
		l.mu.Lock()
		number := len(w.sent)
		w.sent = append(w.sent, letter{at: time.Now()})
		l.mu.Unlock()
		m := amqp.Publishing{DeliveryMode: amqp.Persistent, Headers: w.header, Body: body(w.from, number, 60)}
		confirm, err := ch.PublishWithDeferredConfirm("", w.from, false, false, m)
		if err != nil {
			return err
		}
		ack, err := confirm.WaitContext(ctx)
		if err != nil || !ack {
			return err
		}
		l.mu.Lock()
		w.sent[number].confirmed = true
		l.mu.Unlock()
		l.world.confirmed.Add(1)
	}
	return nil
}

// reject refuses what comes on the first way.
func (l *letters) reject(ctx context.Context, url string) error {
	c, ch, err := connect(url)
	if err != nil {
		return err
	}
	defer c.Close()
	if err := ch.Qos(20, 0, false); err != nil {
		return err
	}
	deliveries, err := ch.ConsumeWithContext(ctx, l.ways[0].from, "", false, false, false, false, nil)
	if err != nil {
		return err
	}
	for d := range deliveries {
		if err := d.Reject(false); err != nil {
			return err
		}
	}
	return nil
}

func (l *letters) verify(_ context.Context, p *process) error {
	for _, w := range l.ways {
		if err := l.verifyWay(p.url, w); err != nil {
			return fmt.Errorf("verify %s: %w", w.from, err)
		}
	}
	return nil
}

// verifyWay takes what is at both ends, holding it, until all confirmed ones have
// shown up: those on their way are nowhere to be seen.
func (l *letters) verifyWay(url string, w *way) error {
	c, ch, err := connect(url)
	if err != nil {
		return err
	}
	defer c.Close()
	from, err := ch.Consume(w.from, "", false, false, false, false, nil)
	if err != nil {
		return err
	}
	to := from
	if w.to != w.from {
		if to, err = ch.Consume(w.to, "", false, false, false, false, nil); err != nil {
			return err
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	missing := 0
	for i := range w.sent {
		if w.sent[i].confirmed {
			missing++
		}
	}
	at := map[string][]int{w.from: make([]int, len(w.sent)), w.to: make([]int, len(w.sent))}
	limit := time.After(10 * time.Second)
	for missing > 0 {
		var d amqp.Delivery
		queue := w.to
		select {
		case d = <-to:
		case d = <-from:
			queue = w.from
		case <-limit:
			l.world.violated(fmt.Errorf("letters: %d confirmed ones are neither in %s nor in %s: %v", missing, w.from, w.to, l.lost(w, at)))
			return nil
		}
		name, number, err := parse(d.Body)
		if err != nil || name != w.from || number >= len(w.sent) {
			return errors.Join(errInvented, err)
		}
		if w.sent[number].confirmed && at[w.from][number]+at[w.to][number] == 0 {
			missing--
		}
		at[queue][number]++
		if age := time.Since(w.sent[number].at); queue == w.to && age < w.delay-time.Millisecond { // times are whole milliseconds
			l.world.violated(fmt.Errorf("letters: %d is in %s after %v already", number, w.to, age))
		}
		if copies := at[queue][number]; queue == w.from && copies > 1 || copies > l.world.life {
			l.world.violated(fmt.Errorf("letters: %d is %d times in %s", number, copies, queue))
		}
	}
	return nil
}

func (l *letters) lost(w *way, at map[string][]int) (numbers []int) {
	for i := range w.sent {
		if w.sent[i].confirmed && at[w.from][i]+at[w.to][i] == 0 && len(numbers) < 10 {
			numbers = append(numbers, i)
		}
	}
	return numbers
}
