package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

// verify reads every queue of a restarted broker without settling anything.
func (w *world) verify(p *process) error {
	for _, s := range topology {
		if err := w.verifyQueue(p.url, s); err != nil {
			return fmt.Errorf("verify %s: %w", s.name, err)
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	for _, o := range w.others {
		if err := o.verify(ctx, p); err != nil {
			return err
		}
	}
	return w.kafka.verify(ctx, p.kafka)
}

// errStalled says that a queue did not hand out what it says it holds.
var errStalled = errors.New("no delivery for ten seconds")

func (w *world) verifyQueue(url string, s spec) error {
	c, ch, err := connect(url)
	if err != nil {
		return err
	}
	defer c.Close()
	present := map[string]map[int]bool{}
	q, err := ch.QueueDeclarePassive(s.name, !s.transient, false, false, false, nil)
	switch {
	case err == nil && s.transient:
		return errors.New("a transient queue survived")
	case err == nil:
		if present, err = w.readAll(ch, s, q.Messages); err != nil {
			return err
		}
	case !s.transient:
		return err
	}
	for producer, t := range w.tracks[s.name] {
		if s.transient {
			t.forget()
			continue
		}
		errs := t.settle(present[producer], w.quiet)
		if len(errs) > 5 {
			errs = append(errs[:5], fmt.Errorf("queue %s: and %d more", s.name, len(errs)-5))
		}
		for _, err := range errs {
			w.violated(err)
		}
	}
	return nil
}

// readAll returns the messages in the queue, by producer.
func (w *world) readAll(ch *amqp.Channel, s spec, n int) (map[string]map[int]bool, error) {
	present := map[string]map[int]bool{}
	last := map[string]int{}
	deliveries, err := ch.Consume(s.name, "", false, false, false, false, nil)
	if err != nil {
		return nil, err
	}
	for i := range n {
		var d amqp.Delivery
		select {
		case d = <-deliveries:
		case <-time.After(10 * time.Second):
			return nil, fmt.Errorf("%w: %d of %d", errStalled, i, n)
		}
		producer, sequence, err := received(&d)
		if err != nil {
			return nil, fmt.Errorf("message %d: %w", i, err)
		}
		t := w.tracks[s.name][producer]
		if t == nil {
			return nil, fmt.Errorf("a message of %s", producer)
		}
		if before, ok := last[producer]; ok && sequence <= before {
			w.violated(t.errorf(sequence, "stands behind %d", before))
		}
		w.violated(t.looked(sequence, w.life, d.Redelivered))
		if present[producer] == nil {
			present[producer] = map[int]bool{}
		}
		present[producer][sequence], last[producer] = true, sequence
	}
	return present, nil
}

// forget notes that nothing of the track survived.
func (t *track) forget() {
	t.mu.Lock()
	defer t.mu.Unlock()
	for i := range t.entries {
		t.entries[i].fate = gone
	}
}
