package batch

import (
	"encoding/binary"
	"encoding/json"
	"slices"
	"strconv"

	"weir/internal/record"
)

// Headers that say what a record has no field for. docs/interop.md lists them.
const (
	headerAddress      = "x-exchange"
	headerRoutingKey   = "x-routing-key"
	headerPriority     = "priority"
	headerDeliveryMode = "delivery-mode"
	headerUserID       = "user-id"
)

// durable is the delivery mode that everything stored has.
const durable = 2

// texts are the properties of a message that are headers here, by name. What it
// says of its user is only passed on: nobody has checked it on the way back.
var texts = []struct {
	name string
	of   func(c *record.Common) *record.Text
}{
	{"content-type", func(c *record.Common) *record.Text { return &c.ContentType }},
	{"content-encoding", func(c *record.Common) *record.Text { return &c.ContentEncoding }},
	{"correlation-id", func(c *record.Common) *record.Text { return &c.CorrelationID }},
	{"reply-to", func(c *record.Common) *record.Text { return &c.ReplyTo }},
	{"message-id", func(c *record.Common) *record.Text { return &c.MessageID }},
	{"type", func(c *record.Common) *record.Text { return &c.Type }},
	{"app-id", func(c *record.Common) *record.Text { return &c.AppID }},
	{"expiration", func(c *record.Common) *record.Text { return &c.Expiration }},
	{"cluster-id", func(c *record.Common) *record.Text { return &c.Cluster }},
}

// Converter is Kafka's record.Converter.
type Converter struct{}

var _ record.Converter = Converter{}

// Unpack implements record.Converter.
func (Converter) Unpack(_ *record.Envelope, native []byte, budgetBytes int64, yield func(uint32, *record.Common) bool) error {
	var c record.Common
	return Opener{}.Open(native, budgetBytes, func(m *record.Message) bool {
		if m.Control {
			return true
		}
		c = record.Common{Key: m.Key, Body: m.Value, NoBody: m.Value == nil, Timestamp: max(m.Timestamp, 0), Headers: c.Headers[:0]}
		unpackHeaders(&c, m.Headers)
		return yield(m.Delta, &c)
	})
}

func unpackHeaders(c *record.Common, headers []record.Header) {
	for i := range headers {
		h := &headers[i]
		name := string(h.Name)
		if h.Value != nil && i < propertiesWithin && property(c, name, h.Value) {
			continue
		}
		var v any
		if h.Value != nil {
			v = h.Value
		}
		c.Headers = append(c.Headers, record.Field{Name: name, Value: v})
	}
}

// propertiesWithin is how many headers are looked at for properties.
const propertiesWithin = 1024

// property makes the header the property of its name, if it is the first of it.
func property(c *record.Common, name string, value []byte) bool {
	if slices.ContainsFunc(c.Headers, func(f record.Field) bool { return f.Name == name }) {
		return false
	}
	for i := range texts {
		if texts[i].name != name {
			continue
		}
		t := texts[i].of(c)
		if t.Set || len(value) > shortBytesMax {
			return false
		}
		*t = record.Text{Set: true, Value: value}
		return true
	}
	switch name {
	case headerPriority:
		return small(&c.Priority, value)
	case headerDeliveryMode:
		return small(&c.DeliveryMode, value)
	case headerAddress:
		if c.Address.Name != nil || len(value) > shortBytesMax {
			return false
		}
		c.Address.Set, c.Address.Name = true, value
		return true
	case headerRoutingKey:
		if c.Address.RoutingKey != nil || len(value) > shortBytesMax {
			return false
		}
		c.Address.Set, c.Address.RoutingKey = true, value
		return true
	}
	return false
}

// shortBytesMax is the longest text of a property, and of an address.
const shortBytesMax = 255

func small(to *record.Small, value []byte) bool {
	n, err := strconv.ParseUint(string(value), 10, 8)
	if err != nil || to.Set || strconv.FormatUint(n, 10) != string(value) {
		return false
	}
	*to = record.Small{Set: true, Value: uint8(n)}
	return true
}

// Pack implements record.Converter: a batch of one record at offset 0.
func (Converter) Pack(c *record.Common, e *record.Envelope) []byte {
	at := c.Timestamp
	if at <= 0 {
		at = e.Timestamp
	}
	e.Timestamp = max(at, 1)
	var headers []byte
	n := int64(0)
	add := func(name string, value []byte) {
		headers = appendField(appendField(headers, []byte(name)), value)
		n++
	}
	packProperties(c, add)
	for i := range c.Headers {
		add(c.Headers[i].Name, headerText(c.Headers[i].Value))
	}
	body := c.Body
	switch {
	case c.NoBody:
		body = nil
	case body == nil:
		body = []byte{}
	}
	rec := binary.AppendVarint([]byte{0}, 0)                                 // attributes, timestamp delta
	rec = appendField(appendField(binary.AppendVarint(rec, 0), c.Key), body) // offset delta
	rec = append(binary.AppendVarint(rec, n), headers...)
	b := make(Batch, headBytes, headBytes+len(rec)+binary.MaxVarintLen64)
	b[magicAt] = magic
	binary.BigEndian.PutUint64(b[firstTimeAt:], uint64(at))
	binary.BigEndian.PutUint64(b[maxTimeAt:], uint64(at))
	for i := maxTimeAt + 8; i < recordCountAt; i++ {
		b[i] = 0xff // no producer, epoch or sequence
	}
	binary.BigEndian.PutUint32(b[recordCountAt:], 1)
	b = append(binary.AppendVarint(b, int64(len(rec))), rec...)
	b.Seal()
	return b
}

func packProperties(c *record.Common, add func(name string, value []byte)) {
	for i := range texts {
		if t := texts[i].of(c); t.Set {
			add(texts[i].name, notNull(t.Value))
		}
	}
	if c.UserID.Set {
		add(headerUserID, notNull(c.UserID.Value))
	}
	if c.Priority.Set {
		add(headerPriority, strconv.AppendUint(nil, uint64(c.Priority.Value), 10))
	}
	if c.DeliveryMode.Set && c.DeliveryMode.Value != durable {
		add(headerDeliveryMode, strconv.AppendUint(nil, uint64(c.DeliveryMode.Value), 10))
	}
	if c.Address.Set {
		add(headerAddress, notNull(c.Address.Name))
		add(headerRoutingKey, notNull(c.Address.RoutingKey))
	}
}

func notNull(b []byte) []byte {
	if b == nil {
		return []byte{}
	}
	return b
}

// appendField adds a length and the bytes; nil is null.
func appendField(dst, b []byte) []byte {
	if b == nil {
		return binary.AppendVarint(dst, -1)
	}
	return append(binary.AppendVarint(dst, int64(len(b))), b...)
}

// headerText is a header's value as bytes: numbers and truths as their text, lists
// and tables as JSON.
func headerText(v any) []byte {
	switch v := v.(type) {
	case nil:
		return nil
	case []byte:
		return v
	case bool:
		return strconv.AppendBool(nil, v)
	case int64:
		return strconv.AppendInt(nil, v, 10)
	case float64:
		return strconv.AppendFloat(nil, v, 'g', -1, 64)
	}
	b, err := json.Marshal(texted(v))
	if err != nil {
		return []byte{} // a number that JSON has no word for
	}
	return b
}

// texted makes texts of bytes at any depth.
func texted(v any) any {
	switch v := v.(type) {
	case []byte:
		return string(v)
	case []any:
		list := make([]any, len(v))
		for i := range v {
			list[i] = texted(v[i])
		}
		return list
	case map[string]any:
		m := make(map[string]any, len(v))
		for k, inner := range v {
			m[k] = texted(inner)
		}
		return m
	}
	return v
}
