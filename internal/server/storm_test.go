package server_test

import (
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"weir/internal/server"
)

// TestStormOfOneAddress has one address open connections at all doors: it gets no
// more than it may have, and others do not notice.
func TestStormOfOneAddress(t *testing.T) {
	t.Parallel()
	const most, storm = 7, 30
	s := everyDoor(t, newAuthority(t), func(c *server.Config) { c.Limits.ConnectionsPerAddress = most })
	from := func(address string) *net.Dialer {
		return &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(address)}, Timeout: patience}
	}
	var refused atomic.Int64
	var looking sync.WaitGroup
	for i := range storm {
		c, err := from("127.0.0.9").Dial("tcp", s.Addr(doors[i%2]).String())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		_ = c.SetReadDeadline(time.Now().Add(3 * time.Second)) // before the doors lose patience
		looking.Go(func() {
			if _, err := c.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
				refused.Add(1)
			}
		})
	}
	looking.Wait()
	if n := refused.Load(); n != storm-most {
		t.Errorf("%d connections are refused, not %d", n, storm-most)
	}
	conn, err := amqp.DialConfig("amqp://guest:guest@"+s.Addr("amqp").String()+"/", amqp.Config{Dial: func(network, address string) (net.Conn, error) {
		return from("127.0.0.1").Dial(network, address)
	}})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	r, err := http.Get("http://" + s.Addr("http").String() + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	b, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(b), "\nweir_connections_refused_total 23\n") {
		t.Error("the metrics do not tell of those who were refused")
	}
}

// TestConnectionsAreAcceptedInTime lets clients in at the rate that is set.
func TestConnectionsAreAcceptedInTime(t *testing.T) {
	t.Parallel()
	s := everyDoor(t, newAuthority(t), func(c *server.Config) { c.Limits.AcceptsPerSecond = 20 })
	began := time.Now()
	for range 22 {
		conn, err := amqp.Dial("amqp://guest:guest@" + s.Addr("amqp").String() + "/")
		if err != nil {
			t.Fatal(err)
		}
		_ = conn.Close()
	}
	if took := time.Since(began); took < 800*time.Millisecond {
		t.Errorf("22 connections within %v", took)
	}
}

// TestStormOfHandshakes has clients who begin to shake hands and say no more fill
// every place there is; honest ones get in.
func TestStormOfHandshakes(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	s := everyDoor(t, a, func(c *server.Config) { c.Limits.Handshakes = 1 })
	for range 100 {
		for _, said := range []string{"", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"} {
			c, err := net.DialTimeout("tcp", s.Addr("amqps").String(), patience)
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			_, _ = io.WriteString(c, said)
		}
	}
	began := time.Now()
	if err := login(s, a.client(t.TempDir(), "")); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(began); took > 3*time.Second {
		t.Errorf("it took %v", took)
	}
}
