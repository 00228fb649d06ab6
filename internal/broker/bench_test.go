package broker_test

import (
	"fmt"
	"sync"
	"testing"

	"weir/internal/broker"
	"weir/internal/record"
	"weir/internal/vfs"
)

// counter is a sink that settles what it is given, in batches.
type counter struct {
	mu    sync.Mutex
	cond  *sync.Cond
	n     int
	bytes int
}

func (c *counter) Deliver(_ *broker.Attachment, ds []broker.Delivery) {
	c.mu.Lock()
	c.n += len(ds)
	for i := range ds {
		c.bytes += len(ds[i].Record)
	}
	c.cond.Signal()
	c.mu.Unlock()
}

func (c *counter) Detached(*broker.Attachment, *broker.Error) {}

// BenchmarkPublishDeliverSettle is the whole way of one message through the
// engine, in memory: into an entry, through raft and the log, to a consumer and
// its settlement. Batches are of 100, as a busy connection makes them.
func BenchmarkPublishDeliverSettle(b *testing.B) {
	for _, size := range []int{16, 1024} {
		b.Run(map[int]string{16: "16B", 1024: "1KB"}[size], func(b *testing.B) { benchmarkPath(b, vfs.NewMem(), "data", size) })
	}
}

// BenchmarkPublishDeliverSettleDisk is the same on a real disk.
func BenchmarkPublishDeliverSettleDisk(b *testing.B) {
	benchmarkPath(b, vfs.OS(), b.TempDir(), 1024)
}

func benchmarkPath(b *testing.B, fs vfs.FS, dir string, size int) {
	br, err := broker.Open(broker.Options{FS: fs, Dir: dir, Fatal: func(err error) { b.Error(err) }})
	if err != nil {
		b.Fatal(err)
	}
	p, _ := br.Authenticate("guest", "guest", loopback)
	s, _ := br.Open(p, broker.SessionOptions{Namespace: "/", Name: "bench"})
	if _, _, err := s.DeclareQueue(broker.QueueSpec{Name: "q", Durable: true}); err != nil {
		b.Fatal(err)
	}
	sink := &counter{}
	sink.cond = sync.NewCond(&sink.mu)
	c, _ := br.Open(p, broker.SessionOptions{Namespace: "/", Name: "consumer"})
	a, e := c.Attach(broker.AttachOptions{Queue: "q", Credit: 1 << 40}, sink)
	if e != nil {
		b.Fatal(e)
	}
	body := make([]byte, size)
	m := &broker.Outgoing{Key: []byte("q"), TTL: -1, Dialect: record.DialectAMQP091, Native: [3][]byte{body[:8], nil, body}}
	pub := s.Publisher(func(broker.Completion) {})
	b.ReportAllocs()
	b.ResetTimer()
	settled := 0
	for i := 1; i <= b.N; i++ {
		if _, err := pub.Publish(m); err != nil {
			b.Fatal(err)
		}
		if i%100 != 0 && i != b.N {
			continue
		}
		s.Flush()
		sink.mu.Lock()
		for sink.n < i-1000 || i == b.N && sink.n < i {
			sink.cond.Wait()
		}
		got, bytes := sink.n, sink.bytes
		sink.bytes = 0
		sink.mu.Unlock()
		a.Settle(record.Offset(settled), record.Offset(got), broker.Accept)
		settled = got
		c.Sent(bytes)
		c.Flush()
	}
	b.StopTimer()
	if err := br.Close(); err != nil {
		b.Fatal(err)
	}
}

// BenchmarkPolicyChange sets a policy that matches 10,000 queues, each time with
// another limit, and waits until it is in force.
func BenchmarkPolicyChange(b *testing.B) {
	br, err := broker.Open(broker.Options{FS: vfs.NewMem(), Dir: "data", Fatal: func(err error) { b.Error(err) }})
	if err != nil {
		b.Fatal(err)
	}
	p, _ := br.Authenticate("guest", "guest", loopback)
	s, _ := br.Open(p, broker.SessionOptions{Namespace: "/", Name: "bench"})
	for i := range 10_000 {
		if _, _, err := s.DeclareQueue(broker.QueueSpec{Name: fmt.Sprint("queue-", i), Durable: true}); err != nil {
			b.Fatal(err)
		}
	}
	b.ResetTimer()
	for i := range b.N {
		limit := int64(i)
		_, err := br.PutPolicy(p, broker.PolicySpec{
			Namespace: "/", Name: "p", Pattern: "^queue-", ApplyTo: broker.ApplyToAll, Settings: broker.Settings{MaxLength: &limit},
		})
		if err != nil {
			b.Fatal(err)
		}
	}
	b.StopTimer()
	if err := br.Close(); err != nil {
		b.Fatal(err)
	}
}
