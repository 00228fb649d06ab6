package sim

import (
	"context"
	"fmt"
	"net"
	"os"
	"sync"
	"syscall"
	"time"
)

const (
	dialRetry   = 500 * time.Millisecond // between attempts that are not answered
	dialTimeout = 5 * time.Second
	delayUsual  = 300 * time.Microsecond
	keepAlive   = 5 * time.Second
)

// Network carries byte streams between hosts as TCP does: what is lost is sent
// again, what comes twice or too early is put right, and a connection whose
// segments stay unanswered breaks. Each direction of each pair of hosts has
// conditions of its own.
type Network struct {
	dice *dice

	mu        sync.Mutex // guards everything below and all endpoints
	links     map[[2]string]*conditions
	listeners map[string]*listener // by address
	down      map[string]bool      // hosts without power
	ends      []*endpoint          // open ones, in the order of their making
	port      int
}

// conditions of one direction between two hosts.
type conditions struct {
	cut       bool
	loss      float64 // share of segments lost
	twice     float64 // share of segments that arrive twice
	delay     time.Duration
	variation time.Duration
}

func newNetwork(d *dice) *Network {
	return &Network{
		dice: d, links: map[[2]string]*conditions{}, listeners: map[string]*listener{}, down: map[string]bool{}, port: 40000,
	}
}

// link returns the conditions from one host to another.
func (n *Network) link(from, to string) *conditions {
	key := [2]string{from, to}
	c := n.links[key]
	if c == nil {
		c = &conditions{delay: delayUsual, variation: delayUsual}
		n.links[key] = c
	}
	return c
}

// alter changes conditions under the lock.
func (n *Network) alter(from, to string, f func(c *conditions)) {
	n.mu.Lock()
	defer n.mu.Unlock()
	f(n.link(from, to))
}

// heal makes everything as it was at first.
func (n *Network) heal() {
	n.mu.Lock()
	defer n.mu.Unlock()
	clear(n.links)
}

// carry calls f where and when a segment sent now arrives, if it does; f runs under
// the lock. It reports whether it does.
func (n *Network) carry(from, to string, f func()) bool {
	c := n.link(from, to)
	if c.cut || n.dice.is(c.loss) {
		return false
	}
	copies := 1
	if n.dice.is(c.twice) {
		copies = 2
	}
	for range copies {
		d := c.delay + n.dice.between(0, c.variation)
		time.AfterFunc(d, func() {
			n.mu.Lock()
			defer n.mu.Unlock()
			if !n.down[to] {
				f()
			}
		})
	}
	return true
}

// power takes the power from a host, with all its connections and listeners, or
// gives it back.
func (n *Network) power(host string, on bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.down[host] = !on
}

// abandon forgets the sockets of an ended process. A kernel that lives on tells the
// other ends.
func (n *Network) abandon(l *life, tell bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for address, listener := range n.listeners {
		if listener.life == l {
			delete(n.listeners, address)
		}
	}
	kept := n.ends[:0]
	for _, e := range n.ends {
		if e.life != l {
			kept = append(kept, e)
			continue
		}
		e.gone = true
		if tell {
			e.tellReset()
		}
		e.probed()
	}
	n.ends = kept
}

// probed lets the other end's kernel ask after the connection now and then, as it
// does where nothing is sent, until it knows that there is none any more.
func (e *endpoint) probed() {
	time.AfterFunc(keepAlive, func() {
		e.net.mu.Lock()
		defer e.net.mu.Unlock()
		if e.peer.err != nil || e.peer.closed || e.peer.gone {
			return
		}
		if !e.net.down[e.host()] {
			e.tellReset()
		}
		e.probed()
	})
}

// breakOne resets a random connection.
func (n *Network) breakOne() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	if len(n.ends) == 0 {
		return false
	}
	e := n.ends[n.dice.n(len(n.ends))]
	e.fail(syscall.ECONNRESET)
	e.tellReset()
	return true
}

// listener implements net.Listener.
type listener struct {
	net     *Network
	life    *life
	address *net.TCPAddr
	queue   chan *endpoint
	closed  chan struct{}
	once    sync.Once
}

// listen opens a socket of the process.
func (n *Network) listen(l *life, address string) (net.Listener, error) {
	a, err := net.ResolveTCPAddr("tcp", address)
	if err != nil {
		return nil, err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.listeners[address] != nil {
		return nil, &net.OpError{Op: "listen", Net: "tcp", Addr: a, Err: os.NewSyscallError("bind", syscall.EADDRINUSE)}
	}
	s := &listener{net: n, life: l, address: a, queue: make(chan *endpoint, 1024), closed: make(chan struct{})}
	n.listeners[address] = s
	return s, nil
}

func (s *listener) Accept() (net.Conn, error) {
	s.life.gate()
	select {
	case e := <-s.queue:
		s.life.gate()
		return e, nil
	case <-s.closed:
		return nil, net.ErrClosed
	}
}

func (s *listener) Close() error {
	s.life.gate()
	s.once.Do(func() {
		s.net.mu.Lock()
		defer s.net.mu.Unlock()
		delete(s.net.listeners, s.address.String())
		close(s.closed)
	})
	return nil
}

func (s *listener) Addr() net.Addr { return s.address }

// dial connects a client's host with an address.
func (n *Network) dial(ctx context.Context, from, address string) (*endpoint, error) {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	late := time.Now().Add(dialTimeout)
	for {
		answered, refused := n.knock(from, host, address)
		retry := time.NewTimer(dialRetry)
		select {
		case e := <-answered:
			retry.Stop()
			return e, nil
		case <-refused:
			retry.Stop()
			return nil, fmt.Errorf("dial %s: %w", address, syscall.ECONNREFUSED)
		case <-ctx.Done():
			retry.Stop()
			return nil, ctx.Err()
		case <-retry.C:
		}
		if time.Now().After(late) {
			return nil, fmt.Errorf("dial %s: %w", address, syscall.ETIMEDOUT)
		}
	}
}

// knock asks for a connection once. However often the question and its answer
// arrive, they count once.
func (n *Network) knock(from, host, address string) (answered chan *endpoint, refused chan struct{}) {
	answered, refused = make(chan *endpoint, 1), make(chan struct{}, 1)
	var there *endpoint
	asked := false
	n.mu.Lock()
	defer n.mu.Unlock()
	n.carry(from, host, func() {
		if !asked {
			asked, there = true, n.accept(from, address)
		}
		n.carry(host, from, func() {
			if there == nil {
				poke(refused)
				return
			}
			select {
			case answered <- there.peer:
			default:
			}
		})
	})
	return answered, refused
}

// accept makes both ends of a connection to address, nil where nobody listens.
func (n *Network) accept(from, address string) *endpoint {
	s := n.listeners[address]
	if s == nil || len(s.queue) == cap(s.queue) {
		return nil
	}
	n.port++
	local := &net.TCPAddr{IP: net.ParseIP(from), Port: n.port}
	client, there := newEndpoint(n, nil, local, s.address), newEndpoint(n, s.life, s.address, local)
	client.peer, there.peer = there, client
	n.ends = append(n.ends, client, there)
	s.queue <- there
	return there
}
