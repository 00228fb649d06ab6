package admin

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
	"unicode/utf8"

	"weir/internal/broker"
	"weir/internal/proto/amqp091/codec"
	"weir/internal/proto/amqp091/native"
	"weir/internal/record"
)

const (
	encodingString = "string"
	encodingBase64 = "base64"
	// shortBytesMax is the longest short text of the dialect.
	shortBytesMax = codec.ShortBytesMax
)

// message is a message to publish, or one that was stored.
type message struct {
	exchange, key string
	headers       native.Headers
	body          []byte
}

// outgoing fills in what the engine has to know of m.
func (m *message) outgoing(who *broker.Principal) (*broker.Outgoing, *failure) {
	if len(m.exchange) > shortBytesMax || len(m.key) > shortBytesMax {
		return nil, badRequest("exchange or routing_key longer than 255 bytes")
	}
	p := &m.headers.Properties
	o := &broker.Outgoing{
		Exchange: m.exchange, Key: []byte(m.key), Dialect: record.DialectAMQP091, Priority: p.Priority,
		TTL: -1, Message: &m.headers,
	}
	_, marks, e := native.Describe(o, p, who, "") // nobody here waits for direct replies
	if e != nil {
		return nil, badRequest(e.Text)
	}
	o.Native = native.Parts(m.exchange, m.key, marks, p, m.body)
	return o, nil
}

// openMessage takes a record apart. One of another dialect is all body.
func openMessage(rec []byte) message {
	var e record.Envelope
	b, err := record.Decode(rec, &e)
	if err != nil || e.Dialect != record.DialectAMQP091 {
		return message{body: b}
	}
	stored, err := native.Open(b)
	if err != nil {
		return message{body: b}
	}
	m := message{exchange: string(stored.Exchange), key: string(stored.Key), body: stored.Body}
	if stored.Properties(&m.headers.Properties) != nil {
		m.headers.Properties = codec.Properties{}
	}
	return m
}

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
		{codec.FlagContentType, &p.ContentType, &to.ContentType},
		{codec.FlagContentEncoding, &p.ContentEncoding, &to.ContentEncoding},
		{codec.FlagCorrelationID, &p.CorrelationID, &to.CorrelationID},
		{codec.FlagReplyTo, &p.ReplyTo, &to.ReplyTo},
		{codec.FlagExpiration, &p.Expiration, &to.Expiration},
		{codec.FlagMessageID, &p.MessageID, &to.MessageID},
		{codec.FlagType, &p.Type, &to.Type},
		{codec.FlagUserID, &p.UserID, &to.UserID},
		{codec.FlagAppID, &p.AppID, &to.AppID},
		{codec.FlagClusterID, &p.ClusterID, &to.ClusterID},
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
		broker.WholeNumbers(p.Headers)
		t, f := encodeTable(p.Headers)
		if f != nil {
			return f
		}
		to.Headers, to.Flags = t, to.Flags|codec.FlagHeaders
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
