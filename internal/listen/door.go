package listen

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"weir/internal/clock"
)

// Handler serves one connection and returns when it has ended. state is nil
// without TLS.
type Handler func(conn net.Conn, state *tls.ConnectionState)

// Options open a door.
type Options struct {
	Name    string // "amqp"
	Address string // host:port; port 0 takes a free one, localhost is both loopbacks
	TLS     *tls.Config
	Handler Handler
	// Listen opens a listening socket; nil is net.ListenConfig's.
	Listen func(ctx context.Context, network, address string) (net.Listener, error)
	Log    *slog.Logger
	Clock  clock.Clock
	// ConnectionsMax is how many connections may be open at once; further ones
	// are closed on accept. 0 takes the default.
	ConnectionsMax int
	// Budget, if not nil, bounds the connections of all doors that have it.
	Budget *Budget
	// Addresses bounds likewise those of each remote address.
	Addresses *Addresses
	// AcceptsPerSecond is how many connections are accepted in a second; further
	// ones wait in the system's backlog. 0 is no limit.
	AcceptsPerSecond int
	// Handshakes bounds the TLS handshakes that compute at the same time at all
	// doors that have it.
	Handshakes *Handshakes
}

const (
	connectionsMaxDefault = 200_000
	// tlsHandshakeTimeout bounds what a client can hold without saying anything.
	tlsHandshakeTimeout = 5 * time.Second
	// acceptRetry is the wait after a passing accept error, such as no more
	// file descriptors.
	acceptRetry = 50 * time.Millisecond
)

// Door is one listening address.
type Door struct {
	options   Options
	listeners []net.Listener // at least one
	done      sync.WaitGroup
	pace      *pace
	refused   atomic.Uint64
	stopping  context.Context // ends with StopAccepting
	stop      context.CancelFunc
	closing   context.Context // ends with Close
	close     context.CancelFunc

	mu struct {
		sync.Mutex
		conns  map[net.Conn]struct{}
		closed bool
	}
}

// Open binds the address and begins to accept.
func Open(o Options) (*Door, error) {
	if o.Listen == nil {
		var lc net.ListenConfig
		o.Listen = lc.Listen
	}
	listeners, err := o.bind()
	if err != nil {
		return nil, fmt.Errorf("door %s: %w", o.Name, err)
	}
	if o.ConnectionsMax <= 0 {
		o.ConnectionsMax = connectionsMaxDefault
	}
	d := &Door{options: o, listeners: listeners, pace: newPace(o.Clock, o.AcceptsPerSecond)}
	d.closing, d.close = context.WithCancel(context.Background())
	d.stopping, d.stop = context.WithCancel(d.closing)
	d.mu.conns = map[net.Conn]struct{}{}
	for _, l := range listeners {
		d.done.Add(1)
		go d.acceptLoop(l)
	}
	return d, nil
}

// bind listens where the address says. A client takes localhost for either loopback
// address, so that name stands for both, as far as the machine has them.
func (o *Options) bind() ([]net.Listener, error) {
	host, _, err := net.SplitHostPort(o.Address)
	if err != nil || host != "localhost" {
		l, err := o.Listen(context.Background(), "tcp", o.Address)
		return []net.Listener{l}, err
	}
	first, err := o.Listen(context.Background(), "tcp4", o.Address)
	if err != nil {
		return nil, err
	}
	_, port, err := net.SplitHostPort(first.Addr().String())
	if err != nil {
		return nil, errors.Join(err, first.Close())
	}
	second, err := o.Listen(context.Background(), "tcp6", net.JoinHostPort("::1", port))
	listeners := []net.Listener{first}
	if err == nil {
		listeners = append(listeners, second)
	} else if errors.Is(err, syscall.EADDRINUSE) {
		return nil, errors.Join(err, first.Close())
	}
	return listeners, nil
}

// Addr is where the door listens, the first address if there are two.
func (d *Door) Addr() net.Addr { return d.listeners[0].Addr() }

// Name is the door's name.
func (d *Door) Name() string { return d.options.Name }

// TLS says whether the door speaks TLS.
func (d *Door) TLS() bool { return d.options.TLS != nil }

func (d *Door) acceptLoop(l net.Listener) {
	defer d.done.Done()
	for {
		conn, err := l.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			d.options.Log.Warn("accept failed", "door", d.options.Name, "err", err)
			d.pause(acceptRetry)
			continue
		}
		if d.enter(conn) {
			go d.serve(conn)
		} else {
			d.refuse(conn)
		}
		if wait := d.pace.spend(); wait > 0 {
			d.pause(wait)
		}
	}
}

// pause waits, but not for longer than connections are accepted.
func (d *Door) pause(limit time.Duration) {
	over := make(chan struct{})
	t := d.options.Clock.AfterFunc(limit, func() { close(over) })
	select {
	case <-over:
	case <-d.stopping.Done():
		t.Stop()
	}
}

func (d *Door) refuse(conn net.Conn) {
	if err := conn.Close(); err != nil {
		d.options.Log.Debug("close of a refused connection", "door", d.options.Name, "err", err)
	}
}

func (d *Door) enter(conn net.Conn) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.mu.closed {
		return false
	}
	if len(d.mu.conns) >= d.options.ConnectionsMax || !d.take(conn) {
		d.refused.Add(1)
		return false
	}
	d.mu.conns[conn] = struct{}{}
	d.done.Add(1)
	return true
}

// take reports whether the limits that doors share have room for one more.
func (d *Door) take(conn net.Conn) bool {
	if !d.options.Addresses.take(conn) {
		return false
	}
	if !d.options.Budget.take() {
		d.options.Addresses.give(conn)
		return false
	}
	return true
}

// Refused is how many connections were closed on accept because of a limit.
func (d *Door) Refused() uint64 { return d.refused.Load() }

func (d *Door) serve(conn net.Conn) {
	defer func() {
		if r := recover(); r != nil {
			d.options.Log.Error("connection handler failed", "door", d.options.Name,
				"remote", conn.RemoteAddr().String(), "panic", r, "stack", string(debug.Stack()))
		}
		d.refuse(conn)
		d.mu.Lock()
		delete(d.mu.conns, conn)
		d.mu.Unlock()
		d.options.Addresses.give(conn)
		d.options.Budget.give()
		d.done.Done()
	}()
	if d.options.TLS == nil {
		d.options.Handler(conn, nil)
		return
	}
	secure, err := d.handshake(conn)
	if err != nil {
		d.options.Log.Debug("TLS handshake failed", "door", d.options.Name, "remote", conn.RemoteAddr().String(), "err", err)
		return
	}
	state := secure.ConnectionState()
	d.options.Handler(secure, &state)
}

func (d *Door) handshake(conn net.Conn) (*tls.Conn, error) {
	ctx, cancel := context.WithTimeout(d.closing, tlsHandshakeTimeout)
	defer cancel()
	turns := d.options.Handshakes.begin(ctx, conn)
	defer turns.end()
	secure := tls.Server(turns, d.options.TLS)
	return secure, secure.HandshakeContext(ctx)
}

// StopAccepting closes the listeners; open connections go on.
func (d *Door) StopAccepting() error {
	var errs []error
	for _, l := range d.listeners {
		errs = append(errs, l.Close())
	}
	d.stop() // after that, or a waiting loop would accept one more
	return errors.Join(errs...)
}

// Drain gives the open connections so long to end by themselves, then closes.
// The caller has stopped accepting and told the clients to go.
func (d *Door) Drain(limit time.Duration) {
	ended, late := make(chan struct{}), make(chan struct{})
	go func() {
		d.done.Wait()
		close(ended)
	}()
	t := d.options.Clock.AfterFunc(limit, func() { close(late) })
	defer t.Stop()
	select {
	case <-ended:
	case <-late:
	}
	d.Close()
}

// Close ends the connections that are still open and waits for their handlers.
func (d *Door) Close() {
	d.mu.Lock()
	d.mu.closed = true
	for conn := range d.mu.conns {
		d.refuse(conn)
	}
	d.mu.Unlock()
	d.close()
	d.done.Wait()
}
