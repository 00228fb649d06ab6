package bench_test

import (
	"context"
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"weir/internal/bench"
	"weir/internal/server"
)

// broker starts a real one on free ports.
func broker(t *testing.T) string {
	t.Helper()
	c := server.Default()
	c.Data = t.TempDir()
	c.Listen.AMQP, c.Listen.HTTP, c.Listen.Kafka = "127.0.0.1:0", "off", "off"
	c.Log.Level = "error"
	s, err := server.Start(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return "amqp://guest:guest@" + s.Addr("amqp").String()
}

func options(url string) bench.Options {
	return bench.Options{
		URL: url, Prefix: "t", Queues: 2, Producers: 2, Consumers: 2, Size: 64, Confirms: 100, Prefetch: 100, AckEvery: 10,
		Duration: time.Minute, Messages: 5000,
	}
}

func TestClosedLoopCountsEveryMessage(t *testing.T) {
	r, err := bench.Run(context.Background(), options(broker(t)))
	if err != nil {
		t.Fatal(err)
	}
	if r.Published != 5000 || r.Confirmed != 5000 || r.Consumed != 5000 || r.Gaps+r.Repeated+r.Redelivered != 0 || r.Nacked != 0 {
		t.Fatalf("%+v", r)
	}
	if r.Confirm.Count != 5000 || r.EndToEnd.Count != 5000 || r.Confirm.P50 <= 0 || r.EndToEnd.Max < r.EndToEnd.P99 {
		t.Fatalf("%+v", r)
	}
}

func TestOpenLoopKeepsItsRate(t *testing.T) {
	o := options(broker(t))
	o.Messages, o.Rate, o.Duration = 1000, 2000, time.Minute
	begin := time.Now()
	r, err := bench.Run(context.Background(), o)
	if err != nil {
		t.Fatal(err)
	}
	if took := time.Since(begin); took < 400*time.Millisecond {
		t.Errorf("1000 messages at 2000/s took %v", took)
	}
	if r.Published != 1000 || r.Consumed != 1000 || r.SendDelay.Count != 1000 {
		t.Fatalf("%+v", r)
	}
}

func TestPublishOnlyThenConsumeOnly(t *testing.T) {
	o := options(broker(t))
	o.Keep, o.Consumers = true, 0
	if _, err := bench.Run(context.Background(), o); err != nil {
		t.Fatal(err)
	}
	o.Keep, o.Producers, o.Consumers = false, 0, 2
	r, err := bench.Run(context.Background(), o)
	if err != nil {
		t.Fatal(err)
	}
	if r.Consumed != 5000 || r.Gaps+r.Repeated != 0 {
		t.Fatalf("%+v", r)
	}
}

func TestRefusedByTheBroker(t *testing.T) {
	o := options(broker(t))
	o.Type = "carousel"
	if _, err := bench.Run(context.Background(), o); err == nil {
		t.Fatal("a queue type that is not offered was declared")
	}
}

func TestTopologiesCountEveryMessage(t *testing.T) {
	url := broker(t)
	for name, change := range map[string]func(*bench.Options){
		"direct":   func(o *bench.Options) { o.ExchangeType, o.Bindings = "direct", 500 },
		"topic":    func(o *bench.Options) { o.ExchangeType, o.Bindings = "topic", 500 },
		"headers":  func(o *bench.Options) { o.ExchangeType = "headers" },
		"reject":   func(o *bench.Options) { o.DeadLetter = "reject" },
		"priority": func(o *bench.Options) { o.Priorities = 10 },
		"commits":  func(o *bench.Options) { o.Transaction = 10 },
	} {
		o := options(url)
		o.Prefix = name
		change(&o)
		r, err := bench.Run(context.Background(), o)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if r.Published != 5000 || r.Confirmed != 5000 || r.Consumed != 5000 || r.Gaps+r.Repeated+r.Redelivered != 0 {
			t.Errorf("%s: %+v", name, r)
		}
		if highest := r.EndToEnd.Count; o.Priorities > 0 && highest != 500 {
			t.Errorf("%s: %d latencies of the highest priority", name, highest)
		}
	}
}

func TestOverflowReachesTheDeadLetterQueue(t *testing.T) {
	o := options(broker(t))
	o.DeadLetter = "overflow"
	r, err := bench.Run(context.Background(), o)
	if err != nil {
		t.Fatal(err)
	}
	if kept := int64(2 * 1000); r.Published != 5000 || r.Consumed != 5000-kept || r.Gaps+r.Repeated != 0 {
		t.Fatalf("%+v", r)
	}
}

func TestBacklogIsThereBeforeConsumers(t *testing.T) {
	o := options(broker(t))
	o.Backlog, o.Priorities, o.ServerPID = 3000, 3, os.Getpid()
	r, err := bench.Run(context.Background(), o)
	if err != nil {
		t.Fatal(err)
	}
	if r.Published != 8000 || r.Confirmed != 8000 || r.Consumed != 8000 || r.Gaps+r.Repeated != 0 {
		t.Fatalf("%+v", r)
	}
}

// TestLostConnectionsAreAnError: whoever stands between client and broker hangs up
// in the middle.
func TestLostConnectionsAreAnError(t *testing.T) {
	o := options(broker(t))
	address, hangUp := relay(t, strings.TrimPrefix(o.URL, "amqp://guest:guest@"))
	o.URL, o.Messages, o.Consumers, o.Keep = "amqp://guest:guest@"+address, 0, 0, true
	o.Progress = func(bench.Sample) { hangUp() }
	if _, err := bench.Run(context.Background(), o); err == nil {
		t.Fatal("no error")
	}
}

// relay passes connections on to an address until it hangs up.
func relay(t *testing.T, to string) (address string, hangUp func()) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	var open []net.Conn
	go func() {
		for {
			near, err := l.Accept()
			if err != nil {
				return
			}
			far, err := net.Dial("tcp", to)
			if err != nil {
				t.Error(err)
				return
			}
			mu.Lock()
			open = append(open, near, far)
			mu.Unlock()
			go func() { _, _ = io.Copy(near, far) }()
			go func() { _, _ = io.Copy(far, near) }()
		}
	}()
	hangUp = func() {
		_ = l.Close()
		mu.Lock()
		defer mu.Unlock()
		for _, c := range open {
			_ = c.(*net.TCPConn).CloseWrite()
		}
	}
	t.Cleanup(hangUp)
	return l.Addr().String(), hangUp
}
