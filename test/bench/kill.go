package main

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/twmb/franz-go/pkg/kgo"

	"weir/test/bench/report"
)

const (
	killQueue  = "killed"             // what is published while the broker is killed
	killBefore = 3 * time.Second      // of publishing
	killReturn = 2 * time.Minute      // after which a broker is given up
	killQuiet  = 5 * time.Second      // without a message: there are no more
	killWindow = 500                  // messages without an answer
	killRetry  = 5 * time.Millisecond // between attempts to reach it again
)

// confirmed are the numbers of messages that a broker has confirmed.
type confirmed struct {
	mu  sync.Mutex
	all map[uint64]bool
}

func (c *confirmed) add(n uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.all[n] = true
}

// door is how clients reach a broker that is going to be killed.
type door interface {
	// store leaves so many messages of 1 KB.
	store(s *settings, p *process, n int64) error
	// publish goes on until the broker is gone or stop is closed.
	publish(p *process, acked *confirmed, stop chan struct{}) error
	// first returns once the broker has confirmed a message.
	first(ctx context.Context, p *process) error
	// delivered returns once it has delivered one of the stored ones.
	delivered(ctx context.Context, p *process) error
	// read takes out of acked what the broker still has.
	read(p *process, acked *confirmed) error
}

func killed(s *settings, l *report.Look) error {
	l.Text = []string{fmt.Sprintf("%d messages of 1 KB stored and a producer with %d unconfirmed messages; the times are from the start of the new process.", s.killed, killWindow)}
	l.Header = []string{"broker", "class", "to the first confirm, s", "to the first delivery, s", "confirmed before", "of them lost"}
	weir := func() (*process, error) {
		p, _, err := startWeir(s.binary, filepath.Join(s.work, fmt.Sprint("kill-", time.Now().UnixNano())))
		return p, err
	}
	for _, v := range []struct {
		name  string
		of    peer
		start func() (*process, error)
		door  door
	}{
		{"weir, AMQP", peer{class: report.Synced}, weir, amqpDoor{}},
		{"RabbitMQ, quorum queues", quorum, nil, amqpDoor{quorum: true}},
		{"RabbitMQ, classic queues", classic, nil, amqpDoor{}},
		{"weir, Kafka", peer{class: report.Synced}, weir, kafkaDoor{}},
		{"Kafka, defaults", cachedKafka, nil, kafkaDoor{}},
		{"Kafka, flushed with every batch", syncedKafka, nil, kafkaDoor{}},
		{"NATS, defaults", cachedNATS, nil, natsDoor{}},
		{"NATS, `sync_interval: always`", syncedNATS, nil, natsDoor{}},
	} {
		start := v.start
		if start == nil {
			start = func() (*process, error) {
				if err := s.peers.stop(); err != nil { // so that it has nothing stored
					return nil, err
				}
				return s.peers.get(v.of)
			}
		}
		row, lost, err := s.killOne(start, v.door, v.start != nil)
		switch {
		case errors.Is(err, errSkipped):
			fmt.Printf("  %v\n", err)
			continue
		case err != nil:
			return fmt.Errorf("%s: %w", v.name, err)
		}
		l.Rows = append(l.Rows, append([]string{v.name, string(v.of.class)}, row...))
		if v.start != nil {
			l.Figures["lost"] += float64(lost)
		}
	}
	return s.peers.stop()
}

// killOne kills one broker and returns its part of the table.
func (s *settings) killOne(start func() (*process, error), d door, own bool) (row []string, lost int, err error) {
	p, err := start()
	if err != nil {
		return nil, 0, err
	}
	if err := d.store(s, p, s.killed); err != nil {
		return nil, 0, err
	}
	acked := &confirmed{all: map[uint64]bool{}}
	stop, ended := make(chan struct{}), make(chan error, 1)
	go func() { ended <- d.publish(p, acked, stop) }()
	select {
	case err := <-ended:
		return nil, 0, fmt.Errorf("publishing ended: %w", err)
	case <-time.After(killBefore):
	}
	p.kill()
	close(stop)
	<-ended
	acked.mu.Lock()
	before := len(acked.all)
	acked.mu.Unlock()

	begin := time.Now()
	started := make(chan error, 1)
	next := *p // the same addresses
	if own {   // but weir's are new, and it says so once it is ready
		again, err := p.again()
		if err != nil {
			return nil, 0, err
		}
		next = *again
		started <- nil
	} else {
		go func() {
			again, err := p.again()
			if err == nil {
				s.peers.running = again
			}
			started <- err
		}()
	}
	ctx, cancel := context.WithTimeout(context.Background(), killReturn)
	defer cancel()
	took := func(what func(context.Context, *process) error) (chan time.Duration, chan error) {
		at, failed := make(chan time.Duration, 1), make(chan error, 1)
		go func() { err := what(ctx, &next); at <- time.Since(begin); failed <- err }()
		return at, failed
	}
	confirm, confirmErr := took(d.first)
	delivery, deliveryErr := took(d.delivered)
	if err := errors.Join(<-confirmErr, <-deliveryErr, <-started); err != nil {
		return nil, 0, errors.Join(err, next.stop())
	}
	err = d.read(&next, acked)
	if own {
		err = errors.Join(err, next.stop())
	}
	return []string{
		fmt.Sprintf("%.2f", (<-confirm).Seconds()), fmt.Sprintf("%.2f", (<-delivery).Seconds()), fmt.Sprint(before), fmt.Sprint(len(acked.all)),
	}, len(acked.all), err
}

// until tries again until it works.
func until(ctx context.Context, try func() error) error {
	for {
		err := try()
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return errors.Join(ctx.Err(), err)
		case <-time.After(killRetry):
		}
	}
}

// body is a message with a number; the probe's is the highest.
func body(n uint64) []byte {
	b := make([]byte, 1024)
	binary.BigEndian.PutUint64(b, n)
	return b
}

const probe = ^uint64(0)

// amqpDoor is AMQP 0-9-1.
type amqpDoor struct{ quorum bool }

func (d amqpDoor) store(s *settings, p *process, n int64) error {
	if d.quorum {
		return s.store(p, n, "--type", "quorum")
	}
	return s.store(p, n)
}

// channel declares the queue.
func (d amqpDoor) channel(p *process) (*amqp.Connection, *amqp.Channel, error) {
	c, err := amqp.Dial(p.url)
	if err != nil {
		return nil, nil, err
	}
	ch, err := c.Channel()
	if err == nil {
		args := amqp.Table{}
		if d.quorum {
			args["x-queue-type"] = "quorum"
		}
		_, err = ch.QueueDeclare(killQueue, true, false, false, false, args)
	}
	if err != nil {
		return nil, nil, errors.Join(err, c.Close())
	}
	return c, ch, nil
}

func (d amqpDoor) publish(p *process, acked *confirmed, stop chan struct{}) error {
	c, ch, err := d.channel(p)
	if err != nil {
		return err
	}
	if err := ch.Confirm(false); err != nil {
		return errors.Join(err, c.Close())
	}
	room := make(chan struct{}, killWindow)
	answers := ch.NotifyPublish(make(chan amqp.Confirmation, killWindow))
	var reader sync.WaitGroup
	reader.Go(func() {
		for a := range answers {
			if a.Ack {
				acked.add(a.DeliveryTag - 1)
			}
			<-room
		}
	})
	defer reader.Wait()
	defer c.Close()
	for n := uint64(0); ; n++ {
		select {
		case <-stop:
			return nil
		case room <- struct{}{}:
		}
		err := ch.PublishWithContext(context.Background(), "", killQueue, false, false, amqp.Publishing{DeliveryMode: amqp.Persistent, Body: body(n)})
		if err != nil {
			<-stop // it is being killed
			return nil
		}
	}
}

func (d amqpDoor) first(ctx context.Context, p *process) error {
	return until(ctx, func() error {
		c, ch, err := d.channel(p)
		if err != nil {
			return err
		}
		defer c.Close()
		if err := ch.Confirm(false); err != nil {
			return err
		}
		done, err := ch.PublishWithDeferredConfirm("", killQueue, false, false, amqp.Publishing{DeliveryMode: amqp.Persistent, Body: body(probe)})
		if err != nil {
			return err
		}
		if ok, err := done.WaitContext(ctx); err != nil || !ok {
			return errors.Join(errors.New("not confirmed"), err)
		}
		return nil
	})
}

func (d amqpDoor) delivered(ctx context.Context, p *process) error {
	return until(ctx, func() error {
		c, ch, err := d.channel(p)
		if err != nil {
			return err
		}
		defer c.Close()
		if err := ch.Qos(1, 0, false); err != nil {
			return err
		}
		all, err := ch.Consume("bench-0", "", false, false, false, false, nil)
		if err != nil {
			return err
		}
		if _, ok := <-all; !ok {
			return errors.New("the channel is closed")
		}
		return nil
	})
}

func (d amqpDoor) read(p *process, acked *confirmed) error {
	c, ch, err := d.channel(p)
	if err != nil {
		return err
	}
	defer c.Close()
	if err := ch.Qos(1000, 0, false); err != nil {
		return err
	}
	all, err := ch.Consume(killQueue, "", false, false, false, false, nil)
	if err != nil {
		return err
	}
	for len(acked.all) > 0 {
		select {
		case m, ok := <-all:
			if !ok {
				return errors.New("the channel was closed while reading")
			}
			delete(acked.all, binary.BigEndian.Uint64(m.Body))
			if m.DeliveryTag%100 == 0 {
				if err := m.Ack(true); err != nil {
					return err
				}
			}
		case <-time.After(killQuiet):
			return nil
		}
	}
	return nil
}

// kafkaDoor is Kafka's protocol.
type kafkaDoor struct{}

const storedTopic = "stored"

func (kafkaDoor) store(_ *settings, p *process, n int64) error {
	c, err := kgo.NewClient(kgo.SeedBrokers(p.kafka))
	if err != nil {
		return err
	}
	defer c.Close()
	if err := createTopics(c, partitions, storedTopic); err != nil {
		return err
	}
	if err := createTopics(c, 1, killQueue); err != nil {
		return err
	}
	return fillWith(p, storedTopic, int(n))
}

func (kafkaDoor) publish(p *process, acked *confirmed, stop chan struct{}) error {
	c, err := kgo.NewClient(kgo.SeedBrokers(p.kafka), kgo.DefaultProduceTopic(killQueue), kgo.MaxBufferedRecords(killWindow))
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(context.Background())
	go func() { <-stop; cancel() }()
	for n := uint64(0); ctx.Err() == nil; n++ {
		c.Produce(ctx, &kgo.Record{Value: body(n)}, func(_ *kgo.Record, err error) {
			if err == nil {
				acked.add(n)
			}
		})
	}
	c.Close()
	return nil
}

func (kafkaDoor) first(ctx context.Context, p *process) error {
	return until(ctx, func() error {
		return withKafka(ctx, p, func(ctx context.Context, c *kgo.Client) error {
			return c.ProduceSync(ctx, &kgo.Record{Topic: killQueue, Value: body(probe)}).FirstErr()
		})
	})
}

func (kafkaDoor) delivered(ctx context.Context, p *process) error {
	return until(ctx, func() error {
		return withKafka(ctx, p, func(ctx context.Context, c *kgo.Client) error {
			fetched := c.PollFetches(ctx)
			if err := fetched.Err(); err != nil || fetched.NumRecords() == 0 {
				return errors.Join(errors.New("nothing was fetched"), err)
			}
			return nil
		}, kgo.ConsumeTopics(storedTopic))
	})
}

// withKafka does something with a new client: one that has failed to connect
// waits longer and longer before it tries again, which is not the broker's doing.
func withKafka(ctx context.Context, p *process, do func(context.Context, *kgo.Client) error, more ...kgo.Opt) error {
	options := append([]kgo.Opt{
		kgo.SeedBrokers(p.kafka), kgo.RetryBackoffFn(func(int) time.Duration { return killRetry }), kgo.FetchMaxBytes(1 << 20), kgo.MetadataMinAge(10 * time.Millisecond),
	}, more...)
	c, err := kgo.NewClient(options...)
	if err != nil {
		return err
	}
	defer c.Close()
	ctx, cancel := context.WithTimeout(ctx, killQuiet)
	defer cancel()
	return do(ctx, c)
}

func (kafkaDoor) read(p *process, acked *confirmed) error {
	c, err := kgo.NewClient(kgo.SeedBrokers(p.kafka), kgo.ConsumeTopics(killQueue))
	if err != nil {
		return err
	}
	defer c.Close()
	for len(acked.all) > 0 {
		ctx, cancel := context.WithTimeout(context.Background(), killQuiet)
		fetched := c.PollFetches(ctx)
		cancel()
		if fetched.NumRecords() == 0 {
			return nil
		}
		fetched.EachRecord(func(r *kgo.Record) { delete(acked.all, binary.BigEndian.Uint64(r.Value)) })
	}
	return nil
}
