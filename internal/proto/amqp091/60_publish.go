package amqp091

import (
	"crypto/sha256"
	"strings"

	"weir/internal/broker"
	"weir/internal/proto/amqp091/codec"
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
	p := &ch.headers.properties
	if err := codec.DecodeProperties(sized[8:], p); err != nil {
		return raise(codeFrameError, "cannot decode properties: %v", err)
	}
	o := &ch.outgoing
	*o = broker.Outgoing{Exchange: c.intern(m.Exchange), Key: m.RoutingKey, Dialect: record.DialectAMQP091,
		Priority: p.Priority, TTL: -1, Message: &ch.headers}
	rewritten := false
	if p.Flags&(codec.FlagHeaders|codec.FlagReplyTo|codec.FlagExpiration|codec.FlagMessageID|codec.FlagUserID) != 0 {
		var e *exception
		if rewritten, e = ch.properties(o, p); e != nil {
			return e
		}
	}
	if rewritten {
		ch.scratch = rewrite(ch.scratch[:0], len(body), 0, p)
		sized = ch.scratch
	}
	o.Native = [3][]byte{address, sized, body}
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
	if routed == 0 && m.Mandatory && !replied {
		ch.basicReturn(m, sized, body)
	}
	if c.session.Full() {
		c.flush()
	}
	return nil
}

// properties reads what the engine has to know and reports whether it changed p.
func (ch *channel) properties(o *broker.Outgoing, p *codec.Properties) (changed bool, e *exception) {
	c := ch.conn
	if p.Has(codec.FlagUserID) && string(p.UserID) != c.principal.User && !impersonates(&c.principal) {
		return false, raise(codePreconditionFailed, "user_id property set to '%s' but authenticated user was '%s'",
			p.UserID, c.principal.User)
	}
	if p.Has(codec.FlagExpiration) {
		if o.TTL, e = expiration(p.Expiration); e != nil {
			return false, e
		}
	}
	if p.Has(codec.FlagMessageID) {
		o.Dedup = dedupID(p.MessageID)
	}
	if p.Has(codec.FlagReplyTo) && string(p.ReplyTo) == replyQueue {
		if ch.reply == nil {
			return false, raise(codePreconditionFailed, "fast reply consumer does not exist")
		}
		p.ReplyTo, changed = []byte(ch.reply.name), true
	}
	if len(p.Headers) > 0 {
		stripped, e := routingHeaders(o, p)
		return changed || stripped, e
	}
	return changed, nil
}

// routingHeaders reads the headers that say where and when the message goes.
// BCC is one that the consumer does not get to see.
func routingHeaders(o *broker.Outgoing, p *codec.Properties) (stripped bool, e *exception) {
	for rest := p.Headers; ; {
		name, v, next, ok := rest.Next()
		if !ok {
			break
		}
		rest = next
		switch string(name) {
		case "CC", "BCC":
			keys, ok := v.Array()
			if !ok {
				return false, raise(codePreconditionFailed,
					"invalid message: {unacceptable_type_in_header,\"%s\",%s}", name, v.TypeName())
			}
			o.ExtraKeys = appendTexts(o.ExtraKeys, keys)
			stripped = stripped || string(name) == "BCC"
		case "x-delay":
			if n, ok := v.Int(); ok && n > 0 {
				o.Delay = min(n, expiryMillisMax)
			}
		case "x-deduplication-header":
			if id, ok := v.Text(); ok {
				o.Dedup = dedupID(id)
			}
		}
	}
	if stripped {
		p.Headers = without(p.Headers, "BCC")
	}
	return stripped, nil
}

// appendTexts appends the strings of an array.
func appendTexts(dst []string, a codec.Array) []string {
	for {
		v, rest, ok := a.Next()
		if !ok {
			return dst
		}
		if v.Kind == 'S' {
			dst = append(dst, string(v.Bytes))
		}
		a = rest
	}
}

func impersonates(p *broker.Principal) bool {
	for _, tag := range p.Tags {
		if tag == "impersonator" {
			return true
		}
	}
	return false
}

// dedupID is stored, so it may not depend on the process: half a SHA-256.
func dedupID(id []byte) (d record.DedupID) {
	if len(id) == 0 {
		return d
	}
	sum := sha256.Sum256(id)
	copy(d[:], sum[:])
	return d
}

// expiration reads the property's milliseconds as RabbitMQ does.
func expiration(text []byte) (int64, *exception) {
	bad := func(why string) *exception {
		return raise(codePreconditionFailed, "invalid expiration '%s': %s", text, why)
	}
	digits := text
	negative := len(digits) > 0 && digits[0] == '-'
	if len(digits) > 0 && (digits[0] == '-' || digits[0] == '+') {
		digits = digits[1:]
	}
	var n int64
	used := 0
	for used < len(digits) && digits[used] >= '0' && digits[used] <= '9' {
		if n = n*10 + int64(digits[used]-'0'); n > expiryMillisMax {
			n = expiryMillisMax + 1
		}
		used++
	}
	switch {
	case used == 0:
		return 0, bad("no_integer")
	case used < len(digits):
		return 0, bad("{leftover_string,\"" + string(digits[used:]) + "\"}")
	case negative && n > 0:
		return 0, bad("{value_negative," + string(text) + "}")
	case n > expiryMillisMax:
		return 0, bad("{value_too_large," + strings.TrimPrefix(string(text), "+") + "}")
	}
	return n, nil
}

// basicReturn gives an unroutable message back.
func (ch *channel) basicReturn(m *codec.BasicPublish, sized, body []byte) {
	c := ch.conn
	o := &c.out
	o.Lock()
	frames := codec.AppendMethod(o.beginFramesLocked(), ch.number, &codec.BasicReturn{ReplyCode: codeNoRoute,
		ReplyText: codeNames[codeNoRoute], Exchange: m.Exchange, RoutingKey: m.RoutingKey})
	frames = codec.AppendHeader(frames, ch.number, sized)
	frames = codec.AppendBody(frames, ch.number, body, int(c.frameMax.Load()))
	o.endFramesLocked(frames)
	ch.ackItem = 0 // its ack may not move to one that goes out before
	c.wakeWriterLocked()
	o.Unlock()
	c.waitForRoom()
}
