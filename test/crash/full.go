package main

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"syscall"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

// fullBytes is the size of the file system that runs full.
const fullBytes = 64 << 20

// fullDisk publishes until the disk is full: publishers have to be held, not
// refused or dropped; once consumers have made room they have to go on.
func fullDisk(o *options, dir string, _ *rand.Rand) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, fmt.Sprint("size=", fullBytes)); err != nil {
		return fmt.Errorf("%w: no right to mount: %w", errSkip, err)
	}
	defer syscall.Unmount(dir, syscall.MNT_DETACH)
	with := []string{"storage.tail_bytes=4194304", "storage.wal_file_bytes=4194304"}
	p, err := serve(o, dir, nil, with...)
	if err != nil {
		return err
	}
	defer func() {
		select {
		case <-p.exited:
		default:
			p.kill()
		}
	}()
	f := &filler{url: p.url}
	if err := f.run(); err != nil {
		return err
	}
	if err := p.terminate(); err != nil {
		return fmt.Errorf("end: %w", err)
	}
	fmt.Printf("full: held after %d messages, all %d confirmed and received once there was room\n", f.held, f.sent)
	return nil
}

// filler fills a queue and empties it.
type filler struct {
	url        string
	held, sent int
}

const fillerSize = 60_000

func (f *filler) run() error {
	c, err := amqp.Dial(f.url)
	if err != nil {
		return err
	}
	defer c.Close()
	ch, err := c.Channel()
	if err != nil {
		return err
	}
	if _, err := ch.QueueDeclare("full", true, false, false, false, nil); err != nil {
		return err
	}
	if err := ch.Confirm(false); err != nil {
		return err
	}
	confirms := ch.NotifyPublish(make(chan amqp.Confirmation, 1<<16))
	window := 0
	confirmed := 0
	for window < 200 { // beyond the disk's size, with a window that is never filled otherwise
		m := amqp.Publishing{DeliveryMode: amqp.Persistent, Body: body("filler", f.sent, fillerSize)}
		if err := ch.Publish("", "full", false, false, m); err != nil {
			return err
		}
		f.sent++
		window++
		wait := time.Duration(0)
		if window >= 100 {
			wait = 100 * time.Millisecond
		}
		n, err := collect(confirms, window, wait)
		if err != nil {
			return err
		}
		window -= n
		confirmed += n
		if f.sent*fillerSize > 4*fullBytes {
			return errors.New("the disk never ran full")
		}
	}
	f.held = confirmed
	drained := make(chan error, 1)
	go func() { drained <- f.drain() }()
	for deadline := time.Now().Add(60 * time.Second); window > 0; {
		n, err := collect(confirms, window, time.Second)
		if err != nil {
			return err
		}
		window -= n
		if time.Now().After(deadline) {
			return fmt.Errorf("%d publishes still held after the queue was emptied", window)
		}
	}
	return <-drained
}

// drain receives and acknowledges everything that was sent, in order.
func (f *filler) drain() error {
	c, err := amqp.Dial(f.url)
	if err != nil {
		return err
	}
	defer c.Close()
	ch, err := c.Channel()
	if err != nil {
		return err
	}
	if err := ch.Qos(50, 0, false); err != nil {
		return err
	}
	deliveries, err := ch.Consume("full", "", false, false, false, false, nil)
	if err != nil {
		return err
	}
	for i := range f.sent {
		select {
		case d := <-deliveries:
			if _, sequence, err := parse(d.Body); err != nil || sequence != i {
				return fmt.Errorf("message %d where %d was due: %w", sequence, i, err)
			}
			if err := d.Ack(false); err != nil {
				return err
			}
		case <-time.After(20 * time.Second):
			return fmt.Errorf("%w: %d of %d", errStalled, i, f.sent)
		}
	}
	return nil
}

// collect takes up to n confirms, waiting so long for the first.
func collect(confirms chan amqp.Confirmation, n int, wait time.Duration) (int, error) {
	timeout := time.After(wait)
	for i := range n {
		select {
		case c, ok := <-confirms:
			if !ok {
				return i, errors.New("connection lost on a full disk")
			}
			if !c.Ack {
				return i, fmt.Errorf("publish %d refused on a full disk", c.DeliveryTag)
			}
			timeout = time.After(0)
		case <-timeout:
			return i, nil
		}
	}
	return n, nil
}
