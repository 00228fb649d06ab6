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
	fmt.Printf("full: held after %d messages, all %d confirmed and received once there was room\n", f.held, fillerMessages)
	return nil
}

// filler fills a queue and empties it.
type filler struct {
	url  string
	held int // messages confirmed before the disk was full
}

const (
	fillerSize     = 60_000
	fillerMessages = 3 * fullBytes / fillerSize
)

func (f *filler) run() error {
	// Never closed here: a publish held up holds the connection's lock.
	c, err := amqp.Dial(f.url)
	if err != nil {
		return err
	}
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
	sent := make(chan error, 1)
	go func() { sent <- f.publish(ch) }()
	for { // until no confirm comes although the window is open
		n, err := collect(confirms, 1, 2*time.Second)
		if err != nil {
			return err
		}
		f.held += n
		if n == 0 {
			break
		}
		if f.held == fillerMessages {
			return errors.New("the disk never ran full")
		}
	}
	drained := make(chan error, 1)
	go func() { drained <- f.drain() }()
	n, err := collect(confirms, fillerMessages-f.held, time.Minute)
	if err == nil && n < fillerMessages-f.held {
		err = fmt.Errorf("%d of %d confirms after the queue was emptied", f.held+n, fillerMessages)
	}
	if err != nil {
		select {
		case drain := <-drained:
			return errors.Join(err, drain)
		default:
			return err
		}
	}
	return errors.Join(<-sent, <-drained)
}

// publish sends everything; it is held up in the socket while the disk is full.
func (f *filler) publish(ch *amqp.Channel) error {
	for i := range fillerMessages {
		m := amqp.Publishing{DeliveryMode: amqp.Persistent, Body: body("filler", i, fillerSize)}
		if err := ch.Publish("", "full", false, false, m); err != nil {
			return err
		}
	}
	return nil
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
	for i := range fillerMessages {
		select {
		case d := <-deliveries:
			if _, sequence, err := parse(d.Body); err != nil || sequence != i {
				return fmt.Errorf("message %d where %d was due: %w", sequence, i, err)
			}
			if err := d.Ack(false); err != nil {
				return err
			}
		case <-time.After(20 * time.Second):
			return fmt.Errorf("%w: %d of %d", errStalled, i, fillerMessages)
		}
	}
	return nil
}

// collect takes n confirms, or fewer where the next does not come in so long.
func collect(confirms chan amqp.Confirmation, n int, wait time.Duration) (int, error) {
	for i := range n {
		select {
		case c, ok := <-confirms:
			if !ok {
				return i, errors.New("connection lost on a full disk")
			}
			if !c.Ack {
				return i, fmt.Errorf("publish %d refused on a full disk", c.DeliveryTag)
			}
		case <-time.After(wait):
			return i, nil
		}
	}
	return n, nil
}
