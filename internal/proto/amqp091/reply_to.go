package amqp091

import (
	"strings"

	"weir/internal/broker"
	"weir/internal/proto/amqp091/codec"
	"weir/internal/proto/amqp091/native"
)

// Direct replies. A requester consumes from ReplyQueue and publishes requests
// with that as reply-to; the broker puts the requester's private address there.
// The responder publishes its answer to the default exchange with the address
// as routing key. No queue is touched and nothing is stored.
const replyPrefix = native.ReplyQueue + "."

// Replies that wait for a requester that does not read are dropped beyond this:
// direct replies are at most once.
const replyWaitingBytesMax = 4 << 20

// replyConsumer is the one consumer of direct replies a channel may have.
type replyConsumer struct {
	channel *channel
	tag     string
	name    string // as routing key

	closed bool // guarded by the outbox mutex
}

func isReplyName(name string) bool    { return name == native.ReplyQueue || isReplyAddress(name) }
func isReplyAddress(name string) bool { return strings.HasPrefix(name, replyPrefix) }

func isReplyAddressBytes(key []byte) bool {
	return len(key) > len(replyPrefix) && string(key[:len(replyPrefix)]) == replyPrefix
}

// replyConsume handles basic.consume of native.ReplyQueue.
func (ch *channel) replyConsume(m *codec.BasicConsume) *exception {
	if !m.NoAck {
		return raise(codePreconditionFailed, "reply consumer cannot acknowledge")
	}
	if ch.reply != nil {
		return raise(codePreconditionFailed, "reply consumer already set")
	}
	r := &replyConsumer{channel: ch, tag: m.ConsumerTag}
	if r.tag == "" {
		r.tag = generated("amq.ctag")
	}
	r.name = replyPrefix + ch.conn.session.Mailbox(r.receive)
	ch.reply = r
	ch.answer(m.NoWait, &codec.BasicConsumeOk{ConsumerTag: r.tag})
	return nil
}

// closeReply ends the channel's consumer of replies.
func (ch *channel) closeReply() {
	r := ch.reply
	if r == nil {
		return
	}
	ch.reply = nil
	ch.conn.out.Lock()
	r.closed = true
	ch.conn.out.Unlock()
}

// receive runs on an engine goroutine.
func (r *replyConsumer) receive(rec []byte) {
	ch := r.channel
	o := &ch.conn.out
	o.Lock()
	defer o.Unlock()
	if o.closed || ch.closed || r.closed || o.replyBytes+len(rec) > replyWaitingBytesMax {
		return
	}
	o.replyBytes += len(rec)
	ch.nextTag++
	ch.unacked.push(ch.nextTag, 0, 0, false)
	o.items = append(o.items, item{kind: itemReply, channel: ch.number, tag: ch.nextTag, consumer: r.tag, data: rec})
	ch.conn.wakeWriterLocked()
}

// sendReply sends a message whose routing key is a requester's address.
func (ch *channel) sendReply(o *broker.Outgoing) bool {
	return ch.conn.session.SendToMailbox(string(o.Key[len(replyPrefix):]), o)
}

// replyDeclare answers queue.declare of a requester's address, by which a
// responder asks whether anybody still waits for its answer.
func (ch *channel) replyDeclare(name string, noWait bool) *exception {
	if name != native.ReplyQueue && !ch.conn.session.HasMailbox(name[len(replyPrefix):]) {
		return raise(codeNotFound, "no %s", native.Resource("queue", name, ch.conn.vhost))
	}
	ch.lastQueue = name
	ch.answer(noWait, &codec.QueueDeclareOk{Queue: name, ConsumerCount: 1})
	return nil
}
