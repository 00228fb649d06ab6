package amqp091

import (
	"time"

	"weir/internal/broker"
	"weir/internal/proto/amqp091/codec"
)

func (ch *channel) confirmMethod(id codec.ID, arguments []byte) *exception {
	if id != codec.IDConfirmSelect {
		return unexpectedMethod(id)
	}
	var m codec.ConfirmSelect
	if err := m.Decode(arguments); err != nil {
		return undecodable(arguments)
	}
	if ch.tx != nil {
		return raise(codePreconditionFailed, "cannot switch from tx to confirm mode")
	}
	if !ch.confirm {
		// Sequences of a publisher start at 1, which is what confirms count from.
		ch.conn.waitForPublishes()
		ch.conn.out.Lock()
		ch.conn.reportLocked()
		ch.confirm, ch.completedLast, ch.published = true, 0, 0
		ch.conn.out.Unlock()
		ch.publisher = ch.conn.session.Publisher(ch.confirmed)
	}
	ch.answer(m.NoWait, &codec.ConfirmSelectOk{})
	return nil
}

// completed runs on an engine goroutine for a channel that does not confirm.
func (ch *channel) completed(done broker.Completion) {
	o := &ch.conn.out
	o.Lock()
	if !ch.confirm {
		ch.completedLast = done.Last
		o.room.Broadcast()
	}
	o.Unlock()
}

// confirmed runs on an engine goroutine. Completions come in order and without
// gaps, so that an ack may always say "multiple".
func (ch *channel) confirmed(done broker.Completion) {
	c := ch.conn
	o := &c.out
	o.Lock()
	defer o.Unlock()
	ch.completedLast = done.Last
	ch.traffic.Confirmed += done.Last - done.First + 1 - uint64(len(done.Refused))
	o.room.Broadcast()
	if ch.closed || o.closed {
		return
	}
	first := done.First
	for i := 0; i < len(done.Refused); {
		from := done.Refused[i].Sequence
		to := from
		for i++; i < len(done.Refused) && done.Refused[i].Sequence == to+1; i++ {
			to++
		}
		if from > first {
			o.confirmLocked(ch, itemAck, first, from-1)
		}
		for n := from; n <= to; n++ {
			// One by one: a nack of several would take acks with it that a
			// client has not processed yet.
			o.confirmLocked(ch, itemNack, n, n)
		}
		first = to + 1
	}
	if first <= done.Last {
		o.confirmLocked(ch, itemAck, first, done.Last)
	}
	c.wakeWriterLocked()
}

// publishWait bounds waitForPublishes: a queue that is full may never take what
// was published to it.
const publishWait = time.Second

// waitForPublishes returns when everything this connection published has
// reached its queues, so that what it asks next sees its own messages.
func (c *conn) waitForPublishes() {
	outstanding := func() bool {
		for _, ch := range c.channels {
			if ch.publisher.Sequence() > ch.completedLast {
				return true
			}
		}
		return false
	}
	c.waiting.Store(true)
	defer c.waiting.Store(false)
	c.session.Flush()
	o := &c.out
	o.Lock()
	defer o.Unlock()
	if !outstanding() {
		return
	}
	expired := false
	timer := c.server.options.Clock.AfterFunc(publishWait, func() {
		o.Lock()
		expired = true
		o.room.Broadcast()
		o.Unlock()
	})
	defer timer.Stop()
	for outstanding() && !expired && !o.closed {
		o.room.Wait()
	}
}
