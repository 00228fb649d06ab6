package amqp091_test

import (
	"errors"
	"net"
	"sync"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"weir/internal/broker"
	"weir/internal/proto/amqp091"
	"weir/internal/proto/amqp091/codec"
	"weir/internal/proto/amqp091/native"
	"weir/internal/record"
	"weir/internal/vfs"
)

// patience bounds every wait of these tests; only a failure ever takes it.
const patience = 10 * time.Second

// server is a broker with this dialect on a loopback port.
type server struct {
	*amqp091.Server
	t       testing.TB
	address string
	disk    vfs.FS
	change  []func(*amqp091.Options)
	stop    func()
}

func start(t testing.TB, change ...func(*amqp091.Options)) *server {
	t.Helper()
	s := &server{t: t, disk: vfs.NewMem(), change: change}
	s.run()
	t.Cleanup(func() { s.stop() })
	return s
}

// restart stops the server and starts it again on the same disk.
func (s *server) restart() {
	s.t.Helper()
	s.stop()
	s.run()
}

func (s *server) run() {
	t := s.t
	t.Helper()
	b, err := broker.Open(broker.Options{
		FS: s.disk, Dir: "data", WALFileBytes: 4 << 20,
		Fatal:      func(err error) { t.Errorf("fatal: %v", err) },
		DeadLetter: map[record.Dialect]broker.DeadLetterFunc{record.DialectAMQP091: amqp091.DeadLetter},
		Published:  map[record.Dialect]broker.PublishedFunc{record.DialectAMQP091: native.Published},
	})
	if err != nil {
		t.Fatal(err)
	}
	o := amqp091.Options{Broker: b}
	for _, f := range s.change {
		f(&o)
	}
	served := amqp091.New(o)
	s.Server = served
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.address = l.Addr().String()
	var serving sync.WaitGroup
	serving.Go(func() {
		for {
			nc, err := l.Accept()
			if err != nil {
				return
			}
			serving.Go(func() { served.Serve(nc, nil) })
		}
	})
	s.stop = func() {
		_ = l.Close()
		served.Drain()
		serving.Wait()
		if err := b.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
		if n := served.Panics(); n > 0 {
			t.Errorf("%d connections ended by a fault", n)
		}
	}
}

// dial connects a real client.
func (s *server) dial() *amqp.Connection {
	s.t.Helper()
	c, err := amqp.Dial("amqp://guest:guest@" + s.address + "/")
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { _ = c.Close() })
	return c
}

// channel opens a channel on a connection of its own.
func (s *server) channel() *amqp.Channel {
	s.t.Helper()
	return open(s.t, s.dial())
}

func open(t testing.TB, c *amqp.Connection) *amqp.Channel {
	t.Helper()
	ch, err := c.Channel()
	if err != nil {
		t.Fatal(err)
	}
	return ch
}

// raw is a client that sends what it is told to, right or wrong.
type raw struct {
	t  testing.TB
	nc net.Conn
	in []byte
}

func (s *server) raw() *raw {
	s.t.Helper()
	nc, err := net.Dial("tcp", s.address)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { _ = nc.Close() })
	_ = nc.SetDeadline(time.Now().Add(patience))
	return &raw{t: s.t, nc: nc}
}

func (r *raw) write(b []byte) {
	r.t.Helper()
	if _, err := r.nc.Write(b); err != nil {
		r.t.Fatal(err)
	}
}

func (r *raw) send(channel uint16, methods ...codec.Method) {
	r.t.Helper()
	var b []byte
	for _, m := range methods {
		b = codec.AppendMethod(b, channel, m)
	}
	r.write(b)
}

// frame reads one frame, heartbeats aside; nil at the end of the connection.
func (r *raw) frame() *codec.Frame {
	r.t.Helper()
	for {
		var f codec.Frame
		n, err := codec.ReadFrame(r.in, &f)
		if err != nil {
			r.t.Fatal(err)
		}
		if n > 0 {
			r.in = r.in[n:]
			if f.Type == codec.FrameHeartbeat {
				continue
			}
			return &f
		}
		b := make([]byte, 4096)
		n, err = r.nc.Read(b)
		if n == 0 && err != nil {
			var late net.Error
			if errors.As(err, &late) && late.Timeout() {
				r.t.Fatal("nothing more to read")
			}
			return nil
		}
		r.in = append(r.in, b[:n]...)
	}
}

// expect reads one method of the kind of want into it.
func expect[M codec.Method](r *raw, want M) M {
	r.t.Helper()
	f := r.frame()
	if f == nil {
		r.t.Fatalf("connection ended before %v", want.ID())
	}
	if f.Type != codec.FrameMethod {
		r.t.Fatalf("frame of type %d instead of %v", f.Type, want.ID())
	}
	id, arguments, err := codec.MethodID(f.Payload)
	if err != nil {
		r.t.Fatal(err)
	}
	if id != want.ID() {
		m := codec.New(id)
		_ = m.Decode(arguments)
		r.t.Fatalf("%v %+v instead of %v", id, m, want.ID())
	}
	if err := want.Decode(arguments); err != nil {
		r.t.Fatal(err)
	}
	return want
}

func (r *raw) ended() {
	r.t.Helper()
	if f := r.frame(); f != nil {
		r.t.Fatalf("a frame instead of the end: %+v", f)
	}
}

var clientProperties = codec.AppendMap(nil, map[string]any{"capabilities": map[string]any{
	"consumer_cancel_notify": true, "connection.blocked": true, "authentication_failure_close": true,
}})

// login goes as far as connection.open-ok.
func (r *raw) login() *raw {
	r.t.Helper()
	r.write([]byte(codec.ProtocolHeader))
	expect(r, &codec.ConnectionStart{})
	r.send(0, &codec.ConnectionStartOk{
		ClientProperties: clientProperties, Mechanism: "PLAIN",
		Response: []byte("\x00guest\x00guest"), Locale: "en_US",
	})
	tune := expect(r, &codec.ConnectionTune{})
	r.send(0, &codec.ConnectionTuneOk{ChannelMax: tune.ChannelMax, FrameMax: tune.FrameMax, Heartbeat: 0},
		&codec.ConnectionOpen{VirtualHost: "/"})
	expect(r, &codec.ConnectionOpenOk{})
	return r
}

// channel opens channel 1.
func (r *raw) channel() *raw {
	r.t.Helper()
	r.send(1, &codec.ChannelOpen{})
	expect(r, &codec.ChannelOpenOk{})
	return r
}

// publish encodes a publish with its content.
func publish(channel uint16, m *codec.BasicPublish, p *codec.Properties, body string) []byte {
	b := codec.AppendMethod(nil, channel, m)
	sized := p.Append([]byte{0, 0, 0, 0, 0, 0, byte(len(body) >> 8), byte(len(body))})
	b = codec.AppendHeader(b, channel, sized)
	return codec.AppendBody(b, channel, []byte(body), 131072)
}
