package kafka

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"net"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"weir/internal/broker"
	"weir/internal/frugal"
	records "weir/internal/proto/kafka/batch"
	"weir/internal/record"
	"weir/internal/vfs"
)

const (
	// patienceFuzz is how long a request may wait for messages or others of its
	// group before its connection is closed.
	patienceFuzz = 10 * time.Millisecond
	// answerTime is how long the rest may take that waits for the disk and for
	// other goroutines, and answerBytes what is allocated for an answer about all
	// the broker has.
	answerTime  = 200 * time.Millisecond
	answerBytes = 8 << 20
	// fuzzedRequests is how many are sent to one broker; what they made goes with it.
	fuzzedRequests = 500
)

// fed is a connection from this machine on which all input has come already.
type fed struct {
	in *bytes.Reader
}

func (f *fed) Read(b []byte) (int, error)       { return f.in.Read(b) }
func (f *fed) Write(b []byte) (int, error)      { return len(b), nil }
func (f *fed) Close() error                     { return nil }
func (f *fed) LocalAddr() net.Addr              { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 9092} }
func (f *fed) RemoteAddr() net.Addr             { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 1} }
func (f *fed) SetDeadline(time.Time) error      { return nil }
func (f *fed) SetReadDeadline(time.Time) error  { return nil }
func (f *fed) SetWriteDeadline(time.Time) error { return nil }

// fuzzed is a server for a while.
type fuzzed struct {
	server *Server
	broker *broker.Broker
	served int
}

func (z *fuzzed) stop() {
	if z.server == nil {
		return
	}
	z.server.Drain()
	z.server.Close()
	_ = z.broker.Close()
	z.server = nil
}

// start opens a server with a topic, messages and a queue, unless the last one is
// good for more.
func (z *fuzzed) start(t testing.TB) {
	if z.served++; z.server != nil && z.served < fuzzedRequests {
		return
	}
	z.stop()
	z.served = 0
	b, err := broker.Open(broker.Options{
		FS: vfs.NewMem(), Dir: "data", WALFileBytes: 1 << 20, Fatal: func(err error) { panic(err) },
		Openers: map[record.Dialect]record.Opener{record.DialectKafka: records.Opener{}},
	})
	if err != nil {
		t.Fatal(err)
	}
	z.broker = b
	z.server, err = New(Options{Broker: b, RebalanceDelay: -1, Token: func(_ context.Context, token string) (string, time.Time, error) {
		if token != "good" {
			return "", time.Time{}, errors.New("bad token")
		}
		return guest, time.Now().Add(time.Hour), nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	create := kmsg.NewPtrCreateTopicsRequest()
	topic := kmsg.NewCreateTopicsRequestTopic()
	topic.Topic, topic.NumPartitions, topic.ReplicationFactor = "t", 2, 1
	create.Topics = append(create.Topics, topic)
	create.SetVersion(5)
	z.serve(frameOf(create))
}

// frameOf encodes a request with its header.
func frameOf(m kmsg.Request) []byte {
	b := binary.BigEndian.AppendUint16(nil, uint16(m.Key()))
	b = binary.BigEndian.AppendUint16(b, uint16(m.GetVersion()))
	b = append(b, 0, 0, 0, 1, 0, 1, 'c')
	if flexible(m.Key(), m.GetVersion()) {
		b = append(b, 0)
	}
	return m.AppendTo(b)
}

// serve has a connection on which frames come. A fault is not recovered from.
func (z *fuzzed) serve(frames ...[]byte) {
	var in []byte
	for _, frame := range frames {
		in = append(binary.BigEndian.AppendUint32(in, uint32(len(frame))), frame...)
	}
	c := newFed(z.server, in)
	late := time.AfterFunc(patienceFuzz, func() {
		z.server.mu.Lock()
		defer z.server.mu.Unlock()
		c.finish()
		c.kill()
	})
	defer late.Stop()
	defer z.server.forget(c)
	defer c.close()
	c.serve()
}

func newFed(s *Server, in []byte) *conn {
	nc := &fed{in: bytes.NewReader(in)}
	c := &conn{server: s, net: nc, ended: make(chan struct{}), name: "fuzz", remote: nc.RemoteAddr().(*net.TCPAddr).AddrPort()}
	c.pipeline.init()
	c.reader = bufio.NewReaderSize(nc, readAhead)
	s.admit(c)
	return c
}

// fuzzRequests sends frames of some keys to a server.
func fuzzRequests(f *testing.F, keys map[int16]*api) {
	for key, a := range keys {
		for version := a.low; version <= a.high; version++ {
			m := kmsg.RequestForKey(key)
			m.SetVersion(version)
			f.Add(frameOf(m))
		}
	}
	var z fuzzed
	f.Cleanup(z.stop)
	f.Fuzz(func(t *testing.T, frame []byte) {
		if len(frame) < 4 || keys[int16(binary.BigEndian.Uint16(frame))] == nil {
			return
		}
		z.start(t)
		frugal.CheckWithin(t, len(frame), answerBytes, answerTime, func() { z.serve(frame) })
	})
}

// The requests of each area go through all of a server, down to the engine.
func FuzzDataRequest(f *testing.F)        { fuzzRequests(f, dataAPIs()) }
func FuzzGroupRequest(f *testing.F)       { fuzzRequests(f, groupAPIs()) }
func FuzzTopicRequest(f *testing.F)       { fuzzRequests(f, topicAPIs()) }
func FuzzTransactionRequest(f *testing.F) { fuzzRequests(f, transactionAPIs()) }
func FuzzSecurityRequest(f *testing.F)    { fuzzRequests(f, securityAPIs()) }
func FuzzShareRequest(f *testing.F)       { fuzzRequests(f, shareAPIs()) }

// FuzzDecode decodes requests of all keys, with the library's decoder behind the
// walk that looks at their counts first.
func FuzzDecode(f *testing.F) {
	all := apis()
	for key, a := range all {
		for version := a.low; version <= a.high; version++ {
			m := kmsg.RequestForKey(key)
			m.SetVersion(version)
			f.Add(key, version, m.AppendTo(nil))
		}
	}
	f.Fuzz(func(t *testing.T, key, version int16, body []byte) {
		a := all[key]
		if a == nil || version < a.low || version > a.high {
			return
		}
		frugal.Check(t, len(body), 0, func() {
			r := request{key: key, version: version, body: body}
			_ = r.decode(kmsg.RequestForKey(key))
		})
	})
}

// FuzzShape walks through the bodies of flexible requests.
func FuzzShape(f *testing.F) {
	f.Add(int16(3), int16(9), []byte{2, 2, 't', 0, 0, 0, 0, 0})
	f.Add(int16(3), int16(9), []byte{1, 0, 0, 0, 255, 255, 255, 255, 15})
	all := apis()
	f.Fuzz(func(t *testing.T, key, version int16, body []byte) {
		a := all[key]
		if a == nil || version < a.low || version > a.high || !flexible(key, version) {
			return
		}
		frugal.Check(t, len(body), 0, func() {
			r := request{key: key, version: version, body: body}
			r.sound()
		})
	})
}

// FuzzLogin has a login of two messages by each mechanism, in requests or raw.
func FuzzLogin(f *testing.F) {
	f.Add("PLAIN", true, []byte("\x00guest\x00guest"), []byte{})
	f.Add("PLAIN", false, []byte("\x00guest\x00wrong"), []byte{})
	f.Add("OAUTHBEARER", true, []byte("n,,\x01auth=Bearer good\x01\x01"), []byte{1})
	f.Add("OAUTHBEARER", false, []byte("n,,\x01auth=Bearer bad\x01\x01"), []byte{1})
	for _, m := range []string{"SCRAM-SHA-256", "SCRAM-SHA-512"} {
		f.Add(m, true, []byte("n,,n=guest,r=nonce"), []byte("c=biws,r=nonce,p=AAAA"))
		f.Add(m, false, []byte("n,a=x,n=gu=2Cest,r=nonce,m=1"), []byte("c=biws,r=nonce,p=AAAA"))
	}
	var z fuzzed
	f.Cleanup(z.stop)
	f.Fuzz(func(t *testing.T, mechanism string, raw bool, first, second []byte) {
		if len(mechanism) > 1<<10 {
			return
		}
		z.start(t)
		hello := kmsg.NewPtrSASLHandshakeRequest()
		hello.Mechanism = mechanism
		frames := [][]byte{nil, first, second}
		if !raw {
			hello.Version = 1
			for i, b := range frames[1:] {
				m := kmsg.NewPtrSASLAuthenticateRequest()
				m.SASLAuthBytes = b
				frames[1+i] = frameOf(m)
			}
		}
		frames[0] = frameOf(hello)
		frugal.CheckWithin(t, len(mechanism)+len(first)+len(second), answerBytes, answerTime, func() { z.serve(frames...) })
	})
}
