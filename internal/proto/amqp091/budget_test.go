package amqp091

import (
	"bytes"
	"testing"

	"weir/internal/broker"
	"weir/internal/frugal"
	"weir/internal/proto/amqp091/codec"
	"weir/internal/record"
)

// TestConfirmBudget: from the socket into a queue, to the disk and back to a
// confirm, a message costs less than one allocation.
func TestConfirmBudget(t *testing.T) {
	var z fuzzed
	z.start(t)
	defer z.stop()
	const messages = 2000
	in := codec.AppendMethod(hello(), 1, &codec.ChannelOpen{})
	in = codec.AppendMethod(in, 1, &codec.QueueDeclare{Queue: "q", Durable: true})
	in = codec.AppendMethod(in, 1, &codec.ConfirmSelect{})
	sized := (&codec.Properties{Flags: codec.FlagDeliveryMode, DeliveryMode: 2}).Append([]byte{0, 0, 0, 0, 0, 0, 0, 100})
	for range messages {
		in = codec.AppendMethod(in, 1, &codec.BasicPublish{RoutingKey: []byte("q")})
		in = codec.AppendHeader(in, 1, sized)
		in = codec.AppendBody(in, 1, make([]byte, 100), 4096)
	}
	server := New(Options{Broker: z.broker})
	frugal.Budget(t, messages, 0.4, func() { server.Serve(&fed{in: bytes.NewReader(in)}, nil) })
	s, refused := z.broker.Open(z.principal, broker.SessionOptions{Namespace: "/"})
	if refused != nil {
		t.Fatal(refused)
	}
	defer s.Close()
	if info, _, err := s.DeclareQueue(broker.QueueSpec{Name: "q", Passive: true}); err != nil || info.Ready < messages {
		t.Fatal("the messages are not there", info.Ready, err)
	}
}

// TestDeliverAndAckBudget: a message is written to a consumer and taken off its
// list without allocating.
func TestDeliverAndAckBudget(t *testing.T) {
	p := codec.Properties{Flags: codec.FlagDeliveryMode, DeliveryMode: 2}
	rec := record.Append(nil, &record.Envelope{Dialect: record.DialectAMQP091, Timestamp: 1, Body: 100}, stored("amq.direct", "orders.eu", &p, make([]byte, 100)))
	t.Run("deliver", func(t *testing.T) {
		e := encoder{buf: make([]byte, 0, 128<<10), frameMax: frameBytesMaxDefault}
		it := item{kind: itemDelivery, channel: 1, tag: 1, consumer: "amq.ctag-0123456789", data: rec}
		frugal.Budget(t, 100, 0, func() {
			e.buf = e.buf[:0]
			for range 100 {
				e.delivery(&it)
			}
		})
	})
	t.Run("ack", func(t *testing.T) {
		var u unacked
		h := u.hold(&broker.Attachment{}, &consumer{})
		ranges, tag := make([]settlement, 0, 16), uint64(0)
		frugal.Budget(t, 1000, 0, func() {
			for range 1000 {
				tag++
				u.push(tag, record.Offset(tag), h, true)
				if tag%10 == 0 {
					ranges, _ = u.take(ranges[:0], tag, true)
				}
			}
		})
	})
}
