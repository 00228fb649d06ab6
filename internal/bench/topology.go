package bench

import (
	"encoding/binary"
	"fmt"
	"strconv"

	"weir/internal/proto/amqp091/codec"
)

// Dead-letter modes: every message gets to a dead-letter queue, because its
// consumer rejects it or because its queue is full.
const (
	deadByReject   = "reject"
	deadByOverflow = "overflow"
)

// overflowLength is how many messages a queue of deadByOverflow keeps for itself.
const overflowLength = 1000

// template is one kind of message that a producer sends in its turn: a key, a set
// of headers or a priority of its own. Each has a sequence of its own.
type template struct {
	frame []byte // publish, header and body frames
	stamp int    // where the body begins in it
	sent  uint64
}

func (r *run) queue(number int) string {
	return fmt.Sprintf("%s-%d", r.options.Prefix, number%r.options.Queues)
}

// lastQueue is the one whose consumers measure.
func (r *run) lastQueue(number int) string {
	if r.options.DeadLetter != "" {
		return fmt.Sprintf("%s-dead-%d", r.options.Prefix, number%r.options.Queues)
	}
	return r.queue(number)
}

func (r *run) exchange() string {
	if r.options.ExchangeType == "" {
		return ""
	}
	return r.options.Prefix + "-" + r.options.ExchangeType
}

// kinds is how many templates a producer has.
func (o *Options) kinds() int {
	switch {
	case o.ExchangeType != "":
		return max(o.Bindings, o.Queues)
	default:
		return max(o.Priorities, 1)
	}
}

// binding returns what binds the i-th key to its queue.
func (r *run) binding(i int) *codec.QueueBind {
	b := &codec.QueueBind{Queue: r.queue(i), Exchange: r.exchange(), NoWait: true}
	switch r.options.ExchangeType {
	case "topic":
		b.RoutingKey = fmt.Sprintf("order.%d.*", i)
	case "headers":
		b.Arguments = codec.AppendField(headers(i), "x-match", "all")
	default:
		b.RoutingKey = strconv.Itoa(i)
	}
	return b
}

func headers(i int) codec.Table {
	t := codec.AppendField(nil, "customer", strconv.Itoa(i))
	return codec.AppendField(t, "kind", "order")
}

// template makes the i-th of a producer: the one that only binding(i) takes.
func (r *run) template(number, i, frameMax int) template {
	o := &r.options
	publish := &codec.BasicPublish{Exchange: []byte(r.exchange())}
	p := codec.Properties{Flags: codec.FlagDeliveryMode, DeliveryMode: 2}
	if o.Transient {
		p.DeliveryMode = 1
	}
	switch o.ExchangeType {
	case "":
		publish.RoutingKey = []byte(r.queue(number))
	case "topic":
		publish.RoutingKey = fmt.Appendf(nil, "order.%d.paid", i)
	case "headers":
		p.Flags |= codec.FlagHeaders
		p.Headers = headers(i)
	default:
		publish.RoutingKey = strconv.AppendInt(nil, int64(i), 10)
	}
	if o.Priorities > 0 {
		p.Flags |= codec.FlagPriority
		p.Priority = uint8(i + 1)
	}
	frame := codec.AppendMethod(nil, channel, publish)
	frame = codec.AppendHeader(frame, channel, p.Append(binary.BigEndian.AppendUint64(nil, uint64(o.Size))))
	t := template{stamp: len(frame) + codec.FrameHeadBytes}
	t.frame = codec.AppendBody(frame, channel, make([]byte, o.Size), frameMax)
	return t
}

// arguments are those of the queue of that number.
func (r *run) arguments(number int) codec.Table {
	o := &r.options
	var t codec.Table
	if o.Type != "" {
		t = codec.AppendField(t, "x-queue-type", o.Type)
	}
	if o.Priorities > 0 {
		t = codec.AppendField(t, "x-max-priority", o.Priorities)
	}
	if o.DeadLetter != "" {
		t = codec.AppendField(t, "x-dead-letter-exchange", "")
		t = codec.AppendField(t, "x-dead-letter-routing-key", r.lastQueue(number))
	}
	if o.DeadLetter == deadByOverflow {
		t = codec.AppendField(t, "x-max-length", overflowLength)
	}
	return t
}

func (r *run) declare() error {
	c, err := dial(r.options.URL)
	if err != nil {
		return err
	}
	o := &r.options
	for i := range o.Queues {
		m := &codec.QueueDeclare{Queue: r.queue(i), Durable: !o.Transient, Arguments: r.arguments(i)}
		if err := c.call(channel, m, &codec.QueueDeclareOk{}); err != nil {
			return err
		}
		if o.DeadLetter == "" {
			continue
		}
		m = &codec.QueueDeclare{Queue: r.lastQueue(i), Durable: !o.Transient}
		if err := c.call(channel, m, &codec.QueueDeclareOk{}); err != nil {
			return err
		}
	}
	if o.ExchangeType != "" {
		if err := r.bind(c); err != nil {
			return err
		}
	}
	return c.conn.Close()
}

// bind sends all bindings at once and waits for the last.
func (r *run) bind(c *client) error {
	o := &r.options
	exchange := &codec.ExchangeDeclare{Exchange: r.exchange(), Type: o.ExchangeType, Durable: !o.Transient}
	if err := c.call(channel, exchange, &codec.ExchangeDeclareOk{}); err != nil {
		return err
	}
	var out []byte
	for i := range o.kinds() {
		out = codec.AppendMethod(out, channel, r.binding(i))
	}
	if _, err := c.conn.Write(out); err != nil {
		return err
	}
	passive := &codec.QueueDeclare{Queue: r.queue(0), Passive: true}
	return c.call(channel, passive, &codec.QueueDeclareOk{})
}

func (r *run) remove() error {
	c, err := dial(r.options.URL)
	if err != nil {
		return err
	}
	o := &r.options
	if o.ExchangeType != "" {
		if err := c.call(channel, &codec.ExchangeDelete{Exchange: r.exchange()}, &codec.ExchangeDeleteOk{}); err != nil {
			return err
		}
	}
	for i := range o.Queues {
		if err := c.call(channel, &codec.QueueDelete{Queue: r.queue(i)}, &codec.QueueDeleteOk{}); err != nil {
			return err
		}
		if o.DeadLetter == "" {
			continue
		}
		if err := c.call(channel, &codec.QueueDelete{Queue: r.lastQueue(i)}, &codec.QueueDeleteOk{}); err != nil {
			return err
		}
	}
	return c.conn.Close()
}
