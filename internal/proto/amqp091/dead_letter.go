package amqp091

import (
	"slices"

	"weir/internal/broker"
	"weir/internal/proto/amqp091/codec"
	"weir/internal/proto/amqp091/native"
)

const reasonRejected = "rejected"

// The headers a death writes.
const (
	headerDeath      = "x-death"
	headerFirstDeath = "x-first-death-"
	headerLastDeath  = "x-last-death-"
)

var deathHeaders = []string{
	headerDeath,
	headerFirstDeath + "exchange", headerFirstDeath + "queue", headerFirstDeath + "reason",
	headerLastDeath + "exchange", headerLastDeath + "queue", headerLastDeath + "reason",
}

// reasons are RabbitMQ's words.
var reasons = map[broker.DeadReason]string{
	broker.DeadRejected: reasonRejected, broker.DeadExpired: "expired",
	broker.DeadMaxLength: "maxlen", broker.DeadDeliveryLimit: "delivery_limit",
}

// DeadLetter is a broker.DeadLetterFunc. It returns the message as RabbitMQ 4 would hand it to the dead-letter
// exchange: the death is counted in x-death, newest first and one entry per
// queue and reason; the expiration moves there too, or the message would expire
// again at once. Headers of these names that a client wrote are overwritten and
// count for nothing. Keys of the BCC header count, and are not told.
func DeadLetter(stored []byte, d broker.DeadLetterContext) (broker.DeadLettered, error) {
	var out broker.DeadLettered
	m, err := native.Open(stored)
	if err != nil {
		return out, err
	}
	var p codec.Properties
	if err := m.Properties(&p); err != nil {
		return out, err
	}
	keys := m.Keys(&p)
	p.Headers = recordDeath(&m, &p, keys, &d)
	p.Flags = p.Flags&^codec.FlagExpiration | codec.FlagHeaders
	marks := m.Marks | native.MarkDeath
	blind, blindKeys := m.Blind()
	whole := p
	if d.Key != nil {
		keys, marks = []string{*d.Key}, (marks|native.MarkKeys)&^native.MarkBlind
	} else if len(blindKeys) > 0 {
		keys = append(keys, blindKeys...)
		whole.Headers = codec.AppendRaw(slices.Clone(p.Headers), "BCC", blind)
	}
	out.Keys = keys
	out.Native = native.Parts(d.Exchange, keys[0], marks, &whole, m.Body)
	out.Message = &native.Headers{Properties: p}
	deaths := p.Headers
	out.Cycled = func(queue string) bool { return cycled(deaths, queue) }
	return out, nil
}

// recordDeath returns the header table with the death in it.
func recordDeath(m *native.Message, p *codec.Properties, keys []string, d *broker.DeadLetterContext) codec.Table {
	dead := m.Marks&native.MarkDeath != 0
	h := map[string][]byte{} // encoded fields by name: the first of a name counts
	for rest := p.Headers; ; {
		name, _, next, ok := rest.Next()
		if !ok {
			break
		}
		if n := string(name); h[n] == nil && (dead || !slices.Contains(deathHeaders, n)) {
			h[n] = rest[:len(rest)-len(next)]
		}
		rest = next
	}
	var deaths codec.Array
	if dead {
		v, _ := p.Headers.Lookup(headerDeath)
		deaths, _ = v.Array()
	}
	exchange := string(m.Exchange)
	h[headerDeath] = appendArrayField(nil, headerDeath, countDeath(deaths, m, p, keys, d))
	for name, value := range map[string]string{"exchange": exchange, "queue": d.Queue, "reason": reasons[d.Why]} {
		if h[headerFirstDeath+name] == nil {
			h[headerFirstDeath+name] = codec.AppendField(nil, headerFirstDeath+name, value)
		}
		h[headerLastDeath+name] = codec.AppendField(nil, headerLastDeath+name, value)
	}
	names := make([]string, 0, len(h))
	for name := range h {
		names = append(names, name)
	}
	slices.Sort(names)
	var t codec.Table
	for _, name := range names {
		t = append(t, h[name]...)
	}
	return t
}

func appendArrayField(dst []byte, name string, a codec.Array) []byte {
	return codec.AppendRaw(dst, name, codec.Value{Kind: 'A', Bytes: a})
}

// countDeath returns the x-death array with the death in front.
func countDeath(deaths codec.Array, m *native.Message, p *codec.Properties, keys []string, d *broker.DeadLetterContext) codec.Array {
	var front, others []byte
	for rest := deaths; ; {
		v, next, ok := rest.Next()
		if !ok {
			break
		}
		entry, _ := v.Table()
		if front == nil && textOf(entry, "queue") == d.Queue && textOf(entry, "reason") == reasons[d.Why] {
			n, _ := entry.Lookup("count")
			count, _ := n.Int()
			front = recount(entry, count+1)
		} else {
			others = append(others, rest[:len(rest)-len(next)]...)
		}
		rest = next
	}
	if front == nil {
		front = newDeath(m, p, keys, d)
	}
	return append(codec.AppendValue(nil, codec.Table(front)), others...)
}

// recount copies an entry with another count.
func recount(entry codec.Table, count int64) []byte {
	var out []byte
	for rest := entry; ; {
		name, _, next, ok := rest.Next()
		if !ok {
			return out
		}
		if string(name) == "count" {
			out = codec.AppendField(out, "count", count)
		} else {
			out = append(out, rest[:len(rest)-len(next)]...)
		}
		rest = next
	}
}

// newDeath is a first entry, its fields in RabbitMQ's order.
func newDeath(m *native.Message, p *codec.Properties, keys []string, d *broker.DeadLetterContext) []byte {
	var out []byte
	if p.Has(codec.FlagExpiration) {
		out = codec.AppendField(out, "original-expiration", string(p.Expiration))
	}
	out = codec.AppendField(out, "count", int64(1))
	out = codec.AppendField(out, "reason", reasons[d.Why])
	out = codec.AppendField(out, "queue", d.Queue)
	out = codec.AppendField(out, "time", codec.Timestamp(d.UnixMillis/1000))
	out = codec.AppendField(out, "exchange", string(m.Exchange))
	list := make([]any, len(keys))
	for i, k := range keys {
		list[i] = k
	}
	return codec.AppendField(out, "routing-keys", list)
}

func textOf(t codec.Table, name string) string {
	v, _ := t.Lookup(name)
	return string(v.Bytes)
}

// cycled says whether a dead-lettered message that is about to enter queue has
// been there before and went round with nobody rejecting it on the way. It would
// go round for ever.
func cycled(t codec.Table, queue string) bool {
	v, _ := t.Lookup(headerDeath)
	deaths, _ := v.Array()
	for {
		v, rest, ok := deaths.Next()
		if !ok {
			return false
		}
		entry, _ := v.Table()
		if textOf(entry, "reason") == reasonRejected {
			return false
		}
		if textOf(entry, "queue") == queue {
			return true
		}
		deaths = rest
	}
}
