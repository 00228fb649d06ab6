package admin

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"unicode/utf8"

	"weir/internal/broker"
	"weir/internal/proto/amqp091/codec"
	"weir/internal/record"
	"weir/internal/route"
)

// The native bytes of a stored AMQP 0-9-1 message, big endian:
//
//	size field
//	1+n  exchange, shortstr
//	1+n  routing key, shortstr
//	1    marks of the dialect, 0 from here
//	7    b: body bytes
//	2    property flags
//	…    properties
//	b    body
const (
	sizedBytesMin = 10
	bodySizeMask  = 1<<56 - 1
)

const (
	encodingString = "string"
	encodingBase64 = "base64"
	// delayMillisMax and expiryMillisMax are those of the AMQP door: ten years.
	delayMillisMax  = 315_360_000_000
	expiryMillisMax = delayMillisMax
	// shortBytesMax is the longest short text of the dialect.
	shortBytesMax = 255
)

// message is a message to publish, or one that was stored.
type message struct {
	exchange, key string
	properties    codec.Properties
	body          []byte
}

// outgoing fills in what the engine has to know of m.
func (m *message) outgoing(user string) (*broker.Outgoing, *failure) {
	if len(m.exchange) > shortBytesMax || len(m.key) > shortBytesMax {
		return nil, badRequest("exchange or routing_key longer than 255 bytes")
	}
	p := &m.properties
	o := &broker.Outgoing{Exchange: m.exchange, Key: []byte(m.key), Dialect: record.DialectAMQP091, Priority: p.Priority, TTL: -1, Message: m}
	if p.Has(codec.FlagUserID) && string(p.UserID) != user {
		return nil, badRequest("user_id property set to '" + string(p.UserID) + "' but authenticated user was '" + user + "'")
	}
	if p.Has(codec.FlagReplyTo) && string(p.ReplyTo) == "amq.rabbitmq.reply-to" {
		return nil, badRequest("reply_to: there is nobody to reply to here")
	}
	if p.Has(codec.FlagExpiration) {
		n, err := strconv.ParseUint(string(p.Expiration), 10, 63)
		if err != nil || n > expiryMillisMax {
			return nil, badRequest("expiration: not milliseconds in digits")
		}
		o.TTL = int64(n)
	}
	if p.Has(codec.FlagMessageID) && len(p.MessageID) > 0 {
		o.Dedup = dedupID(p.MessageID)
	}
	for rest := p.Headers; ; {
		name, v, next, ok := rest.Next()
		if !ok {
			break
		}
		rest = next
		switch string(name) {
		case "CC", "BCC":
			return nil, badRequest("header " + string(name) + " is not offered here")
		case "x-deduplication-header":
			if id, ok := v.Text(); ok && len(id) > 0 {
				o.Dedup = dedupID(id)
			}
		case "x-delay":
			if n, ok := v.Int(); ok && n > 0 {
				o.Delay = min(n, delayMillisMax)
			}
		}
	}
	address := make([]byte, 0, 2+len(m.exchange)+len(m.key))
	address = append(append(address, byte(len(m.exchange))), m.exchange...)
	address = append(append(address, byte(len(m.key))), m.key...)
	sized := p.Append(binary.BigEndian.AppendUint64(make([]byte, 0, 64), uint64(len(m.body))))
	o.Native = [3][]byte{address, sized, m.body}
	return o, nil
}

// dedupID is stored, and the same as the AMQP door's: half a SHA-256.
func dedupID(id []byte) (d record.DedupID) {
	sum := sha256.Sum256(id)
	copy(d[:], sum[:])
	return d
}

// openMessage takes a record apart. One of another dialect is all body.
func openMessage(rec []byte) message {
	var e record.Envelope
	b, err := record.Decode(rec, &e)
	if err != nil || e.Dialect != record.DialectAMQP091 {
		return message{body: b}
	}
	m := message{body: b}
	exchange, rest, ok := cutShort(b)
	key, rest, also := cutShort(rest)
	if !ok || !also || len(rest) < sizedBytesMin {
		return m
	}
	size := binary.BigEndian.Uint64(rest) & bodySizeMask
	if size > uint64(len(rest)-sizedBytesMin) {
		return m
	}
	end := len(rest) - int(size)
	if codec.DecodeProperties(rest[8:end], &m.properties) != nil {
		m.properties = codec.Properties{}
	}
	m.exchange, m.key, m.body = string(exchange), string(key), rest[end:]
	return m
}

func cutShort(b []byte) (text, rest []byte, ok bool) {
	if len(b) == 0 || len(b) < 1+int(b[0]) {
		return nil, nil, false
	}
	n := 1 + int(b[0])
	return b[1:n], b[n:], true
}

// Header implements route.Message.
func (m *message) Header(name string) (route.Value, bool) {
	v, ok := m.properties.Headers.Lookup(name)
	if !ok {
		return route.Value{}, false
	}
	if n, ok := v.Int(); ok {
		return route.Int(n), true
	}
	if f, ok := v.Float(); ok {
		return route.Float(f), true
	}
	switch v.Kind {
	case 't':
		b, _ := v.Bool()
		return route.Bool(b), true
	case 'S', 'x':
		return route.Borrow(v.Bytes), true
	case 'V':
		return route.Nil(), true
	}
	return route.Opaque(string(v.Bytes)), true
}

// Property implements route.Message.
func (m *message) Property(which route.Property) (route.Value, bool) {
	p := &m.properties
	switch which {
	case route.PropertyMessageID:
		return route.Borrow(p.MessageID), p.Has(codec.FlagMessageID)
	case route.PropertyCorrelationID:
		return route.Borrow(p.CorrelationID), p.Has(codec.FlagCorrelationID)
	case route.PropertyTimestamp:
		return route.Time(int64(p.Timestamp)), p.Has(codec.FlagTimestamp)
	case route.PropertyNone:
	}
	return route.Value{}, false
}

// Random implements route.Message.
func (m *message) Random() uint64 { return rand.Uint64() }

// properties are a message's as RabbitMQ spells them. Nil ones are not there.
type properties struct {
	ContentType     *string        `json:"content_type,omitempty"`
	ContentEncoding *string        `json:"content_encoding,omitempty"`
	Headers         map[string]any `json:"headers,omitempty"`
	DeliveryMode    *number        `json:"delivery_mode,omitempty"`
	Priority        *number        `json:"priority,omitempty"`
	CorrelationID   *string        `json:"correlation_id,omitempty"`
	ReplyTo         *string        `json:"reply_to,omitempty"`
	Expiration      *string        `json:"expiration,omitempty"`
	MessageID       *string        `json:"message_id,omitempty"`
	Timestamp       *number        `json:"timestamp,omitempty"`
	Type            *string        `json:"type,omitempty"`
	UserID          *string        `json:"user_id,omitempty"`
	AppID           *string        `json:"app_id,omitempty"`
	ClusterID       *string        `json:"cluster_id,omitempty"`
}

// UnmarshalJSON also takes the empty list some tools send for nothing.
func (p *properties) UnmarshalJSON(b []byte) error {
	if string(b) == "[]" {
		return nil
	}
	type same properties // without this method
	d := json.NewDecoder(strings.NewReader(string(b)))
	d.UseNumber()
	d.DisallowUnknownFields()
	if err := d.Decode((*same)(p)); err != nil {
		return fmt.Errorf("properties: %w", err)
	}
	return nil
}

// texts pairs the textual properties with their places in the dialect.
func (p *properties) texts(to *codec.Properties) []textProperty {
	return []textProperty{
		{codec.FlagContentType, &p.ContentType, &to.ContentType}, {codec.FlagContentEncoding, &p.ContentEncoding, &to.ContentEncoding},
		{codec.FlagCorrelationID, &p.CorrelationID, &to.CorrelationID}, {codec.FlagReplyTo, &p.ReplyTo, &to.ReplyTo},
		{codec.FlagExpiration, &p.Expiration, &to.Expiration}, {codec.FlagMessageID, &p.MessageID, &to.MessageID},
		{codec.FlagType, &p.Type, &to.Type}, {codec.FlagUserID, &p.UserID, &to.UserID},
		{codec.FlagAppID, &p.AppID, &to.AppID}, {codec.FlagClusterID, &p.ClusterID, &to.ClusterID},
	}
}

type textProperty struct {
	flag uint16
	text **string
	to   *[]byte
}

// encode writes the properties into those of the dialect.
func (p *properties) encode(to *codec.Properties) *failure {
	for _, t := range p.texts(to) {
		if *t.text == nil {
			continue
		}
		if len(**t.text) > shortBytesMax {
			return badRequest("properties: a text is longer than 255 bytes")
		}
		*t.to, to.Flags = []byte(**t.text), to.Flags|t.flag
	}
	if n := p.DeliveryMode; n != nil {
		if *n != 1 && *n != 2 {
			return badRequest("properties: delivery_mode is neither 1 nor 2")
		}
		to.DeliveryMode, to.Flags = uint8(*n), to.Flags|codec.FlagDeliveryMode
	}
	if n := p.Priority; n != nil {
		if *n < 0 || *n > 255 {
			return badRequest("properties: priority is not between 0 and 255")
		}
		to.Priority, to.Flags = uint8(*n), to.Flags|codec.FlagPriority
	}
	if n := p.Timestamp; n != nil {
		if *n < 0 {
			return badRequest("properties: negative timestamp")
		}
		to.Timestamp, to.Flags = uint64(*n), to.Flags|codec.FlagTimestamp
	}
	if p.Headers != nil {
		if !encodable(p.Headers, codec.TableDepthMax) {
			return badRequest("properties: headers are too deep, or the name of one is longer than 255 bytes")
		}
		whole(p.Headers)
		to.Headers, to.Flags = codec.AppendMap(nil, p.Headers), to.Flags|codec.FlagHeaders
		if codec.CheckTable(to.Headers) != nil {
			return badRequest("properties: too many headers")
		}
	}
	return nil
}

// decode reads the properties of a stored message.
func (p *properties) decode(from *codec.Properties) {
	for _, t := range p.texts(from) {
		if from.Has(t.flag) {
			text := strings.ToValidUTF8(string(*t.to), "�")
			*t.text = &text
		}
	}
	set := func(flag uint16, to **number, n number) {
		if from.Has(flag) {
			*to = &n
		}
	}
	set(codec.FlagDeliveryMode, &p.DeliveryMode, number(from.DeliveryMode))
	set(codec.FlagPriority, &p.Priority, number(from.Priority))
	set(codec.FlagTimestamp, &p.Timestamp, number(from.Timestamp))
	if from.Has(codec.FlagHeaders) {
		p.Headers = from.Headers.Map()
	}
}

// encodable says whether a value fits the dialect's tables. It goes down as far
// as those may be deep, no further.
func encodable(v any, depth int) bool {
	switch v := v.(type) {
	case map[string]any:
		for name, inner := range v {
			if depth == 0 || len(name) > shortBytesMax || !encodable(inner, depth-1) {
				return false
			}
		}
	case []any:
		for _, inner := range v {
			if depth == 0 || !encodable(inner, depth-1) {
				return false
			}
		}
	}
	return true
}

// whole makes integers of JSON numbers that are some, at any depth the decoder
// allowed.
func whole(v any) any {
	switch v := v.(type) {
	case json.Number:
		if n, err := strconv.ParseInt(v.String(), 10, 64); err == nil {
			return n
		}
		f, err := v.Float64()
		if err != nil {
			return v.String()
		}
		return f
	case []any:
		for i := range v {
			v[i] = whole(v[i])
		}
	case map[string]any:
		for k := range v {
			v[k] = whole(v[k])
		}
	}
	return v
}

// payload decodes a body as it stands in JSON.
func payload(text, encoding string) ([]byte, *failure) {
	switch encoding {
	case "", encodingString:
		return []byte(text), nil
	case encodingBase64:
		b, err := base64.StdEncoding.DecodeString(text)
		if err != nil {
			return nil, badRequest("payload: not base64")
		}
		return b, nil
	}
	return nil, badRequest("payload_encoding: neither string nor base64")
}

// showPayload is the opposite: text where it is text, unless base64 is asked for.
func showPayload(body []byte, encoding string) (text, used string) {
	if encoding != encodingBase64 && utf8.Valid(body) {
		return string(body), encodingString
	}
	return base64.StdEncoding.EncodeToString(body), encodingBase64
}
