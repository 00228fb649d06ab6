package amqp091

import (
	"weir/internal/broker"
	"weir/internal/proto/amqp091/codec"
	"weir/internal/proto/amqp091/native"
)

// transaction is a channel's in tx mode: publishes and acks since the last commit
// or rollback. It belongs to the connection's reader.
type transaction struct {
	channel *channel
	work    *broker.Transaction
	acks    []transactionAck
	replies []reply // direct replies
	returns []byte  // frames of what could not be routed
	fresh   broker.Traffic
}

type transactionAck struct {
	tag     uint64
	outcome broker.Outcome
}

// reply is a message for a requester's address.
type reply struct {
	message broker.Outgoing
	key     []byte
}

func (ch *channel) txMethod(id codec.ID, arguments []byte) *exception {
	m := codec.New(id)
	switch id {
	case codec.IDTxSelect, codec.IDTxCommit, codec.IDTxRollback:
	default:
		return unexpectedMethod(id)
	}
	if m.Decode(arguments) != nil {
		return undecodable(arguments)
	}
	switch {
	case id == codec.IDTxSelect:
		return ch.txSelect()
	case ch.tx == nil:
		return raise(codePreconditionFailed, "channel is not transactional")
	case id == codec.IDTxCommit:
		return ch.tx.commit()
	}
	ch.tx.rollback()
	ch.answer(false, &codec.TxRollbackOk{})
	return nil
}

func (ch *channel) txSelect() *exception {
	if ch.confirm {
		return raise(codePreconditionFailed, "cannot switch from confirm to tx mode")
	}
	if ch.tx == nil {
		// What was published before is no part of any transaction and comes first.
		ch.conn.waitForPublishes()
		ch.tx = &transaction{channel: ch, work: ch.conn.session.Begin()}
	}
	ch.touch()
	ch.answer(false, &codec.TxSelectOk{})
	return nil
}

// publish adds a message. What cannot be routed is returned with the commit.
func (t *transaction) publish(m *codec.BasicPublish, o *broker.Outgoing) *exception {
	if o.Exchange == "" && isReplyAddressBytes(m.RoutingKey) && t.channel.conn.session.HasMailbox(string(m.RoutingKey[len(replyPrefix):])) {
		t.replies = append(t.replies, newReply(o))
		t.channel.touch()
		return nil
	}
	routed, err := t.work.Publish(o)
	if err != nil {
		return t.channel.exception(err)
	}
	count(&t.fresh, routed, m.Mandatory, false)
	t.channel.touch()
	if routed == 0 && m.Mandatory {
		t.returns = t.channel.appendReturn(t.returns, m, o.Native[1], o.Native[2])
	}
	return nil
}

// newReply copies what lies in the read buffer.
func newReply(o *broker.Outgoing) reply {
	r := reply{message: *o, key: append([]byte(nil), o.Key...)}
	r.message.Key, r.message.Message = r.key, nil
	for i, part := range o.Native {
		r.message.Native[i] = append([]byte(nil), part...)
	}
	return r
}

// acknowledge notes the outcome of the delivery of tag, or of all up to it.
func (t *transaction) acknowledge(tag uint64, multiple bool, outcome broker.Outcome) *exception {
	ch := t.channel
	o := &ch.conn.out
	o.Lock()
	known := ch.unacked.enlist(tag, multiple, func(tag uint64) {
		t.acks = append(t.acks, transactionAck{tag, outcome})
	})
	o.Unlock()
	ch.touch()
	if !known {
		return raise(codePreconditionFailed, "unknown delivery tag %d", tag)
	}
	return nil
}

// clear begins anew.
func (t *transaction) clear() {
	t.acks, t.replies, t.returns, t.fresh = nil, nil, nil, broker.Traffic{}
	t.channel.touch()
}

// rollback forgets everything. What was acked waits to be acked again.
func (t *transaction) rollback() {
	t.work.Abort()
	o := &t.channel.conn.out
	o.Lock()
	for _, a := range t.acks {
		t.channel.unacked.delist(a.tag)
	}
	o.Unlock()
	t.clear()
}

// commit carries everything out at once and answers when it is durable. Returns
// go out before the answer.
func (t *transaction) commit() *exception {
	ch := t.channel
	c := ch.conn
	settled := t.settle()
	c.waiting.Store(true)
	err := t.work.Commit()
	c.waiting.Store(false)
	if err != nil {
		e := ch.exception(err)
		if err.Code == broker.CodeFull {
			e = raise(codePreconditionFailed, "transaction rolled back: %s is full",
				native.Resource(err.Object.String(), err.Name, c.vhost))
		}
		return e
	}
	ch.fresh.Add(&t.fresh)
	for _, a := range t.acks {
		if a.outcome == broker.Accept {
			ch.fresh.Accepted++
		}
	}
	for i := range settled {
		settled[i].replenish()
	}
	ch.releaseDropped()
	for i := range t.replies {
		ch.sendReply(&t.replies[i].message)
	}
	if len(t.returns) > 0 {
		c.out.Lock()
		c.out.endFramesLocked(append(c.out.beginFramesLocked(), t.returns...))
		c.wakeWriterLocked()
		c.out.Unlock()
	}
	t.clear()
	ch.answer(false, &codec.TxCommitOk{})
	return nil
}

// settle hands the acks to the engine's transaction, neighbours with one outcome
// together.
func (t *transaction) settle() []settlement {
	ch := t.channel
	o := &ch.conn.out
	var all []settlement
	o.Lock()
	defer o.Unlock()
	for i := 0; i < len(t.acks); {
		outcome, from := t.acks[i].outcome, len(all)
		for ; i < len(t.acks) && t.acks[i].outcome == outcome; i++ {
			ch.unacked.delist(t.acks[i].tag)
			run, _ := ch.unacked.take(all[from:], t.acks[i].tag, false)
			all = append(all[:from], run...)
		}
		for _, s := range all[from:] {
			t.work.Settle(s.holder, s.lo, s.hi, outcome)
		}
	}
	return all
}
