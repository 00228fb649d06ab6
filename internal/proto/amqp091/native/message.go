package native

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
	// MarkDeath: the x-death headers were written by the broker. Without it
	// they came from a client and count for nothing.
	MarkDeath = 1 << 0
	// MarkKeys: the routing key replaces those of the CC header.
	MarkKeys = 1 << 1
	// MarkBlind: the BCC header is the publisher's and nobody else's to see.
	MarkBlind = 1 << 2

	marksKnown = MarkDeath | MarkKeys | MarkBlind
	// SizedBytesMin is the least the sized part has.
	SizedBytesMin = 10
	bodySizeMask  = 1<<56 - 1
)

// errStored reports native bytes this dialect did not write.
var errStored = errors.New("amqp091: malformed stored message")

// Message is a stored message taken apart; its parts alias the native bytes.
type Message struct {
	Exchange []byte
	Key      []byte
	Address  []byte
	Sized    []byte
	Body     []byte
	Marks    byte
}

// Open takes native bytes apart.
func Open(b []byte) (m Message, err error) {
	n := 0
	for range 2 {
		if n >= len(b) || n+1+int(b[n]) > len(b) {
			return m, errStored
		}
		n += 1 + int(b[n])
	}
	m.Address = b[:n]
	m.Exchange = b[1 : 1+int(b[0])]
	m.Key = b[2+len(m.Exchange) : n]
	rest := b[n:]
	if len(rest) < SizedBytesMin {
		return m, errStored
	}
	m.Marks = rest[0]
	size := binary.BigEndian.Uint64(rest) & bodySizeMask
	if m.Marks&^marksKnown != 0 || size > uint64(len(rest)-SizedBytesMin) {
		return m, errStored
	}
	m.Sized, m.Body = rest[:len(rest)-int(size)], rest[len(rest)-int(size):]
	return m, nil
}

// Mine says whether a record is of this dialect.
func Mine(rec []byte) bool { return len(rec) > 4 && record.Dialect(rec[4]) == record.DialectAMQP091 }

// OpenRecord takes a record of this dialect apart.
func OpenRecord(rec []byte) (Message, error) {
	var e record.Envelope
	native, err := record.Decode(rec, &e)
	if err != nil {
		return Message{}, err
	}
	if e.Dialect != record.DialectAMQP091 {
		return Message{}, errStored
	}
	return Open(native)
}

// Properties decodes the message's properties, as consumers see them.
func (m *Message) Properties(p *codec.Properties) error {
	err := codec.DecodeProperties(m.Sized[8:], p)
	if m.Marks&MarkBlind != 0 {
		p.Headers = Without(p.Headers, blindHeader)
	}
	return err
}

const blindHeader = "BCC"

// Blind returns the BCC header, if the message has one nobody may see, and the
// routing keys in it.
func (m *Message) Blind() (header codec.Value, keys []string) {
	var p codec.Properties
	if m.Marks&MarkBlind == 0 || codec.DecodeProperties(m.Sized[8:], &p) != nil {
		return header, nil
	}
	header, _ = p.Headers.Lookup(blindHeader)
	array, _ := header.Array()
	return header, AppendTexts(nil, array)
}

// Shown returns the sized part of a message as clients see it: without marks and
// what they hide. It is sized itself where that is all.
func Shown(sized []byte) []byte {
	if sized[0]&MarkBlind == 0 {
		return sized
	}
	var p codec.Properties
	if codec.DecodeProperties(sized[8:], &p) != nil {
		return sized
	}
	p.Headers = Without(p.Headers, blindHeader)
	return p.Append(append([]byte{0}, sized[1:8]...))
}

// Keys returns the routing keys of a message with properties p: its own and those
// of the CC header.
func (m *Message) Keys(p *codec.Properties) []string {
	keys := []string{string(m.Key)}
	if v, ok := p.Headers.Lookup("CC"); ok && m.Marks&MarkKeys == 0 {
		if array, ok := v.Array(); ok {
			keys = AppendTexts(keys, array)
		}
	}
	return keys
}

// Parts encodes a message, ready for broker.Outgoing. The exchange and key are of
// at most 255 bytes; body is not copied.
func Parts(exchange, key string, marks byte, p *codec.Properties, body []byte) [3][]byte {
	address := codec.AppendShort(codec.AppendShort(nil, exchange), key)
	return [3][]byte{address, AppendSized(nil, len(body), marks, p), body}
}

// AppendSized writes the part of a message that has its size, marks and
// properties.
func AppendSized(dst []byte, bodyBytes int, marks byte, p *codec.Properties) []byte {
	dst = binary.BigEndian.AppendUint64(dst, uint64(bodyBytes)|uint64(marks)<<56)
	return p.Append(dst)
}

// Without returns the table less the fields of these names.
func Without(t codec.Table, names ...string) codec.Table {
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
