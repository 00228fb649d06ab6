package server_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/twmb/franz-go/pkg/kgo"

	"weir/internal/server"
)

// everyDoor starts a node with all doors open.
func everyDoor(t *testing.T, a *authority, change ...func(c *server.Config)) *server.Server {
	t.Helper()
	dir := t.TempDir()
	return serve(t, func(c *server.Config) {
		const free = "127.0.0.1:0"
		c.Listen = server.Listen{AMQP: free, AMQPS: free, HTTP: free, Kafka: free, KafkaS: free}
		c.TLS.Certificate, c.TLS.Key = a.pair(dir, "server", x509.ExtKeyUsageServerAuth)
		for _, f := range change {
			f(c)
		}
	})
}

var doors = []string{"amqp", "amqps", "http", "kafka", "kafkas"}

// greets has a client of each dialect do something.
func greets(t *testing.T, a *authority, s *server.Server) {
	t.Helper()
	conn, err := amqp.Dial("amqp://guest:guest@" + s.Addr("amqp").String() + "/")
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := login(s, a.client(t.TempDir(), "")); err != nil {
		t.Errorf("amqps: %v", err)
	}
	for _, o := range [][]kgo.Opt{
		{kgo.SeedBrokers(s.Addr("kafka").String())},
		{kgo.SeedBrokers(s.Addr("kafkas").String()), kgo.DialTLSConfig(a.client(t.TempDir(), ""))},
	} {
		c, err := kgo.NewClient(o...)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		if err := c.Ping(ctx); err != nil {
			t.Errorf("kafka: %v", err)
		}
		cancel()
		c.Close()
	}
	r, err := http.Get("http://" + s.Addr("http").String() + "/health/live")
	if err != nil {
		t.Fatal(err)
	}
	if _ = r.Body.Close(); r.StatusCode != http.StatusOK {
		t.Errorf("http: %s", r.Status)
	}
}

// TestEveryProtocolAtEveryDoor begins to talk at each door in the language of each
// other one, of protocols nobody speaks here, and in none; within TLS and without.
// Every such connection is ended, in its time, and costs nobody else anything.
func TestEveryProtocolAtEveryDoor(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	s := everyDoor(t, a)
	openings := map[string]string{
		"AMQP 0-9-1":  "AMQP\x00\x00\x09\x01",
		"AMQP 1.0":    "AMQP\x03\x01\x00\x00",
		"AMQP frame":  "\x01\x00\x00\x7f\xff\xff\xff\x00\x0a\x00\x0b",
		"HTTP":        "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
		"HTTP 2":      "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
		"Kafka":       "\x00\x00\x00\x0a\x00\x12\x00\x00\x00\x00\x00\x07\xff\xff",
		"Kafka large": "\x7f\xff\xff\xff\x00\x00\x00\x09\x00\x00\x00\x07\xff\xff",
		"Kafka SASL":  "\x00\x00\x00\x11\x00\x11\x00\x01\x00\x00\x00\x07\xff\xff\x00\x05PLAIN",
		"TLS":         "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
		"MQTT":        "\x10\x10\x00\x04MQTT\x04\x02\x00\x3c\x00\x04weir",
		"STOMP":       "CONNECT\naccept-version:1.2\nhost:x\n\n\x00",
		"NATS":        "CONNECT {}\r\nPING\r\n",
		"Redis":       "*1\r\n$4\r\nPING\r\n",
		"SSH":         "SSH-2.0-x\r\n",
		"PROXY":       "PROXY TCP4 1.2.3.4 5.6.7.8 1 2\r\n",
		"zeros":       strings.Repeat("\x00", 4096),
		"ones":        strings.Repeat("\xff", 4096),
		"a letter":    "x",
		"nothing":     "",
	}
	var running sync.WaitGroup
	for _, door := range doors {
		for name, text := range openings {
			for _, secure := range []bool{false, true} {
				if secure && !strings.HasSuffix(door, "s") {
					continue
				}
				running.Go(func() { confuse(t, a, s.Addr(door).String(), door+": "+name, text, secure) })
			}
		}
	}
	running.Wait()
	greets(t, a, s)
}

func confuse(t *testing.T, a *authority, address, what, text string, secure bool) {
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Errorf("%s: %v", what, err)
		return
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(patience))
	if secure {
		c := &tls.Config{RootCAs: a.client(t.TempDir(), "").RootCAs, ServerName: "127.0.0.1"}
		conn = tls.Client(conn, c)
	}
	_, _ = io.WriteString(conn, text) // it may have been refused by then
	n, err := io.Copy(io.Discard, io.LimitReader(conn, 1<<20))
	if late, ok := err.(net.Error); ok && late.Timeout() && !strings.Contains(what, "Kafka") {
		t.Errorf("%s: the connection goes on after %d bytes", what, n)
	}
	if n >= 1<<20 {
		t.Errorf("%s: answered with more than %d bytes", what, n)
	}
}

// TestBadHandshakes: certificates that are foreign, expired or missing, and hellos
// that are none, cost their connection only.
func TestBadHandshakes(t *testing.T) {
	t.Parallel()
	a, foreign := newAuthority(t), newAuthority(t)
	dir := t.TempDir()
	s := everyDoor(t, a, func(c *server.Config) {
		c.TLS.ClientCA, c.TLS.Client = a.write(dir, "ca.pem", "CERTIFICATE", a.cert.Raw), "required"
	})
	good := a.client(dir, "guest")
	other := foreign.client(dir, "stranger")
	other.RootCAs = good.RootCAs
	expired := a.client(dir, "")
	a.ended = true
	pair, err := tls.LoadX509KeyPair(a.pair(dir, "expired", x509.ExtKeyUsageClientAuth))
	if err != nil {
		t.Fatal(err)
	}
	a.ended = false
	expired.Certificates = []tls.Certificate{pair}
	old := good.Clone()
	old.MaxVersion = tls.VersionTLS11
	for name, c := range map[string]*tls.Config{"none": a.client(dir, ""), "foreign": other, "expired": expired, "TLS 1.1": old} {
		if err := login(s, c); err == nil {
			t.Errorf("a client with the certificate %q was let in", name)
		}
	}
	var running sync.WaitGroup
	for _, text := range []string{"", "\x16", "\x16\x03\x01\xff\xff", "\x16\x03\x01\x00\x05\x01\x00\x00\x01\x00", strings.Repeat("\x16\x03\x01", 1000)} {
		for range 20 {
			running.Go(func() { confuse(t, a, s.Addr("amqps").String(), "garbage", text, false) })
		}
	}
	running.Wait()
	if err := login(s, good); err != nil {
		t.Error(err)
	}
}

// TestStartedTwice: the second start on a data directory is refused, and the first
// does not notice.
func TestStartedTwice(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	a := newAuthority(t)
	s := everyDoor(t, a, func(c *server.Config) { c.Data = dir })
	c := server.Default()
	c.Data, c.Listen = dir, server.Listen{AMQP: "127.0.0.1:0", AMQPS: "off", HTTP: "off", Kafka: "off", KafkaS: "off"}
	c.Log.Level = "error"
	if second, err := server.Start(c); err == nil {
		_ = second.Close()
		t.Fatal("two nodes share a directory")
	} else if !strings.Contains(err.Error(), "lock") && !strings.Contains(err.Error(), "use") {
		t.Errorf("refused with: %v", err)
	}
	greets(t, a, s)
}

// TestChurnLeavesNothing opens and closes connections, channels, queues, consumers,
// exchanges, bindings and topics, again and again: goroutines and memory do not grow.
func TestChurnLeavesNothing(t *testing.T) {
	a := newAuthority(t)
	s := everyDoor(t, a)
	measure := func(rounds int) (goroutines int, heap uint64) {
		for range rounds {
			churn(t, s)
		}
		for end := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
			runtime.GC()
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			if goroutines, heap = runtime.NumGoroutine(), m.HeapInuse; goroutines < 150 || time.Now().After(end) {
				return goroutines, heap
			}
		}
	}
	before, heapBefore := measure(100)
	after, heapAfter := measure(400)
	t.Logf("%d goroutines and %d KiB after 100 rounds, %d and %d KiB after 500", before, heapBefore>>10, after, heapAfter>>10)
	if after > before+10 || heapAfter > heapBefore+8<<20 {
		t.Error("they grow")
	}
}

func churn(t *testing.T, s *server.Server) {
	t.Helper()
	conn, err := amqp.Dial("amqp://guest:guest@" + s.Addr("amqp").String() + "/")
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	for range 3 {
		ch, err := conn.Channel()
		if err != nil {
			t.Fatal(err)
		}
		steps := []func() error{
			func() error { return ch.ExchangeDeclare("churn", "topic", true, false, false, false, nil) },
			func() error { _, err := ch.QueueDeclare("churn", true, false, false, false, nil); return err },
			func() error { return ch.QueueBind("churn", "a.#", "churn", false, nil) },
			func() error { _, err := ch.Consume("churn", "tag", false, false, false, false, nil); return err },
			func() error {
				return ch.Publish("churn", "a.b", false, false, amqp.Publishing{Body: make([]byte, 1000)})
			},
			func() error { _, err := ch.QueueDelete("churn", false, false, false); return err },
			func() error { return ch.ExchangeDelete("churn", false, false) },
		}
		for i, step := range steps {
			if err := step(); err != nil {
				t.Fatalf("step %d: %v", i, err)
			}
		}
	}
	c, err := kgo.NewClient(kgo.SeedBrokers(s.Addr("kafka").String()), kgo.AllowAutoTopicCreation())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := c.Ping(ctx); err != nil {
		t.Fatal(err)
	}
}
