package amqp091

import (
	"bytes"
	"net"
	"net/netip"
	"testing"
	"time"

	"weir/internal/broker"
	"weir/internal/frugal"
	"weir/internal/proto/amqp091/codec"
	"weir/internal/record"
	"weir/internal/vfs"
)

const (
	// answerTime is how long what waits for the disk and for other goroutines may
	// take besides the decoding, and answerBytes what the buffers of a connection,
	// its answers and what they made in the engine take.
	answerTime  = 500 * time.Millisecond
	answerBytes = 8 << 20
	// fuzzedConnections is how many one broker has; what they made goes with it.
	fuzzedConnections = 500
)

// fed is a connection from this machine on which all input has come already.
type fed struct {
	net.Conn
	in *bytes.Reader
}

func (f *fed) Read(b []byte) (int, error)       { return f.in.Read(b) }
func (f *fed) Write(b []byte) (int, error)      { return len(b), nil }
func (f *fed) Close() error                     { return nil }
func (f *fed) LocalAddr() net.Addr              { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 5672} }
func (f *fed) RemoteAddr() net.Addr             { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 1} }
func (f *fed) SetDeadline(time.Time) error      { return nil }
func (f *fed) SetReadDeadline(time.Time) error  { return nil }
func (f *fed) SetWriteDeadline(time.Time) error { return nil }

// fuzzed is a broker for a while.
type fuzzed struct {
	broker    *broker.Broker
	principal broker.Principal
	served    int
}

func (z *fuzzed) stop() {
	if z.broker != nil {
		_ = z.broker.Close()
		z.broker = nil
	}
}

// start opens a broker, unless the last one is good for more.
func (z *fuzzed) start(t testing.TB) {
	if z.served++; z.broker != nil && z.served < fuzzedConnections {
		return
	}
	z.stop()
	z.served = 0
	b, err := broker.Open(broker.Options{
		FS: vfs.NewMem(), Dir: "data", WALFileBytes: 1 << 20, Fatal: func(err error) { panic(err) },
		DeadLetter: map[record.Dialect]broker.DeadLetterFunc{record.DialectAMQP091: DeadLetter},
	})
	if err != nil {
		t.Fatal(err)
	}
	var refused *broker.Error
	if z.principal, refused = b.Authenticate("guest", "guest", netip.MustParseAddrPort("127.0.0.1:1")); refused != nil {
		t.Fatal(refused)
	}
	z.broker = b
}

// hello is what a client sends until its connection is open.
func hello() []byte {
	b := append([]byte(codec.ProtocolHeader), codec.AppendMethod(nil, 0, &codec.ConnectionStartOk{
		ClientProperties: codec.AppendMap(nil, map[string]any{"capabilities": map[string]any{"consumer_cancel_notify": true}}),
		Mechanism:        "PLAIN", Response: []byte("\x00guest\x00guest"), Locale: "en_US",
	})...)
	b = codec.AppendMethod(b, 0, &codec.ConnectionTuneOk{ChannelMax: 10, FrameMax: 4096, Heartbeat: 60})
	return codec.AppendMethod(b, 0, &codec.ConnectionOpen{VirtualHost: "/"})
}

// FuzzConversation serves a connection of which everything is fuzzed, from the
// protocol's header on: login and tuning, channels, heartbeats, methods, contents.
func FuzzConversation(f *testing.F) {
	f.Add([]byte("GET / HTTP/1.1\r\n\r\n"))
	amqplain := codec.AppendMap(nil, map[string]any{"LOGIN": "guest", "PASSWORD": "guest"})
	f.Add(append([]byte(codec.ProtocolHeader), codec.AppendMethod(nil, 0, &codec.ConnectionStartOk{Mechanism: "AMQPLAIN", Response: amqplain, Locale: "en_US"})...))
	open := codec.AppendMethod(codec.AppendHeartbeat(hello()), 1, &codec.ChannelOpen{})
	f.Add(codec.AppendMethod(open, 0, &codec.ConnectionClose{ReplyCode: 200}))
	var z fuzzed
	f.Cleanup(z.stop)
	f.Fuzz(func(t *testing.T, input []byte) {
		z.start(t)
		server := New(Options{Broker: z.broker})
		frugal.CheckWithin(t, len(input), answerBytes, answerTime, func() {
			server.Serve(&fed{in: bytes.NewReader(input)}, nil)
		})
		if server.Panics() > 0 {
			t.Fatal("a connection ended by a fault")
		}
	})
}

// FuzzClass sends one method of a class on an open channel, with whatever
// arguments, and its content. Every method that exists is a seed.
func FuzzClass(f *testing.F) {
	for class := range uint16(100) {
		for method := range uint16(130) {
			if m := codec.New(codec.ID(class)<<16 | codec.ID(method)); m != nil {
				f.Add(class, method, m.Append(nil), []byte("body"))
			}
		}
	}
	var z fuzzed
	f.Cleanup(z.stop)
	prepare := codec.AppendMethod(hello(), 1, &codec.ChannelOpen{})
	prepare = codec.AppendMethod(prepare, 1, &codec.QueueDeclare{Queue: "q"})
	f.Fuzz(func(t *testing.T, class, method uint16, arguments, body []byte) {
		if len(arguments) > 3<<10 || len(body) > 3<<10 {
			return
		}
		z.start(t)
		b := append(append([]byte(nil), prepare...), 1, 0, 1, 0, 0, byte((4+len(arguments))>>8), byte(4+len(arguments)))
		b = append(b, byte(class>>8), byte(class), byte(method>>8), byte(method))
		b = append(append(b, arguments...), 0xCE)
		if class == 60 && method == 40 {
			b = codec.AppendHeader(b, 1, (&codec.Properties{}).Append([]byte{0, 0, 0, 0, 0, 0, byte(len(body) >> 8), byte(len(body))}))
			b = codec.AppendBody(b, 1, body, 4096)
		}
		b = codec.AppendMethod(b, 1, &codec.BasicGet{Queue: "q"})
		server := New(Options{Broker: z.broker})
		frugal.CheckWithin(t, len(b), answerBytes, answerTime, func() {
			server.Serve(&fed{in: bytes.NewReader(b)}, nil)
		})
		if server.Panics() > 0 {
			t.Fatal("a connection ended by a fault")
		}
	})
}
