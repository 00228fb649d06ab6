package amqp091

import (
	"weir/internal/broker"
	"weir/internal/proto/amqp091/codec"
	"weir/internal/proto/amqp091/native"
	"weir/internal/record"
)

// publish hands one message to the engine. All slices may alias the read buffer.
func (ch *channel) publish(m *codec.BasicPublish, address, sized, body []byte) *exception {
	c := ch.conn
	if m.Immediate {
		return raise(codeNotImplemented, "immediate=true")
	}
	if e := ch.checkSize(uint64(len(body))); e != nil {
		return e
	}
	p := &ch.headers.Properties
	if err := codec.DecodeProperties(sized[8:], p); err != nil {
		return raise(codeFrameError, "cannot decode properties: %v", err)
	}
	o := &ch.outgoing
	*o = broker.Outgoing{
		Exchange: c.intern(m.Exchange), Key: m.RoutingKey, Dialect: record.DialectAMQP091,
		Priority: p.Priority, TTL: -1, Message: &ch.headers,
	}
	rewritten, marks := false, byte(0)
	if p.Flags&(codec.FlagHeaders|codec.FlagReplyTo|codec.FlagExpiration|codec.FlagMessageID|codec.FlagUserID) != 0 {
		replyTo := ""
		if ch.reply != nil {
			replyTo = ch.reply.name
		}
		var e *native.Error
		if rewritten, marks, e = native.Describe(o, p, &c.principal, replyTo); e != nil {
			return raiseNative(e)
		}
	}
	if rewritten || marks != 0 {
		ch.scratch = native.AppendSized(ch.scratch[:0], len(body), marks, p)
		sized = ch.scratch
	}
	o.Native = [3][]byte{address, sized, body}
	if ch.tx != nil {
		return ch.tx.publish(m, o)
	}
	// A reply address is only looked up on the default exchange.
	replied := o.Exchange == "" && isReplyAddressBytes(m.RoutingKey) && ch.sendReply(o)
	if replied && !ch.confirm {
		return nil
	}
	// A direct reply in confirm mode is published to a queue that cannot exist
	// as well: that numbers and confirms it in its place.
	routed, err := ch.publisher.Publish(o)
	if err != nil {
		return c.exception(err)
	}
	ch.countPublish(routed, m.Mandatory, replied)
	if routed == 0 && m.Mandatory && !replied {
		ch.basicReturn(m, sized, body)
	}
	if c.session.Full() {
		c.flush()
	}
	return nil
}

// basicReturn gives an unroutable message back.
func (ch *channel) basicReturn(m *codec.BasicPublish, sized, body []byte) {
	c := ch.conn
	o := &c.out
	o.Lock()
	o.endFramesLocked(ch.appendReturn(o.beginFramesLocked(), m, sized, body))
	ch.ackItem = 0 // its ack may not move to one that goes out before
	c.wakeWriterLocked()
	o.Unlock()
	c.waitForRoom()
}

// appendReturn adds the frames of basic.return.
func (ch *channel) appendReturn(frames []byte, m *codec.BasicPublish, sized, body []byte) []byte {
	frames = codec.AppendMethod(frames, ch.number, &codec.BasicReturn{
		ReplyCode: codeNoRoute,
		ReplyText: codeNames[codeNoRoute], Exchange: m.Exchange, RoutingKey: m.RoutingKey,
	})
	frames = codec.AppendHeader(frames, ch.number, native.Shown(sized))
	return codec.AppendBody(frames, ch.number, body, int(ch.conn.frameMax.Load()))
}
