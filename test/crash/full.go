package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/twmb/franz-go/pkg/kgo"
)

const (
	// fullBytes is the size of the file system that runs full.
	fullBytes      = 40 << 20
	fillerSize     = 60_000
	fillerMessages = 3 * fullBytes / fillerSize
	fillerRecords  = 500

	// heldAfter is for how long no confirm comes once publishers are held.
	heldAfter = 2 * time.Second
)

// fullLoop publishes until the disk is full: publishers have to be held, not
// refused or dropped; once consumers have made room they have to go on. Killed
// while it is full, the broker has to start on what room there is.
func (w *world) fullLoop(lives int) error {
	if err := syscall.Mount("tmpfs", w.dir, "tmpfs", 0, fmt.Sprint("size=", fullBytes)); err != nil {
		return fmt.Errorf("%w: no right to mount: %w", errSkip, err)
	}
	kept := false
	defer func() {
		if !kept {
			_ = syscall.Unmount(w.dir, syscall.MNT_DETACH)
		}
	}()
	for range lives {
		w.life++
		w.tally.lives++
		if err := w.fullOnce(); err != nil {
			kept = true
			return err
		}
		if err := empty(w.dir); err != nil {
			return err
		}
	}
	return nil
}

// empty removes what is in a directory.
func empty(dir string) error {
	entries, err := os.ReadDir(dir)
	for _, e := range entries {
		err = errors.Join(err, os.RemoveAll(dir+"/"+e.Name()))
	}
	return err
}

func (w *world) fullOnce() error {
	with := []string{"storage.tail_bytes=4194304", "storage.wal_file_bytes=4194304"}
	p, err := serve(w, nil, with...)
	if err != nil {
		return err
	}
	f := &filler{world: w}
	if err := f.fill(p); err != nil {
		return errors.Join(err, p.dump())
	}
	held, kill := f.confirmed, w.rng.IntN(2) == 0
	if kill {
		p.kill()
		if p, err = serve(w, nil, with...); err != nil {
			return fmt.Errorf("on a full disk: %w", err)
		}
		if err := f.resume(p); err != nil {
			return errors.Join(err, p.dump())
		}
	}
	if err := f.finish(p); err != nil {
		return errors.Join(err, p.dump())
	}
	w.tally.faults++
	w.confirmed.Add(int64(f.confirmed))
	if err := p.terminate(); err != nil {
		return fmt.Errorf("end: %w", err)
	}
	w.print("full: held after %d messages, killed %v, all %d received once there was room", held, kill, fillerMessages)
	return nil
}

// filler fills a queue and empties it.
type filler struct {
	world     *world
	next      int // message to be sent
	confirmed int
	confirms  chan amqp.Confirmation
	sent      chan error
	records   chan error // of the Kafka producer
	giveUp    func()     // ends it
	attempt   int        // how many producers there were before
}

// fill publishes until the broker holds its publishers.
func (f *filler) fill(p *process) error {
	if err := declareQueues(p.url, map[string]amqp.Table{"full": nil}); err != nil {
		return err
	}
	if err := f.begin(p); err != nil {
		return err
	}
	for {
		n, err := collect(f.confirms, 1, heldAfter)
		if err != nil {
			return err
		}
		if n == 0 {
			break
		}
		if f.confirmed += n; f.confirmed == fillerMessages {
			return errors.New("the disk never ran full")
		}
	}
	f.beginRecords(p)
	select {
	case err := <-f.records:
		return fmt.Errorf("records are not held on a full disk: %w", err)
	case <-time.After(heldAfter / 2):
		return nil
	}
}

func (f *filler) beginRecords(p *process) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	f.records, f.giveUp = make(chan error, 1), cancel
	go func(name string) { f.records <- f.produce(ctx, p.kafka, name) }(fmt.Sprint("record-", f.attempt))
}

// begin publishes from next on, for itself: a publish that is held holds the lock
// of its connection, which is never closed.
func (f *filler) begin(p *process) error {
	c, err := amqp.Dial(p.url)
	if err != nil {
		return err
	}
	ch, err := c.Channel()
	if err != nil {
		return err
	}
	if err := ch.Confirm(false); err != nil {
		return err
	}
	f.confirms = ch.NotifyPublish(make(chan amqp.Confirmation, 1<<16))
	f.sent = make(chan error, 1)
	go func(sent chan error, from int) {
		for i := from; i < fillerMessages; i++ {
			if err := ch.Publish("", "full", false, false, message("filler", i, fillerSize)); err != nil {
				sent <- err
				return
			}
		}
		sent <- nil
	}(f.sent, f.next)
	return nil
}

// resume goes on after a kill with what is not there.
func (f *filler) resume(p *process) error {
	f.giveUp()
	f.attempt++
	if err := <-f.records; err == nil {
		return errors.New("records were acknowledged on a full disk")
	}
	c, err := amqp.Dial(p.url)
	if err != nil {
		return err
	}
	defer c.Close()
	ch, err := c.Channel()
	if err != nil {
		return err
	}
	q, err := ch.QueueDeclarePassive("full", true, false, false, false, nil)
	if err != nil {
		return err
	}
	if q.Messages < f.confirmed {
		return fmt.Errorf("%d messages after a restart on a full disk, %d were confirmed", q.Messages, f.confirmed)
	}
	f.next, f.confirmed = q.Messages, q.Messages
	if err := f.begin(p); err != nil {
		return err
	}
	f.beginRecords(p)
	return nil
}

// finish empties the queue; everybody has to go on.
func (f *filler) finish(p *process) error {
	drained := make(chan error, 1)
	go func() { drained <- f.drain(p.url) }()
	n, err := collect(f.confirms, fillerMessages-f.confirmed, time.Minute)
	f.confirmed += n
	if err == nil && f.confirmed < fillerMessages {
		err = fmt.Errorf("%d of %d confirms after the queue was emptied", f.confirmed, fillerMessages)
	}
	if err != nil {
		select {
		case drain := <-drained:
			return errors.Join(err, drain)
		default:
			return err
		}
	}
	err = errors.Join(<-f.sent, <-drained, <-f.records)
	f.giveUp()
	if err != nil {
		return err
	}
	return f.verifyRecords(p)
}

// verifyRecords checks that the records of the last producer are there, and the
// beginning of those of one that a kill left unanswered.
func (f *filler) verifyRecords(p *process) error {
	counts := make([]int, f.attempt+1)
	ctx, cancel := context.WithTimeout(context.Background(), readyMax)
	defer cancel()
	err := readAll(ctx, p.kafka, "full-records", 0, kgo.ReadUncommitted(), func(r *kgo.Record) {
		name, sequence, err := parse(r.Value)
		for i := range counts {
			if err == nil && name == fmt.Sprint("record-", i) && sequence == counts[i] {
				counts[i]++
				return
			}
		}
		f.world.violated(fmt.Errorf("record %s %d at %d: %w", name, sequence, r.Offset, errors.Join(errInvented, err)))
	})
	if err == nil && counts[f.attempt] != fillerRecords {
		err = fmt.Errorf("%d of %d records", counts[f.attempt], fillerRecords)
	}
	return err
}

// produce sends records that have to be held as well, each to be there once.
func (f *filler) produce(ctx context.Context, address, name string) error {
	c, err := kgo.NewClient(kgo.SeedBrokers(address), kgo.RecordRetries(3), kgo.ProduceRequestTimeout(time.Minute), kgo.AllowAutoTopicCreation(), kgo.DefaultProduceTopic("full-records"))
	if err != nil {
		return err
	}
	defer c.Close()
	defer context.AfterFunc(ctx, c.Close)()
	var records []*kgo.Record
	for i := range fillerRecords {
		records = append(records, &kgo.Record{Value: body(name, i, 1000)})
	}
	if err := c.ProduceSync(ctx, records...).FirstErr(); err != nil {
		return err
	}
	f.world.records.Add(fillerRecords)
	return nil
}

// drain receives and acknowledges everything that was sent, in order.
func (f *filler) drain(url string) error {
	c, ch, err := connect(url)
	if err != nil {
		return err
	}
	defer c.Close()
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
			if _, sequence, err := received(&d); err != nil || sequence != i {
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
