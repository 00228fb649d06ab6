package amqp091

import (
	"encoding/binary"
	"errors"

	"weir/internal/proto/amqp091/codec"
	"weir/internal/record"
)

// The native bytes of a stored message, big endian as on the wire. They are the
// publisher's own: address is cut out of basic.publish, sized out of the header
// frame.
//
//	size field
//	1+n  exchange, shortstr                        ┐ address
//	1+n  routing key, shortstr                     ┘
//	1    marks (below)                             ┐
//	7    b: body bytes                             │ sized
//	2    property flags                            │
//	…    properties                                ┘
//	b    body
//
// The marks stand in the top byte of what the header frame has as body size,
// which is zero there since no message is that large.
const (
	// markDeath: the x-death headers were written by the broker. Without it
	// they came from a client and count for nothing.
	markDeath = 1 << 0
	// markKeys: the routing key replaces those of the CC header.
	markKeys = 1 << 1

	marksKnown    = markDeath | markKeys
	sizedBytesMin = 10
	bodySizeMask  = 1<<56 - 1
)

// errNative reports native bytes this dialect did not write.
var errNative = errors.New("amqp091: malformed stored message")

// message is a stored message taken apart; its parts alias the native bytes.
type message struct {
	exchange []byte
	key      []byte
	address  []byte
	sized    []byte
	body     []byte
	marks    byte
}

// openNative takes native bytes apart.
func openNative(b []byte) (m message, err error) {
	n := 0
	for range 2 {
		if n >= len(b) || n+1+int(b[n]) > len(b) {
			return m, errNative
		}
		n += 1 + int(b[n])
	}
	m.address = b[:n]
	m.exchange = b[1 : 1+int(b[0])]
	m.key = b[2+len(m.exchange) : n]
	rest := b[n:]
	if len(rest) < sizedBytesMin {
		return m, errNative
	}
	m.marks = rest[0]
	size := binary.BigEndian.Uint64(rest) & bodySizeMask
	if m.marks&^marksKnown != 0 || size > uint64(len(rest)-sizedBytesMin) {
		return m, errNative
	}
	m.sized, m.body = rest[:len(rest)-int(size)], rest[len(rest)-int(size):]
	return m, nil
}

// openRecord takes a record of this dialect apart.
func openRecord(rec []byte) (message, error) {
	var e record.Envelope
	native, err := record.Decode(rec, &e)
	if err != nil {
		return message{}, err
	}
	if e.Dialect != record.DialectAMQP091 {
		return message{}, errNative
	}
	return openNative(native)
}

// properties decodes the message's properties.
func (m *message) properties(p *codec.Properties) error {
	return codec.DecodeProperties(m.sized[8:], p)
}

// rewrite returns sized anew with these properties and marks.
func rewrite(dst []byte, bodyBytes int, marks byte, p *codec.Properties) []byte {
	dst = binary.BigEndian.AppendUint64(dst, uint64(bodyBytes)|uint64(marks)<<56)
	return p.Append(dst)
}

// without returns the table less the fields of these names.
func without(t codec.Table, names ...string) codec.Table {
	out := make(codec.Table, 0, len(t))
	for rest := t; ; {
		name, _, next, ok := rest.Next()
		if !ok {
			return out
		}
		keep := true
		for _, n := range names {
			keep = keep && string(name) != n
		}
		if keep {
			out = append(out, rest[:len(rest)-len(next)]...)
		}
		rest = next
	}
}

// withDeliveryCount adds the header that says how often the message was
// delivered before. Messages delivered for the first time pay nothing.
func withDeliveryCount(sized []byte, count uint32) []byte {
	var p codec.Properties
	if codec.DecodeProperties(sized[8:], &p) != nil {
		return sized
	}
	p.Flags |= codec.FlagHeaders
	p.Headers = codec.AppendField(without(p.Headers, "x-delivery-count"), "x-delivery-count", int64(count))
	return p.Append(append([]byte(nil), sized[:8]...))
}
