package native

import (
	"weir/internal/proto/amqp091/codec"
)

// Origin is where a dead letter was before it died the first time, and why it is
// where it is now.
type Origin struct {
	Exchange string
	Keys     []string // it was published with, at least one
	Queue    string
	Reason   string // of its last death
}

// ReadOrigin reads the deaths the broker wrote down. Headers a client wrote count
// for nothing: it could send messages wherever it likes by them.
func ReadOrigin(m *Message, p *codec.Properties) (Origin, bool) {
	var o Origin
	if m.Marks&MarkDeath == 0 {
		return o, false
	}
	text := func(name string) string {
		v, _ := p.Headers.Lookup(name)
		return string(v.Bytes)
	}
	o.Queue, o.Exchange = text("x-first-death-queue"), text("x-first-death-exchange")
	o.Reason = text("x-last-death-reason")
	first := text("x-first-death-reason")
	v, _ := p.Headers.Lookup("x-death")
	deaths, _ := v.Array()
	for {
		v, rest, ok := deaths.Next()
		if !ok {
			return o, len(o.Keys) > 0
		}
		entry, _ := v.Table()
		queue, _ := entry.Lookup("queue")
		reason, _ := entry.Lookup("reason")
		if string(queue.Bytes) == o.Queue && string(reason.Bytes) == first {
			keys, _ := entry.Lookup("routing-keys")
			list, _ := keys.Array()
			o.Keys = AppendTexts(nil, list)
		}
		deaths = rest
	}
}

// Readdress encodes a stored message anew, with another exchange and key and all
// else as it is. The routing keys of a CC header are in force again.
func Readdress(m *Message, p *codec.Properties, exchange, key string) [3][]byte {
	return Parts(exchange, key, m.Marks&^MarkKeys, p, m.Body)
}
