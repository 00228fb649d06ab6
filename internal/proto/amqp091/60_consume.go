package amqp091

import (
	"sync/atomic"

	"weir/internal/broker"
	"weir/internal/proto/amqp091/codec"
	"weir/internal/proto/amqp091/native"
)

// creditUnlimited stands for no prefetch: more than any queue will ever deliver.
const creditUnlimited = 1 << 40

// consumer is one basic.consume. It is the sink of its attachment.
type consumer struct {
	channel    *channel
	tag        string
	noAck      bool
	stream     bool  // follows: deliveries carry their offset
	prefetch   int64 // 0 is unlimited
	attachment *broker.Attachment
	ended      atomic.Bool // by the broker, or cancelled

	// Guarded by the outbox mutex.
	holder uint32
	over   bool // no delivery goes to the client any more
}

func (ch *channel) basicConsume(arguments []byte) *exception {
	var m codec.BasicConsume
	if m.Decode(arguments) != nil {
		return undecodable(arguments)
	}
	if k := ch.consumers[m.ConsumerTag]; k != nil && !k.ended.Load() {
		return raise(codeNotAllowed, "attempt to reuse consumer tag '%s'", m.ConsumerTag)
	}
	if m.Queue == native.ReplyQueue {
		return ch.replyConsume(&m)
	}
	queue, e := ch.queueName(m.Queue)
	if e != nil {
		return e
	}
	options := broker.AttachOptions{
		Queue: queue, Tag: m.ConsumerTag, Exclusive: m.Exclusive, AutoSettle: m.NoAck,
		Arguments: m.Arguments.Map(), Part: uint32(ch.number),
	}
	if e := ch.declareView(queue, m.Arguments); e != nil {
		return e
	}
	if e := ch.readConsumer(&options, m.Arguments); e != nil {
		return e
	}
	if options.Tag == "" {
		options.Tag = generated("amq.ctag")
	}
	k := &consumer{channel: ch, tag: options.Tag, noAck: m.NoAck, stream: options.From != nil}
	credit := int64(creditUnlimited)
	options.Pool = ch.pool
	if !m.NoAck {
		options.Prefetch = uint32(ch.prefetch)
		if k.prefetch = int64(ch.prefetch); k.prefetch > 0 {
			credit = k.prefetch
		}
	}
	// No credit before consume-ok is queued: a delivery may not overtake it.
	a, err := ch.conn.session.Attach(options, k)
	if err != nil {
		return ch.exception(err)
	}
	k.attachment = a
	ch.conn.out.Lock()
	k.holder = ch.unacked.hold(a, k)
	ch.conn.out.Unlock()
	if ch.consumers == nil {
		ch.consumers = map[string]*consumer{}
	}
	ch.consumers[k.tag] = k
	ch.answer(m.NoWait, &codec.BasicConsumeOk{ConsumerTag: k.tag})
	a.Credit(credit)
	return nil
}

// readConsumer reads the arguments, and refuses what cannot be with a stream.
func (ch *channel) readConsumer(o *broker.AttachOptions, arguments codec.Table) *exception {
	info, err := ch.conn.session.Look(o.Queue)
	if err != nil {
		return ch.exception(err)
	}
	if e := native.ReadConsumer(o, &info, arguments, ch.conn.server.options.Clock.Millis()); e != nil {
		return raiseNative(e)
	}
	what := native.Resource("queue", o.Queue, ch.conn.vhost)
	switch {
	case o.From == nil:
	case ch.prefetch == 0:
		return raise(codePreconditionFailed, "consumer prefetch count is not set for stream %s", what)
	case o.AutoSettle:
		return raise(codeNotImplemented, "automatic acknowledgement not supported by stream %s", what)
	case ch.pool != nil:
		return raise(codeNotImplemented, "%s does not support global qos", what)
	}
	return nil
}

func (ch *channel) basicCancel(arguments []byte) *exception {
	var m codec.BasicCancel
	if m.Decode(arguments) != nil {
		return undecodable(arguments)
	}
	if r := ch.reply; r != nil && r.tag == m.ConsumerTag {
		ch.closeReply()
	} else if k := ch.consumers[m.ConsumerTag]; k != nil {
		if !k.ended.Swap(true) {
			// Everything delivered before Detach returns goes out before cancel-ok.
			k.attachment.Detach()
		}
		ch.forget(k)
	}
	ch.answer(m.NoWait, &codec.BasicCancelOk{ConsumerTag: m.ConsumerTag})
	return nil
}

// forget takes a consumer that has ended out of the channel. What it has not
// acked stays to be settled.
func (ch *channel) forget(k *consumer) {
	if ch.consumers[k.tag] == k {
		delete(ch.consumers, k.tag)
	}
	ch.conn.out.Lock()
	if !ch.closed {
		k.over = true
		ch.unacked.drop(k.holder)
	}
	ch.conn.out.Unlock()
	ch.releaseDropped()
}

// releaseDropped ends attachments whose consumer is over and whose last lease
// is settled.
func (ch *channel) releaseDropped() {
	ch.conn.out.Lock()
	dropped := ch.unacked.dropped
	ch.unacked.dropped = nil
	ch.conn.out.Unlock()
	for _, a := range dropped {
		a.ReleaseAll()
	}
}

// Deliver implements broker.Sink.
func (k *consumer) Deliver(_ *broker.Attachment, ds []broker.Delivery) {
	ch := k.channel
	c := ch.conn
	o := &c.out
	o.Lock()
	switch {
	case o.closed:
		o.Unlock()
	case k.over || ch.closed:
		// Under way when the channel ended, with which its lease goes back. The
		// byte window gets the bytes back.
		total := 0
		for i := range ds {
			total += ds[i].Bytes()
		}
		o.items = append(o.items, item{kind: itemDropped, from: uint64(total)})
		c.wakeWriterLocked()
		o.Unlock()
	default:
		ch.countDeliveriesLocked(ds, k.noAck)
		for i := range ds {
			d := &ds[i]
			ch.nextTag++
			ch.unacked.push(ch.nextTag, d.Offset, k.holder, !k.noAck)
			it := item{
				kind: itemDelivery, redelivered: d.Redelivered, channel: ch.number,
				count: d.Count, tag: ch.nextTag, consumer: k.tag, data: d.Record, index: d.Index, size: uint32(d.Bytes()),
			}
			if k.stream {
				it.kind, it.from = itemStream, uint64(d.Offset)
			}
			o.items = append(o.items, it)
		}
		c.wakeWriterLocked()
		o.Unlock()
	}
}

// Detached implements broker.Sink.
func (k *consumer) Detached(*broker.Attachment, *broker.Error) {
	ch := k.channel
	c := ch.conn
	o := &c.out
	if k.ended.Swap(true) {
		return
	}
	o.Lock()
	if o.closed || ch.closed {
		o.Unlock()
		return
	}
	k.over = true
	o.gone = append(o.gone, k)
	if m := (codec.BasicCancel{ConsumerTag: k.tag, NoWait: true}); c.cancelNotify && ch.holding {
		ch.cancels = codec.AppendMethod(ch.cancels, ch.number, &m)
	} else if c.cancelNotify {
		o.endFramesLocked(codec.AppendMethod(o.beginFramesLocked(), ch.number, &m))
		c.wakeWriterLocked()
	}
	o.Unlock()
	c.wakeReader()
}

// holdCancels keeps back what Detached has to say until sendCancels: clients that
// delete a queue they consume from expect the answer first.
func (ch *channel) holdCancels() {
	o := &ch.conn.out
	o.Lock()
	ch.holding = true
	o.Unlock()
}

func (ch *channel) sendCancels() {
	c := ch.conn
	o := &c.out
	o.Lock()
	if len(ch.cancels) > 0 && !o.closed && !ch.closed {
		o.endFramesLocked(append(o.beginFramesLocked(), ch.cancels...))
		c.wakeWriterLocked()
	}
	ch.holding, ch.cancels = false, nil
	o.Unlock()
}
