package native

import (
	"bytes"
	"math"

	"weir/internal/proto/amqp091/codec"
	"weir/internal/record"
)

// Headers that say what has no property here. docs/interop.md lists them.
const (
	// OrderHeader is the key that keeps messages in order in a topic.
	OrderHeader = "x-record-key"
	// NullHeader says that there is no body at all, which is not an empty one.
	nullHeader = "x-record-null"
	// MillisHeader is the timestamp to the millisecond.
	millisHeader = "timestamp_in_ms"
	// CutHeader says that not all headers had room.
	cutHeader = "x-headers-cut"
)

// convertedHeaderBytes is how large the headers of a message get that comes from
// another dialect: they go out in one frame.
const convertedHeaderBytes = 96 << 10

const shortMax = 255

// Converter is AMQP's record.Converter.
type Converter struct{}

var _ record.Converter = Converter{}

// Unpack implements record.Converter.
func (Converter) Unpack(_ *record.Envelope, native []byte, _ int64, yield func(uint32, *record.Common) bool) error {
	if len(native) == 0 {
		return nil // it was taken out
	}
	m, err := Open(native)
	if err != nil {
		return record.ErrMalformed
	}
	var p codec.Properties
	if m.Properties(&p) != nil {
		return record.ErrMalformed
	}
	c := record.Common{
		Body: m.Body, Address: record.Address{Set: true, Name: m.Exchange, RoutingKey: m.Key},
		ContentType: textOf(&p, codec.FlagContentType, p.ContentType), ContentEncoding: textOf(&p, codec.FlagContentEncoding, p.ContentEncoding),
		CorrelationID: textOf(&p, codec.FlagCorrelationID, p.CorrelationID), ReplyTo: textOf(&p, codec.FlagReplyTo, p.ReplyTo),
		MessageID: textOf(&p, codec.FlagMessageID, p.MessageID), Type: textOf(&p, codec.FlagType, p.Type),
		UserID: textOf(&p, codec.FlagUserID, p.UserID), AppID: textOf(&p, codec.FlagAppID, p.AppID),
		Expiration: textOf(&p, codec.FlagExpiration, p.Expiration), Cluster: textOf(&p, codec.FlagClusterID, p.ClusterID),
		Priority:     record.Small{Set: p.Has(codec.FlagPriority), Value: p.Priority},
		DeliveryMode: record.Small{Set: p.Has(codec.FlagDeliveryMode), Value: p.DeliveryMode},
	}
	if p.Has(codec.FlagTimestamp) && p.Timestamp <= math.MaxInt64/1000 {
		c.Timestamp = int64(p.Timestamp) * 1000
	}
	if len(m.Exchange) > 0 && len(m.Key) > 0 {
		c.Key = m.Key
	}
	unpackHeaders(&c, p.Headers)
	yield(0, &c)
	return nil
}

func textOf(p *codec.Properties, flag uint16, b []byte) record.Text {
	return record.Text{Set: p.Has(flag), Value: b}
}

func unpackHeaders(c *record.Common, t codec.Table) {
	for rest := t; ; {
		name, v, next, ok := rest.Next()
		if !ok {
			return
		}
		rest = next
		switch string(name) {
		case OrderHeader:
			if key, ok := v.Text(); ok {
				c.Key = nonNil(key)
				continue
			}
		case nullHeader:
			if null, _ := v.Bool(); null && len(c.Body) == 0 {
				c.NoBody = true
				continue
			}
		case millisHeader:
			if millis, ok := v.Int(); ok && millis/1000 == c.Timestamp/1000 {
				c.Timestamp = millis
				continue
			}
		}
		one := fieldOf(v)
		if list, ok := one.([]any); ok && texts(list) { // a header that stands several times
			for _, v := range list {
				c.Headers = append(c.Headers, record.Field{Name: string(name), Value: v})
			}
			continue
		}
		c.Headers = append(c.Headers, record.Field{Name: string(name), Value: one})
	}
}

// texts says whether a list has texts and nothings only, and some.
func texts(list []any) bool {
	for _, v := range list {
		if _, text := v.([]byte); !text && v != nil {
			return false
		}
	}
	return len(list) > 0
}

// joined makes one list of the values of a name that stands several times.
func joined(headers []record.Field) []record.Field {
	at := make(map[string]int, len(headers))
	var out []record.Field
	for i := range headers {
		h := headers[i]
		k, again := at[h.Name]
		if !again {
			at[h.Name] = len(out)
			out = append(out, h)
			continue
		}
		if list, ok := out[k].Value.(several); ok {
			out[k].Value = append(list, h.Value)
		} else {
			out[k].Value = several{out[k].Value, h.Value}
		}
	}
	return out
}

// several are the values of one name.
type several []any

func nonNil(b []byte) []byte {
	if b == nil {
		return []byte{}
	}
	return b
}

// fieldOf is a field value as record.Field has it.
func fieldOf(v codec.Value) any {
	switch v.Kind {
	case 'S', 'x':
		return nonNil(v.Bytes)
	case 'A':
		array, _ := v.Array()
		list := []any{}
		for {
			one, rest, ok := array.Next()
			if !ok {
				return list
			}
			list, array = append(list, fieldOf(one)), rest
		}
	case 'F':
		t, _ := v.Table()
		return t.Map()
	}
	one := codec.AppendRaw(nil, "", v)
	return codec.Table(one).Map()[""]
}

// Pack implements record.Converter.
func (Converter) Pack(c *record.Common, e *record.Envelope) []byte {
	p := codec.Properties{Flags: codec.FlagDeliveryMode, DeliveryMode: 2}
	w := tableWriter{left: convertedHeaderBytes}
	set := func(flag uint16, to *[]byte, t record.Text, name string) {
		switch {
		case !t.Set:
		case len(t.Value) <= shortMax:
			p.Flags |= flag
			*to = t.Value
		default:
			w.add(name, t.Value)
		}
	}
	set(codec.FlagContentType, &p.ContentType, c.ContentType, "content-type")
	set(codec.FlagContentEncoding, &p.ContentEncoding, c.ContentEncoding, "content-encoding")
	set(codec.FlagCorrelationID, &p.CorrelationID, c.CorrelationID, "correlation-id")
	set(codec.FlagReplyTo, &p.ReplyTo, c.ReplyTo, "reply-to")
	set(codec.FlagMessageID, &p.MessageID, c.MessageID, "message-id")
	set(codec.FlagType, &p.Type, c.Type, "type")
	set(codec.FlagAppID, &p.AppID, c.AppID, "app-id")
	set(codec.FlagExpiration, &p.Expiration, c.Expiration, "expiration")
	set(codec.FlagClusterID, &p.ClusterID, c.Cluster, "cluster-id")
	if c.DeliveryMode.Set {
		p.DeliveryMode = c.DeliveryMode.Value
	}
	if c.Priority.Set {
		p.Flags |= codec.FlagPriority
		p.Priority, e.Priority = c.Priority.Value, c.Priority.Value
	}
	address := c.Address
	if !address.Set && len(c.Key) <= shortMax {
		address.RoutingKey = c.Key
	}
	if c.Key != nil && (len(address.Name) == 0 || !bytes.Equal(c.Key, address.RoutingKey)) {
		w.add(OrderHeader, c.Key)
	}
	if c.NoBody {
		w.add(nullHeader, true)
	}
	if c.Timestamp > 0 {
		p.Flags |= codec.FlagTimestamp
		p.Timestamp = uint64(c.Timestamp / 1000)
		if c.Timestamp%1000 != 0 || !c.Address.Set {
			w.add(millisHeader, c.Timestamp)
		}
	}
	for _, h := range joined(c.Headers) {
		w.add(h.Name, h.Value)
	}
	if w.cut {
		w.t = codec.AppendField(w.t, cutHeader, true)
	}
	if len(w.t) > 0 {
		p.Flags |= codec.FlagHeaders
		p.Headers = w.t
	}
	parts := Parts(string(address.Name), string(address.RoutingKey), 0, &p, c.Body)
	return append(append(parts[0], parts[1]...), parts[2]...)
}

// tableWriter writes headers while they have room.
type tableWriter struct {
	t     codec.Table
	left  int
	count int
	cut   bool
}

func (w *tableWriter) add(name string, v any) {
	if len(name) > shortMax || w.count >= codec.TableElementsMax/2 {
		w.cut = true
		return
	}
	before := len(w.t)
	grown := codec.AppendField(w.t, name, fieldValue(v))
	if size := len(grown) - before; size > w.left {
		w.cut = true
		return
	}
	w.count += 1 + elements(v)
	w.left -= len(grown) - before
	w.t = grown
}

// elements is how many values are inside of a list.
func elements(v any) int {
	switch list := v.(type) {
	case []any:
		return len(list)
	case several:
		return len(list)
	}
	return 0
}

// fieldValue makes texts of bytes: most clients show them as such.
func fieldValue(v any) any {
	switch v := v.(type) {
	case []byte:
		return string(v)
	case several:
		return fieldValue([]any(v))
	case []any:
		list := make([]any, len(v))
		for i := range v {
			list[i] = fieldValue(v[i])
		}
		return list
	case map[string]any:
		m := make(map[string]any, len(v))
		for k, inner := range v {
			m[k] = fieldValue(inner)
		}
		return m
	}
	return v
}

// Unreadable is a record with a message in the place of one that cannot be
// converted: without a body, and a header says why.
func Unreadable(why error) []byte {
	p := codec.Properties{Flags: codec.FlagHeaders}
	p.Headers = codec.AppendField(nil, "x-unreadable", why.Error())
	parts := Parts("", "", 0, &p, nil)
	e := record.Envelope{Dialect: record.DialectAMQP091}
	return record.Append(nil, &e, parts[0], parts[1])
}
