package listen

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"net"
	"os"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"weir/internal/clock"
)

// patience bounds waits for what should happen at once.
const patience = 20 * time.Second

// open opens a door of connections that stay until the client goes.
func open(t *testing.T, change func(o *Options)) *Door {
	t.Helper()
	o := Options{
		Name: "d", Address: "127.0.0.1:0", Log: slog.New(slog.DiscardHandler), Clock: clock.System(),
		Handler: func(c net.Conn, _ *tls.ConnectionState) {
			_, _ = c.Write([]byte{1})
			_, _ = io.Copy(io.Discard, c)
		},
	}
	change(&o)
	d, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = d.StopAccepting()
		d.Close()
	})
	return d
}

// enters connects from an address and says whether the door let it in.
func enters(t *testing.T, d *Door, from string) (net.Conn, bool) {
	t.Helper()
	dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}, Timeout: patience}
	c, err := dialer.Dial("tcp", d.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	_ = c.SetReadDeadline(time.Now().Add(patience))
	_, err = c.Read(make([]byte, 1))
	if errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatal("neither let in nor refused")
	}
	return c, err == nil
}

// TestAddressesAreLimited has two doors share a limit: one address gets no further
// than that, others do, and who goes makes room.
func TestAddressesAreLimited(t *testing.T) {
	const most = 3
	addresses := NewAddresses(most)
	share := func(o *Options) { o.Addresses = addresses }
	one, two := open(t, share), open(t, share)
	var conns []net.Conn
	for i, d := range []*Door{one, two, one} {
		c, ok := enters(t, d, "127.0.0.1")
		if !ok {
			t.Fatalf("connection %d is refused", i)
		}
		conns = append(conns, c)
	}
	for _, d := range []*Door{one, two} {
		if _, ok := enters(t, d, "127.0.0.1"); ok {
			t.Error("one too many")
		}
		if _, ok := enters(t, d, "127.0.0.2"); !ok {
			t.Error("another address is refused")
		}
		if d.Refused() != 1 {
			t.Errorf("%d refused, not one", d.Refused())
		}
	}
	_ = conns[0].Close()
	for end := time.Now().Add(patience); ; {
		if _, ok := enters(t, two, "127.0.0.1"); ok {
			break
		}
		if time.Now().After(end) {
			t.Fatal("nobody gets in after one has gone")
		}
	}
	for _, d := range []*Door{one, two} {
		_ = d.StopAccepting()
		d.Close()
	}
	if n := len(addresses.mu.open); n != 0 {
		t.Errorf("%d addresses are remembered for nothing", n)
	}
}

// TestBudgetGivesTheAddressBack: who is refused by a later limit counts in none.
func TestBudgetGivesTheAddressBack(t *testing.T) {
	addresses, budget := NewAddresses(5), NewBudget(1)
	d := open(t, func(o *Options) { o.Addresses, o.Budget = addresses, budget })
	if _, ok := enters(t, d, "127.0.0.1"); !ok {
		t.Fatal("refused")
	}
	if _, ok := enters(t, d, "127.0.0.2"); ok {
		t.Fatal("over the budget")
	}
	addresses.mu.Lock()
	defer addresses.mu.Unlock()
	if n := len(addresses.mu.open); n != 1 {
		t.Errorf("%d addresses are counted, not one", n)
	}
}

// queue is a listener whose clients are there already.
type queue struct {
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func newQueue(waiting int) *queue {
	return &queue{conns: make(chan net.Conn, waiting), closed: make(chan struct{})}
}

func (q *queue) Accept() (net.Conn, error) {
	select {
	case <-q.closed:
		return nil, net.ErrClosed
	default:
	}
	select {
	case c := <-q.conns:
		return c, nil
	case <-q.closed:
		return nil, net.ErrClosed
	}
}

func (q *queue) Close() error {
	q.once.Do(func() { close(q.closed) })
	return nil
}

func (*queue) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)} }

// bubble is the clock of a test whose time is not real.
type bubble struct{ clock.Clock }

func (bubble) Millis() int64 { return time.Now().UnixMilli() }

// TestAcceptsAreSpaced has a thousand clients wait at a door: they are let in at its
// rate, none is refused, and a door that stops does so at once.
func TestAcceptsAreSpaced(t *testing.T) {
	for _, rate := range []int{1, 7, 100, 2000} {
		synctest.Test(t, func(t *testing.T) {
			const waiting = 10_000
			q := newQueue(waiting)
			for range waiting {
				client, server := net.Pipe()
				defer client.Close()
				q.conns <- server
			}
			var mu sync.Mutex
			in := 0
			d, err := Open(Options{
				Name: "d", Address: "127.0.0.1:0", Log: slog.New(slog.DiscardHandler), Clock: bubble{clock.System()},
				Listen: func(context.Context, string, string) (net.Listener, error) { return q, nil },
				Handler: func(net.Conn, *tls.ConnectionState) {
					mu.Lock()
					in++
					mu.Unlock()
				},
				AcceptsPerSecond: rate,
			})
			if err != nil {
				t.Fatal(err)
			}
			for second := range 4 {
				if second > 0 {
					time.Sleep(time.Second)
				}
				synctest.Wait()
				mu.Lock()
				least, most := rate*second, rate*second+rate/10+2
				if in < least || in > most {
					t.Errorf("%d a second: %d after %d s, not %d to %d", rate, in, second, least, most)
				}
				mu.Unlock()
			}
			before := time.Now()
			if err := d.StopAccepting(); err != nil {
				t.Error(err)
			}
			d.Drain(time.Minute)
			if took := time.Since(before); took > 0 || d.Refused() > 0 {
				t.Errorf("the end took %v, %d were refused", took, d.Refused())
			}
		})
	}
}
