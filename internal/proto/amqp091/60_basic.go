package amqp091

import (
	"weir/internal/broker"
	"weir/internal/proto/amqp091/codec"
	"weir/internal/proto/amqp091/native"
)

func (ch *channel) basicMethod(id codec.ID, arguments []byte) *exception {
	switch id {
	case codec.IDBasicAck:
		return ch.basicAck(arguments)
	case codec.IDBasicNack:
		return ch.basicNack(arguments)
	case codec.IDBasicReject:
		return ch.basicReject(arguments)
	case codec.IDBasicQos:
		return ch.basicQos(arguments)
	case codec.IDBasicConsume:
		return ch.basicConsume(arguments)
	case codec.IDBasicCancel:
		return ch.basicCancel(arguments)
	case codec.IDBasicCancelOk:
		return nil
	case codec.IDBasicGet:
		return ch.basicGet(arguments)
	case codec.IDBasicRecover:
		var m codec.BasicRecover
		if err := m.Decode(arguments); err != nil {
			return undecodable(arguments)
		}
		e := ch.recover(m.Requeue)
		if e == nil {
			ch.answer(false, &codec.BasicRecoverOk{})
		}
		return e
	case codec.IDBasicRecoverAsync:
		var m codec.BasicRecoverAsync
		if err := m.Decode(arguments); err != nil {
			return undecodable(arguments)
		}
		return ch.recover(m.Requeue)
	}
	return unexpectedMethod(id)
}

func (ch *channel) basicAck(arguments []byte) *exception {
	var m codec.BasicAck
	if m.Decode(arguments) != nil {
		return undecodable(arguments)
	}
	return ch.acknowledge(m.DeliveryTag, m.Multiple, broker.Accept)
}

func (ch *channel) basicNack(arguments []byte) *exception {
	var m codec.BasicNack
	if m.Decode(arguments) != nil {
		return undecodable(arguments)
	}
	return ch.acknowledge(m.DeliveryTag, m.Multiple, refusal(m.Requeue))
}

func (ch *channel) basicReject(arguments []byte) *exception {
	var m codec.BasicReject
	if m.Decode(arguments) != nil {
		return undecodable(arguments)
	}
	return ch.acknowledge(m.DeliveryTag, false, refusal(m.Requeue))
}

func refusal(requeue bool) broker.Outcome {
	if requeue {
		return broker.Release
	}
	return broker.Reject
}

// recover gives everything unacked back to its queues.
func (ch *channel) recover(requeue bool) *exception {
	if !requeue {
		return raise(codeNotImplemented, "requeue=false")
	}
	return ch.settle(0, true, broker.Release)
}

// acknowledge settles now, or with the transaction.
func (ch *channel) acknowledge(tag uint64, multiple bool, outcome broker.Outcome) *exception {
	if ch.tx != nil {
		return ch.tx.acknowledge(tag, multiple, outcome)
	}
	return ch.settle(tag, multiple, outcome)
}

// settle applies the outcome to the delivery of tag, or to all up to it.
func (ch *channel) settle(tag uint64, multiple bool, outcome broker.Outcome) *exception {
	o := &ch.conn.out
	o.Lock()
	ranges, known := ch.unacked.take(ch.ranges[:0], tag, multiple)
	dropped := len(ch.unacked.dropped) > 0
	if outcome == broker.Accept {
		for i := range ranges {
			ch.traffic.Accepted += uint64(ranges[i].deliveries)
		}
	}
	o.Unlock()
	if !known {
		return raise(codePreconditionFailed, "unknown delivery tag %d", tag)
	}
	for i := range ranges {
		r := &ranges[i]
		r.holder.Settle(r.lo, r.hi, outcome)
		r.replenish()
	}
	if dropped {
		ch.releaseDropped()
	}
	clear(ranges)
	if ch.ranges = ranges[:0]; cap(ranges) > 1024 {
		ch.ranges = nil
	}
	return nil
}

// replenish gives the consumer the credit of its settled deliveries back.
func (r *settlement) replenish() {
	if k := r.consumer; k != nil && k.prefetch > 0 && !k.ended.Load() {
		k.attachment.Credit(r.deliveries)
	}
}

// basicQos sets the prefetch of consumers to come, or that of the channel.
func (ch *channel) basicQos(arguments []byte) *exception {
	var m codec.BasicQos
	if m.Decode(arguments) != nil {
		return undecodable(arguments)
	}
	if m.PrefetchSize != 0 {
		return raise(codeNotImplemented, "prefetch_size!=0 (%d)", m.PrefetchSize)
	}
	limit := int64(m.PrefetchCount)
	switch {
	case !m.Global:
		ch.prefetch = m.PrefetchCount
	case ch.pool != nil:
		ch.pool.SetLimit(limit)
	case m.PrefetchCount != 0:
		ch.pool = ch.conn.session.NewCreditPool(limit)
		for _, k := range ch.consumers {
			if !k.ended.Load() {
				k.attachment.Join(ch.pool)
			}
		}
	}
	ch.notePrefetch(&m)
	ch.answer(false, &codec.BasicQosOk{})
	return nil
}

// mayGet refuses queues that do not take basic.get, in RabbitMQ's words.
func (ch *channel) mayGet(queue string) *exception {
	info, err := ch.conn.session.Look(queue)
	what := native.Resource("queue", queue, ch.conn.vhost)
	switch kind := native.QueueType(info.Arguments); {
	case err != nil:
		return ch.exception(err)
	case kind == "stream":
		return raise(codeNotImplemented, "basic.get not supported by stream queues %s", what)
	case kind == "quorum" && info.Arguments["x-single-active-consumer"] == true:
		return raise(codeResourceLocked, "cannot obtain access to locked %s. basic.get operations are not supported by "+
			"quorum queues with single active consumer", what)
	}
	return nil
}

func (ch *channel) basicGet(arguments []byte) *exception {
	var m codec.BasicGet
	if m.Decode(arguments) != nil {
		return undecodable(arguments)
	}
	queue, e := ch.queueName(m.Queue)
	if e != nil {
		return e
	}
	if e := ch.mayGet(queue); e != nil {
		return e
	}
	c := ch.conn
	c.waitForPublishes()
	c.session.AwaitRejected()
	pulled, got, err := ch.puller.Pull(queue, m.NoAck)
	if err != nil {
		return ch.exception(err)
	}
	ch.countPull(got, m.NoAck, pulled.Delivery.Redelivered)
	if !got {
		ch.answer(false, &codec.BasicGetEmpty{})
		return nil
	}
	o := &c.out
	o.Lock()
	ch.nextTag++
	if !m.NoAck {
		ch.unacked.push(ch.nextTag, pulled.Delivery.Offset, ch.unacked.hold(pulled.Attachment, nil), true)
	} else {
		ch.unacked.push(ch.nextTag, 0, 0, false)
	}
	d := &pulled.Delivery
	o.items = append(o.items, item{
		kind: itemGet, redelivered: d.Redelivered, channel: ch.number, count: d.Count,
		tag: ch.nextTag, from: pulled.Ready, data: d.Record, index: d.Index,
	})
	c.wakeWriterLocked()
	o.Unlock()
	return nil
}
