package main

import (
	"context"
	"fmt"
	"slices"
	"sync"

	amqp "github.com/rabbitmq/amqp091-go"
)

// The queues of the ledger. Each deal puts its number into fresh and noted, and
// moves the first message of fresh to moved, in one transaction.
const (
	queueFresh = "deal-fresh"
	queueNoted = "deal-noted"
	queueMoved = "deal-moved"

	lifeDealsMax = 150
)

// outcome is what is known of a transaction or of an operation.
type outcome uint8

const (
	open   outcome = iota // not answered
	done                  // answered, or seen to have happened
	undone                // rolled back, or seen not to have happened
)

// deal is one transaction. took is the number of the message it moved, or -1.
type deal struct {
	outcome outcome
	took    int
}

// ledger is a client of AMQP's transactions: each happens whole or not at all.
type ledger struct {
	world *world

	mu    sync.Mutex
	deals []deal
}

func (l *ledger) declare(_ context.Context, p *process) error {
	return declareQueues(p.url, map[string]amqp.Table{queueFresh: nil, queueNoted: nil, queueMoved: nil})
}

func (l *ledger) load(ctx context.Context, p *process, running *sync.WaitGroup) {
	running.Go(func() {
		err := l.run(ctx, p.url)
		if ctx.Err() == nil {
			l.world.trouble(err)
		}
	})
}

func (l *ledger) run(ctx context.Context, url string) error {
	c, err := amqp.Dial(url)
	if err != nil {
		return err
	}
	defer c.Close()
	var ch *amqp.Channel
	for i := 0; i < lifeDealsMax && ctx.Err() == nil; i++ {
		if ch == nil {
			if ch, err = c.Channel(); err != nil {
				return err
			}
			if err := ch.Tx(); err != nil {
				return err
			}
		}
		kept, err := l.deal(ch, i%5 != 4)
		if err != nil {
			return err
		}
		if !kept { // the channel still has the message it did not move
			if err := ch.Close(); err != nil {
				return err
			}
			ch = nil
		}
	}
	return nil
}

func (l *ledger) deal(ch *amqp.Channel, keep bool) (bool, error) {
	d, ok, err := ch.Get(queueFresh, false)
	if err != nil {
		return keep, err
	}
	took := -1
	if ok {
		if _, took, err = received(&d); err != nil {
			return keep, err
		}
	}
	l.mu.Lock()
	number := len(l.deals)
	l.deals = append(l.deals, deal{took: took})
	l.mu.Unlock()
	for _, queue := range []string{queueFresh, queueNoted} {
		if err := ch.Publish("", queue, false, false, message("deal", number, 100)); err != nil {
			return keep, err
		}
	}
	if ok {
		if err := ch.Publish("", queueMoved, false, false, message("deal", took, 100)); err != nil {
			return keep, err
		}
		if err := d.Ack(false); err != nil {
			return keep, err
		}
	}
	end, how := ch.TxCommit, done
	if !keep {
		end, how = ch.TxRollback, undone
	}
	if err := end(); err != nil {
		return keep, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.deals[number].outcome = how
	if keep {
		l.world.confirmed.Add(2)
	}
	return keep, nil
}

// verify checks that every deal is there whole or not at all.
func (l *ledger) verify(_ context.Context, p *process) error {
	found := map[string][]int{}
	for _, queue := range []string{queueFresh, queueNoted, queueMoved} {
		numbers, err := l.numbers(p.url, queue)
		if err != nil {
			return fmt.Errorf("verify %s: %w", queue, err)
		}
		found[queue] = numbers
	}
	if !slices.IsSorted(found[queueNoted]) {
		l.world.violated(fmt.Errorf("transactions: %s is out of order: %v", queueNoted, found[queueNoted]))
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	count := func(queue string, n int) (c int) {
		for _, m := range found[queue] {
			if m == n {
				c++
			}
		}
		return c
	}
	movers := map[int]int{} // deals that moved a message
	for n := range l.deals {
		d := &l.deals[n]
		noted, there := count(queueNoted, n), count(queueFresh, n)+count(queueMoved, n)
		if noted != there || noted > 1 || d.outcome == done && noted == 0 || d.outcome == undone && noted > 0 {
			l.world.violated(fmt.Errorf("transaction %d (outcome %d) is %d times noted, %d times in the other queues", n, d.outcome, noted, there))
		}
		d.outcome = undone
		if noted == 1 {
			d.outcome = done
			movers[d.took]++
		}
	}
	for n := range l.deals {
		if moved := count(queueMoved, n); moved != movers[n] {
			l.world.violated(fmt.Errorf("transactions: message %d was moved by %d of them and is moved %d times", n, movers[n], moved))
		}
	}
	return nil
}

// numbers reads a queue whole without settling anything.
func (l *ledger) numbers(url, queue string) ([]int, error) {
	var numbers []int
	err := look(url, queue, func(d *amqp.Delivery) error {
		_, n, err := received(d)
		l.mu.Lock()
		known := len(l.deals)
		l.mu.Unlock()
		if err == nil && n >= known {
			err = fmt.Errorf("%w: message %d", errInvented, n)
		}
		numbers = append(numbers, n)
		return err
	})
	return numbers, err
}
