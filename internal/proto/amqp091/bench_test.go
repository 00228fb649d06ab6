package amqp091

import (
	"bytes"
	"io"
	"net"
	"net/netip"
	"testing"

	"weir/internal/broker"
	"weir/internal/proto/amqp091/codec"
	"weir/internal/record"
	"weir/internal/vfs"
)

// guest returns a broker and the user everybody starts with.
func guest(t testing.TB) (*broker.Broker, broker.Principal) {
	b, err := broker.Open(broker.Options{FS: vfs.NewMem(), Dir: "data", WALFileBytes: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.Close() })
	principal, refused := b.Authenticate("guest", "guest", netip.MustParseAddrPort("127.0.0.1:1"))
	if refused != nil {
		t.Fatal(refused)
	}
	return b, principal
}

// publishing returns a channel whose connection has input in its buffer: count
// publishes of small messages.
func publishing(t testing.TB, count int) (*channel, int) {
	b, principal := guest(t)
	here, there := net.Pipe()
	t.Cleanup(func() { _, _ = here.Close(), there.Close() })
	c := newConn(New(Options{Broker: b}), here, nil)
	var refused *broker.Error
	if c.session, refused = b.Open(principal, broker.SessionOptions{Namespace: "/"}); refused != nil {
		t.Fatal(refused)
	}
	t.Cleanup(c.session.Close)
	c.principal, c.vhost, c.state, c.channelMax = principal, "/", stateRunning, 10
	c.bodyBytesMax = 1 << 20
	c.frameMax.Store(frameBytesMaxDefault)
	ch := &channel{conn: c, number: 1}
	ch.publisher = c.session.Publisher(ch.completed)
	c.channels = map[uint16]*channel{1: ch}
	p := codec.Properties{Flags: codec.FlagContentType | codec.FlagDeliveryMode, ContentType: []byte("text/plain"), DeliveryMode: 2}
	for range count {
		c.buf = codec.AppendMethod(c.buf, 1, &codec.BasicPublish{Exchange: []byte("amq.direct"), RoutingKey: []byte("orders.eu")})
		c.buf = codec.AppendHeader(c.buf, 1, p.Append([]byte{0, 0, 0, 0, 0, 0, 0, 100}))
		c.buf = codec.AppendBody(c.buf, 1, make([]byte, 100), frameBytesMaxDefault)
	}
	return ch, len(c.buf)
}

func TestPublishAllocatesNothing(t *testing.T) {
	ch, size := publishing(t, 100)
	c := ch.conn
	allocs := testing.AllocsPerRun(100, func() {
		c.r, c.w = 0, size
		c.process()
	})
	if allocs > 3 { // for a hundred messages: what one batch costs
		t.Fatalf("%.1f allocations for 100 messages", allocs)
	}
	if c.state != stateRunning || ch.publisher.Sequence() < 10000 {
		t.Fatalf("state %v after %d messages", c.state, ch.publisher.Sequence())
	}
}

func TestPressureIsShownOnce(t *testing.T) {
	here, there := net.Pipe()
	defer there.Close()
	c := newConn(New(Options{}), here, nil)
	c.frameMax.Store(frameBytesMaxDefault)
	c.pressure(true, "not asked for")
	c.blockedNotify = true
	for range 2 {
		c.pressure(true, "low on memory")
	}
	c.pressure(false, "")
	want := codec.AppendMethod(nil, 0, &codec.ConnectionBlocked{Reason: "low on memory"})
	want = codec.AppendMethod(want, 0, &codec.ConnectionUnblocked{})
	got := make([]byte, len(want))
	if _, err := io.ReadFull(there, got); err != nil || !bytes.Equal(got, want) {
		t.Fatalf("%x, want %x (%v)", got, want, err)
	}
	c.abort()
}

// BenchmarkPublish is everything from the read buffer to the engine's block, less
// the append to it: the message has no queue to go to.
func BenchmarkPublish(b *testing.B) {
	ch, size := publishing(b, 100)
	c := ch.conn
	b.ReportAllocs()
	b.SetBytes(int64(size / 100))
	for i := 0; i < b.N; i += 100 {
		c.r, c.w = 0, size
		c.process()
	}
}

func BenchmarkDeliver(b *testing.B) {
	p := codec.Properties{Flags: codec.FlagContentType | codec.FlagDeliveryMode, ContentType: []byte("text/plain"), DeliveryMode: 2}
	rec := record.Append(nil, &record.Envelope{Dialect: record.DialectAMQP091, Timestamp: 1, Body: 100},
		stored("amq.direct", "orders.eu", &p, make([]byte, 100)))
	e := encoder{buf: make([]byte, 0, 128<<10), frameMax: frameBytesMaxDefault}
	it := item{kind: itemDelivery, channel: 1, tag: 1, consumer: "amq.ctag-0123456789", data: rec}
	b.ReportAllocs()
	for b.Loop() {
		if len(e.buf) > 120<<10 {
			e.buf = e.buf[:0]
		}
		e.delivery(&it)
	}
}

func BenchmarkDeadLetter(b *testing.B) {
	native := stored("ex", "key", &codec.Properties{Flags: codec.FlagDeliveryMode, DeliveryMode: 2}, make([]byte, 64))
	b.ReportAllocs()
	for b.Loop() {
		c := broker.DeadLetterContext{Queue: "q", Why: broker.DeadMaxLength, UnixMillis: 1e12, Exchange: "dlx", Key: text255("k")}
		if _, err := DeadLetter(native, c); err != nil {
			b.Fatal(err)
		}
	}
}
