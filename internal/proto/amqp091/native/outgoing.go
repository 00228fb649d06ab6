package native

import (
	"crypto/sha256"
	"slices"
	"strings"

	"weir/internal/broker"
	"weir/internal/proto/amqp091/codec"
	"weir/internal/record"
)

// ReplyQueue as reply-to asks for the reply address of the publisher.
const ReplyQueue = "amq.rabbitmq.reply-to"

// Describe reads what the engine has to know of a message who publishes. It reports
// whether it changed p and how the stored message is to be marked. The address replyTo, "" for none, is where
// direct replies to the publisher go.
func Describe(o *broker.Outgoing, p *codec.Properties, who *broker.Principal, replyTo string) (changed bool, marks byte, e *Error) {
	if p.Has(codec.FlagUserID) && string(p.UserID) != who.User && !slices.Contains(who.Tags, "impersonator") {
		return false, 0, refuse("user_id property set to '%s' but authenticated user was '%s'",
			p.UserID, who.User)
	}
	if p.Has(codec.FlagExpiration) {
		if o.TTL, e = expiration(p.Expiration); e != nil {
			return false, 0, e
		}
	}
	if p.Has(codec.FlagMessageID) {
		o.Dedup = dedupID(p.MessageID)
	}
	if p.Has(codec.FlagReplyTo) && string(p.ReplyTo) == ReplyQueue {
		if replyTo == "" {
			return false, 0, refuse("fast reply consumer does not exist")
		}
		p.ReplyTo, changed = []byte(replyTo), true
	}
	if len(p.Headers) > 0 {
		marks, e = routingHeaders(o, p)
	}
	return changed, marks, e
}

// routingHeaders reads the headers that say where and when the message goes.
// BCC is one that the consumer does not get to see.
func routingHeaders(o *broker.Outgoing, p *codec.Properties) (marks byte, e *Error) {
	for rest := p.Headers; ; {
		name, v, next, ok := rest.Next()
		if !ok {
			break
		}
		rest = next
		switch string(name) {
		case "CC", blindHeader:
			keys, ok := v.Array()
			if !ok {
				return 0, refuse("invalid message: {unacceptable_type_in_header,\"%s\",%s}", name, v.TypeName())
			}
			o.ExtraKeys = AppendTexts(o.ExtraKeys, keys)
			if string(name) == blindHeader {
				marks |= MarkBlind
			}
		case "x-delay":
			if n, ok := v.Int(); ok && n > 0 {
				o.Delay = min(n, expiryMillisMax)
			}
		case OrderHeader:
			if key, ok := v.Text(); ok {
				o.Order = nonNil(key)
			}
		case noStore:
			o.Forget, _ = v.Bool()
		case "x-deduplication-header":
			if id, ok := v.Text(); ok {
				o.Dedup = dedupID(id)
			}
		}
	}
	return marks, nil
}

// AppendTexts appends the strings of an array.
func AppendTexts(dst []string, a codec.Array) []string {
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
func expiration(text []byte) (int64, *Error) {
	bad := func(why string) *Error {
		return refuse("invalid expiration '%s': %s", text, why)
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
