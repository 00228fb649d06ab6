package amqp091

import (
	"slices"
	"strings"

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

// headerFields are encoded fields of a table, each name once: the first counts.
type headerFields []headerField

type headerField struct {
	name string
	raw  []byte // with its name
}

func (h headerFields) has(name string) bool {
	return slices.ContainsFunc(h, func(f headerField) bool { return f.name == name })
}

// put replaces the field of the name, or adds it.
func (h headerFields) put(name string, raw []byte) headerFields {
	for i := range h {
		if h[i].name == name {
			h[i].raw = raw
			return h
		}
	}
	return append(h, headerField{name, raw})
}

// recordDeath returns the header table with the death in it, its fields by name.
func recordDeath(m *native.Message, p *codec.Properties, keys []string, d *broker.DeadLetterContext) codec.Table {
	dead := m.Marks&native.MarkDeath != 0
	h := make(headerFields, 0, 16)
	for rest := p.Headers; ; {
		name, _, next, ok := rest.Next()
		if !ok {
			break
		}
		if n := string(name); !h.has(n) && (dead || !slices.Contains(deathHeaders, n)) {
			h = append(h, headerField{n, rest[:len(rest)-len(next)]})
		}
		rest = next
	}
	var deaths codec.Array
	if dead {
		v, _ := p.Headers.Lookup(headerDeath)
		deaths, _ = v.Array()
	}
	h = h.put(headerDeath, codec.AppendRaw(nil, headerDeath, codec.Value{Kind: 'A', Bytes: countDeath(deaths, m, p, keys, d)}))
	values := [...][]byte{m.Exchange, []byte(d.Queue), []byte(reasons[d.Why])} // in the order of deathHeaders
	room := make([]byte, 0, 256)
	for i, name := range deathHeaders[1:] {
		if i < len(values) && h.has(name) {
			continue // the first death stays
		}
		start := len(room)
		room = codec.AppendRaw(room, name, codec.Value{Kind: 'S', Bytes: values[i%len(values)]})
		h = h.put(name, room[start:len(room):len(room)])
	}
	slices.SortFunc(h, func(a, b headerField) int { return strings.Compare(a.name, b.name) })
	size := 0
	for i := range h {
		size += len(h[i].raw)
	}
	t := make(codec.Table, 0, size)
	for i := range h {
		t = append(t, h[i].raw...)
	}
	return t
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
	return append(codec.AppendValue(make([]byte, 0, len(front)+len(others)+8), codec.Table(front)), others...)
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
	out := make([]byte, 0, 256)
	text := func(name string, b []byte) { out = codec.AppendRaw(out, name, codec.Value{Kind: 'S', Bytes: b}) }
	if p.Has(codec.FlagExpiration) {
		text("original-expiration", p.Expiration)
	}
	out = codec.AppendField(out, "count", int64(1))
	text("reason", []byte(reasons[d.Why]))
	text("queue", []byte(d.Queue))
	out = codec.AppendField(out, "time", codec.Timestamp(d.UnixMillis/1000))
	text("exchange", m.Exchange)
	var list codec.Array
	for _, k := range keys {
		list = codec.AppendValue(list, k)
	}
	return codec.AppendRaw(out, "routing-keys", codec.Value{Kind: 'A', Bytes: list})
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
