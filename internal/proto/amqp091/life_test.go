package amqp091_test

import (
	"io"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"weir/internal/clock"
	"weir/internal/proto/amqp091"
	"weir/internal/proto/amqp091/codec"
)

// ticker is a clock whose timers fire when the test says so.
type ticker struct {
	clock.Clock
	mu     sync.Mutex
	timers []*tickerTimer
}

type tickerTimer struct {
	t    *ticker
	f    func()
	live bool
}

func (k *ticker) AfterFunc(_ time.Duration, f func()) clock.Timer {
	k.mu.Lock()
	defer k.mu.Unlock()
	timer := &tickerTimer{k, f, true}
	k.timers = append(k.timers, timer)
	return timer
}

func (t *tickerTimer) set(live bool) bool {
	t.t.mu.Lock()
	defer t.t.mu.Unlock()
	was := t.live
	t.live = live
	return was
}

func (t *tickerTimer) Stop() bool                 { return t.set(false) }
func (t *tickerTimer) Reset(_ time.Duration) bool { return t.set(true) }

// fire lets every timer that runs expire once.
func (k *ticker) fire() {
	k.mu.Lock()
	var due []func()
	for _, t := range k.timers {
		if t.live {
			t.live = false
			due = append(due, t.f)
		}
	}
	k.mu.Unlock()
	for _, f := range due {
		f()
	}
}

func (r *raw) loginWithHeartbeat(seconds uint16) *raw {
	r.t.Helper()
	r.write([]byte(codec.ProtocolHeader))
	expect(r, &codec.ConnectionStart{})
	r.send(0, &codec.ConnectionStartOk{
		ClientProperties: clientProperties, Mechanism: "PLAIN",
		Response: []byte("\x00guest\x00guest"),
	})
	expect(r, &codec.ConnectionTune{})
	r.send(0, &codec.ConnectionTuneOk{ChannelMax: 10, FrameMax: 4096, Heartbeat: seconds},
		&codec.ConnectionOpen{VirtualHost: "/"})
	expect(r, &codec.ConnectionOpenOk{})
	return r
}

func TestHeartbeatsAreSentWhileIdleAndMissedOnesEndTheConnection(t *testing.T) {
	k := &ticker{Clock: clock.System()}
	s := start(t, func(o *amqp091.Options) { o.Clock = k })
	r := s.raw().loginWithHeartbeat(10)
	k.fire() // something was written since the last
	k.fire()
	var beat [8]byte
	if _, err := io.ReadFull(r.nc, beat[:]); err != nil || string(beat[:]) != string(codec.AppendHeartbeat(nil)) {
		t.Fatalf("%x %v", beat, err)
	}
	r.channel() // any frame counts as a sign of life
	for range 6 {
		k.fire()
	}
	r.channel2()
	for range 8 {
		k.fire()
	}
	r.ended()
}

// channel2 opens channel 2, to prove that the connection lives.
func (r *raw) channel2() {
	r.t.Helper()
	r.send(2, &codec.ChannelOpen{})
	expect(r, &codec.ChannelOpenOk{})
}

func TestWithoutHeartbeatsNothingIsSentOrExpected(t *testing.T) {
	k := &ticker{Clock: clock.System()}
	s := start(t, func(o *amqp091.Options) { o.Clock = k })
	r := s.raw().loginWithHeartbeat(0)
	for range 20 {
		k.fire()
	}
	r.channel() // the next bytes are the answer, and the writer starts again
}

func TestClientThatNeverReadsCostsOnlyItself(t *testing.T) {
	s := start(t)
	ch := s.channel()
	queue(t, ch, "q", nil)
	body := strings.Repeat("x", 1<<20)
	for range 48 {
		put(t, ch, "", "q", text(body))
	}
	wantReady(t, ch, "q", 48)
	lazy := s.raw().login().channel()
	lazy.send(1, &codec.BasicConsume{Queue: "q"})
	expect(lazy, &codec.BasicConsumeOk{})
	// The other connection goes on, and most of the queue stays where it is.
	put(t, ch, "", "q", text("last"))
	q := must(ch.QueueDeclarePassive("q", false, false, false, false, nil))(t)
	if q.Messages < 30 {
		t.Fatalf("%d messages left: the window does not hold", q.Messages)
	}
	_ = lazy.nc.Close()
	eventuallyReady(t, ch, "q", 49)
}

func TestClientThatNeverReadsItsRepliesIsNotReadFrom(t *testing.T) {
	s := start(t)
	r := s.raw().login().channel()
	request := codec.AppendMethod(nil, 1, &codec.AccessRequest{})
	flood := []byte(strings.Repeat(string(request), 4096))
	sent := 0
	for sent < 64<<20 {
		_ = r.nc.SetWriteDeadline(time.Now().Add(time.Second))
		n, err := r.nc.Write(flood)
		sent += n
		if err != nil {
			return // the server stopped reading
		}
	}
	t.Fatalf("%d bytes of requests taken", sent)
}

func TestIdleConnectionsAreSmall(t *testing.T) {
	if raced {
		t.Skip("the race detector's stacks are larger")
	}
	k := &ticker{Clock: clock.System()}
	s := start(t, func(o *amqp091.Options) { o.Clock = k })
	const n = 300
	measure := func() uint64 {
		for range 3 { // buffers shrink and writers end
			k.fire()
		}
		for range 4 { // each halves stacks that were deeper once
			runtime.GC()
		}
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		t.Logf("heap %d, stacks %d, %d goroutines", m.HeapAlloc, m.StackInuse, runtime.NumGoroutine())
		return m.HeapAlloc + m.StackInuse
	}
	s.raw().login()
	before := measure()
	var all []*raw
	for range n {
		r := s.raw().login()
		r.in = nil
		all = append(all, r)
	}
	each := (measure() - before) / n
	t.Logf("%d bytes for an idle connection, this test's end included", each)
	if each > 15<<10 {
		t.Errorf("an idle connection costs %d bytes", each)
	}
	runtime.KeepAlive(all)
}

func BenchmarkThroughput(b *testing.B) {
	s := start(b)
	pub, sub := s.raw().login().channel(), s.raw().login().channel()
	sub.send(1, &codec.QueueDeclare{Queue: "q"}, &codec.BasicConsume{Queue: "q", NoAck: true})
	expect(sub, &codec.QueueDeclareOk{})
	expect(sub, &codec.BasicConsumeOk{})
	one := publish(1, &codec.BasicPublish{RoutingKey: []byte("q")}, &codec.Properties{}, strings.Repeat("x", 100))
	batch := []byte(strings.Repeat(string(one), 500))
	rounds := b.N/500 + 1
	_ = sub.nc.SetDeadline(time.Time{})
	_ = pub.nc.SetDeadline(time.Time{})
	b.ResetTimer()
	go func() {
		for range rounds {
			if _, err := pub.nc.Write(batch); err != nil {
				return
			}
		}
	}()
	// Every delivery is taken apart: bytes alone would not show a message that is
	// missing, doubled or out of order.
	buf, from, to := make([]byte, 256<<10), 0, 0
	to = copy(buf, sub.in)
	for delivered, bodies := uint64(0), 0; bodies < rounds*500; {
		var f codec.Frame
		n, err := codec.ReadFrame(buf[from:to], &f)
		if err != nil {
			b.Fatal(err)
		}
		if n == 0 {
			to, from = copy(buf, buf[from:to]), 0
			k, err := sub.nc.Read(buf[to:])
			if err != nil {
				b.Fatal(err)
			}
			to += k
			continue
		}
		from += n
		switch f.Type {
		case codec.FrameMethod:
			var m codec.BasicDeliver
			if err := m.Decode(f.Payload[4:]); err != nil || m.DeliveryTag != delivered+1 || m.Redelivered {
				b.Fatalf("delivery %d after %d: %v", m.DeliveryTag, delivered, err)
			}
			delivered++
		case codec.FrameBody:
			if bodies++; len(f.Payload) != 100 || uint64(bodies) != delivered {
				b.Fatalf("body %d of delivery %d has %d bytes", bodies, delivered, len(f.Payload))
			}
		}
	}
	b.ReportMetric(float64(rounds*500)/b.Elapsed().Seconds(), "msg/s")
}
