package admin

import (
	"encoding/json"

	"weir/internal/broker"
	"weir/internal/record"
)

// publishBody is one message as RabbitMQ's API takes it.
type publishBody struct {
	RoutingKey      *string    `json:"routing_key"`
	Payload         *string    `json:"payload"`
	PayloadEncoding string     `json:"payload_encoding"`
	Properties      properties `json:"properties"`
	Vhost           string     `json:"vhost"`
	Exchange        string     `json:"exchange"`
	Name            string     `json:"name"`
	DeliveryMode    *number    `json:"delivery_mode"`
	Headers         arguments  `json:"headers"`
}

// message makes a message of the body.
func (b *publishBody) message(exchange string) (*message, *failure) {
	if f := echoed(b.Exchange, exchange, b.Name, exchange); f != nil && b.Exchange+b.Name != "amq.default" {
		return nil, f
	}
	if b.RoutingKey == nil || b.Payload == nil {
		return nil, badRequest("routing_key and payload: both")
	}
	m := &message{exchange: exchange, key: *b.RoutingKey}
	if b.DeliveryMode != nil && b.Properties.DeliveryMode == nil { // the web page of RabbitMQ sends it beside them
		b.Properties.DeliveryMode = b.DeliveryMode
	}
	if b.Headers != nil && b.Properties.Headers == nil {
		b.Properties.Headers = b.Headers
	}
	if f := b.Properties.encode(&m.headers.Properties); f != nil {
		return nil, f
	}
	var f *failure
	m.body, f = payload(*b.Payload, b.PayloadEncoding)
	return m, f
}

// publish stores one message and answers when that is durable.
func (c *call) publish() *failure {
	var body publishBody
	if f := c.readObject(&body); f != nil {
		return f
	}
	m, f := body.message(exchangeName(c.args[1]))
	if f != nil {
		return f
	}
	if f := echoed(body.Vhost, c.args[0]); f != nil {
		return f
	}
	s, f := c.open(c.args[0])
	if f != nil {
		return f
	}
	n, f := c.publishOne(s, m)
	if f != nil {
		return f
	}
	return c.ok(map[string]bool{"routed": n > 0})
}

// publishOne publishes m and waits until it is durable. It returns how many
// queues it reached.
func (c *call) publishOne(s *broker.Session, m *message) (int, *failure) {
	o, f := m.outgoing(&c.principal)
	if f != nil {
		return 0, f
	}
	if int64(len(m.body)) > c.options.Broker.MessageBytesMax() {
		return 0, failed(&broker.Error{Code: broker.CodeTooLarge, Text: "message larger than the configured limit"})
	}
	done := make(chan broker.Completion, 1)
	n, err := s.Publisher(func(x broker.Completion) { done <- x }).Publish(o)
	if err != nil {
		return 0, failed(err)
	}
	// A full disk holds the flush back; a client that has gone ends it.
	stop := c.killWithClient(s)
	defer stop()
	s.Flush()
	select {
	case x := <-done:
		if len(x.Refused) > 0 {
			return n, &failure{status: 400, name: "bad_request", reason: "the message was refused: a queue is full", code: codeConflict}
		}
		return n, nil
	case <-c.r.Context().Done():
		return n, unhealthy("the message is not durable yet")
	}
}

// The ways to take a message out of a queue.
const (
	ackRequeue    = "ack_requeue_true"
	ackRemove     = "ack_requeue_false"
	rejectRequeue = "reject_requeue_true"
	rejectRemove  = "reject_requeue_false"
)

var outcomes = map[string]broker.Outcome{
	ackRequeue: broker.Return, ackRemove: broker.Accept, rejectRequeue: broker.Release, rejectRemove: broker.Reject,
}

// getCountMax bounds one call; whoever wants more subscribes.
const getCountMax = 10_000

type messageItem struct {
	PayloadBytes    int        `json:"payload_bytes"`
	Redelivered     bool       `json:"redelivered"`
	Exchange        string     `json:"exchange"`
	RoutingKey      string     `json:"routing_key"`
	MessageCount    *uint64    `json:"message_count,omitempty"` // left in the queue
	Properties      properties `json:"properties"`
	Payload         string     `json:"payload"`
	PayloadEncoding string     `json:"payload_encoding"`
}

// showMessage shows a record; truncate < 0 shows all of its payload.
func showMessage(rec []byte, encoding string, truncate int64) messageItem {
	m := openMessage(rec)
	item := messageItem{PayloadBytes: len(m.body), Exchange: m.exchange, RoutingKey: m.key}
	item.Properties.decode(&m.headers.Properties)
	if truncate >= 0 && int64(len(m.body)) > truncate {
		m.body = m.body[:truncate]
	}
	item.Payload, item.PayloadEncoding = showPayload(m.body, encoding)
	return item
}

// getMessages takes messages, shows them and then settles them, so that what is
// put back is not taken twice. Messages of a call that is cut go back.
func (c *call) getMessages() *failure {
	body := struct {
		Count    number  `json:"count"`
		AckMode  string  `json:"ackmode"`
		Requeue  *flag   `json:"requeue"`
		Encoding string  `json:"encoding"`
		Truncate *number `json:"truncate"`
		Vhost    string  `json:"vhost"`
		Name     string  `json:"name"`
		Queue    string  `json:"queue"`
	}{Count: 1}
	if f := c.readObject(&body); f != nil {
		return f
	}
	if f := echoed(body.Vhost, c.args[0], body.Name, c.args[1], body.Queue, c.args[1]); f != nil {
		return f
	}
	if body.Requeue != nil && body.AckMode == "" {
		body.AckMode = map[flag]string{true: ackRequeue, false: ackRemove}[*body.Requeue]
	}
	outcome, known := outcomes[body.AckMode]
	truncate := int64(-1)
	if body.Truncate != nil {
		truncate = int64(*body.Truncate)
	}
	switch {
	case body.Count < 1 || body.Count > getCountMax:
		return badRequest("count: not between 1 and 10000")
	case !known:
		return badRequest("ackmode: not one of " + ackRequeue + ", " + ackRemove + ", " + rejectRequeue + ", " + rejectRemove)
	case body.Encoding != "" && body.Encoding != "auto" && body.Encoding != encodingBase64:
		return badRequest("encoding: neither auto nor base64")
	case body.Truncate != nil && truncate < 0:
		return badRequest("truncate: negative")
	}
	s, f := c.open(c.args[0])
	if f != nil {
		return f
	}
	return c.takeMessages(s, int(body.Count), body.Encoding, truncate, outcome)
}

func (c *call) takeMessages(s *broker.Session, count int, encoding string, truncate int64, outcome broker.Outcome) *failure {
	type lease struct {
		a  *broker.Attachment
		at record.Offset
	}
	var leases []lease
	encoder := json.NewEncoder(c.w)
	c.w.Header().Set("Content-Type", "application/json")
	write := func(text string) bool {
		_, err := c.w.Write([]byte(text))
		return err == nil
	}
	for i := range count {
		pulled, ok, err := s.Pull(c.args[1], false)
		if err != nil {
			return failed(err)
		}
		if !ok {
			break
		}
		leases = append(leases, lease{pulled.Attachment, pulled.Delivery.Offset})
		item := showMessage(c.shown(&pulled.Delivery), encoding, truncate)
		item.Redelivered, item.MessageCount = pulled.Delivery.Redelivered, &pulled.Ready
		if !write("[,"[min(i, 1):min(i, 1)+1]) || encoder.Encode(&item) != nil {
			return nil // the client has gone; the session gives back what it took
		}
	}
	if len(leases) == 0 && !write("[") || !write("]\n") {
		return nil
	}
	for _, l := range leases {
		l.a.Settle(l.at, l.at+1, outcome)
	}
	s.Flush()
	return nil
}
