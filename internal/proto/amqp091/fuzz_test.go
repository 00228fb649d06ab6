package amqp091

import (
	"io"
	"net"
	"testing"

	"weir/internal/broker"
	"weir/internal/frugal"
	"weir/internal/proto/amqp091/codec"
)

// silent is a connection on which nothing ever comes: the input of this fuzz
// target does not come that way.
type silent struct{ net.Conn }

func (silent) Read([]byte) (int, error) { return 0, io.EOF }

// FuzzConnection feeds whatever comes to a connection with channel 1 open. The
// connection may close; it may not panic, hang or keep what it was not sent.
func FuzzConnection(f *testing.F) {
	b, principal := guest(f)
	server := New(Options{Broker: b})
	publish := codec.AppendMethod(nil, 1, &codec.BasicPublish{RoutingKey: []byte("q"), Mandatory: true})
	publish = codec.AppendHeader(publish, 1, (&codec.Properties{}).Append([]byte{0, 0, 0, 0, 0, 0, 0, 2}))
	publish = codec.AppendBody(publish, 1, []byte("hi"), 4096)
	seed := codec.AppendMethod(nil, 1, &codec.QueueDeclare{Queue: "q", Exclusive: true})
	seed = codec.AppendMethod(seed, 1, &codec.BasicConsume{Queue: "q", ConsumerTag: "c"})
	seed = append(codec.AppendMethod(seed, 1, &codec.ConfirmSelect{}), publish...)
	seed = codec.AppendMethod(seed, 1, &codec.BasicAck{Multiple: true})
	seed = codec.AppendMethod(seed, 1, &codec.BasicGet{Queue: "q"})
	seed = codec.AppendMethod(seed, 1, &codec.ChannelClose{})
	f.Add(seed)
	f.Add(publish)
	f.Fuzz(func(t *testing.T, input []byte) {
		frugal.CheckWithin(t, len(input), answerBytes, answerTime, func() { feed(t, b, server, principal, input) })
	})
}

// feed has a connection with channel 1 open on which input comes.
func feed(t *testing.T, b *broker.Broker, server *Server, principal broker.Principal, input []byte) {
	here, there := net.Pipe()
	go func() { _, _ = io.Copy(io.Discard, there) }()
	c := newConn(server, silent{here}, nil)
	var refused *broker.Error
	if c.session, refused = b.Open(principal, broker.SessionOptions{Namespace: "/", Kill: c.force}); refused != nil {
		t.Fatal(refused)
	}
	c.principal, c.vhost, c.state, c.channelMax, c.bodyBytesMax = principal, "/", stateRunning, 10, 1<<20
	c.frameMax.Store(4096)
	if e := c.channelOpen(1, []byte{0}); e != nil {
		t.Fatal(e.text)
	}
	_ = there.SetDeadline(server.options.Clock.Now().Add(closeTimeout))
	for len(input) > 0 && c.state < stateClosing {
		c.makeRoom()
		n := copy(c.buf[c.w:], input)
		c.w += n
		input = input[n:]
		c.process()
		c.flush()
	}
	if cap(c.buf) > 136<<10 {
		t.Fatalf("a read buffer of %d bytes", cap(c.buf))
	}
	c.closeSession()
	c.abort()
	_ = there.Close()
}
