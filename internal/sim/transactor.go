package sim

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// transactor appends to a topic in transactions, some of which it aborts.
type transactor struct {
	program
	topic string
	all   []*transaction
}

// transaction is what the transactor knows of one.
type transaction struct {
	entries []*entry
	fate    fate
}

func (t *transactor) run() {
	for !t.over() {
		c := t.kafka(kgo.TransactionalID(t.title), kgo.TransactionTimeout(20*time.Second), kgo.DefaultProduceTopic(t.topic), kgo.ProducerLinger(0),
			kgo.RecordDeliveryTimeout(20*time.Second), kgo.ProducerBatchCompression(kgo.NoCompression()))
		err := t.session(c)
		c.Close()
		if err != nil {
			t.world.note(t.title, "%v", err)
			t.wait(t.world.dice.between(50*time.Millisecond, time.Second))
		}
	}
}

func (t *transactor) session(c *kgo.Client) error {
	for !t.over() {
		if err := c.BeginTransaction(); err != nil {
			return err
		}
		x := &transaction{}
		t.all = append(t.all, x)
		if err := t.transact(c, x); err != nil {
			return fmt.Errorf("transaction %d: %w", len(t.all), err)
		}
		t.world.note(t.title, "transaction %d of %d messages is over: %d", len(t.all), len(x.entries), x.fate)
		t.wait(t.world.dice.between(0, 500*time.Millisecond))
	}
	return nil
}

func (t *transactor) transact(c *kgo.Client, x *transaction) error {
	var mu sync.Mutex
	var failed error
	for range 1 + t.world.dice.n(10) {
		e := t.world.book.begin(t.title, t.topic)
		x.entries = append(x.entries, e)
		c.Produce(context.Background(), &kgo.Record{Key: fmt.Append(nil, e.id%5), Value: body(e.id)}, func(r *kgo.Record, err error) {
			mu.Lock()
			defer mu.Unlock()
			if failed == nil {
				failed = err
			}
			if err == nil {
				t.world.book.locate(t.title, e.id, t.topic, r.Partition, r.Offset)
			}
		})
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := c.Flush(ctx); err != nil {
		return err
	}
	mu.Lock()
	defer mu.Unlock()
	commit := failed == nil && t.world.dice.n(4) > 0
	if err := c.EndTransaction(ctx, kgo.TransactionEndTry(commit)); err != nil {
		return err
	}
	x.fate = withdrawn
	if commit {
		x.fate = confirmed
		for _, e := range x.entries {
			t.world.book.confirm(e)
		}
	}
	return failed
}

// check holds what readers of committed messages find against what was committed.
func (t *transactor) check(found map[messageID]int) {
	for i, x := range t.all {
		n := 0
		for _, e := range x.entries {
			if found[e.id] > 1 {
				t.world.violated(t.title, "message %d of transaction %d is there %d times", e.id, i+1, found[e.id])
			}
			n += min(found[e.id], 1)
		}
		switch {
		case x.fate == confirmed && n < len(x.entries):
			t.world.violated(t.title, "transaction %d is committed, and %d of its %d messages are there", i+1, n, len(x.entries))
		case x.fate == withdrawn && n > 0:
			t.world.violated(t.title, "transaction %d is aborted, and %d of its messages are there", i+1, n)
		case n > 0 && n < len(x.entries):
			t.world.violated(t.title, "transaction %d: %d of %d messages are there", i+1, n, len(x.entries))
		}
	}
}
