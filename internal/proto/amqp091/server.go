package amqp091

import (
	"crypto/tls"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"weir/internal/auth"
	"weir/internal/broker"
	"weir/internal/clock"
	"weir/internal/proto/amqp091/codec"
)

// Options configure a Server. Zero values take the defaults named there.
type Options struct {
	Broker *broker.Broker
	Log    *slog.Logger
	Clock  clock.Clock

	FrameBytesMax uint32        // offered frame-max; 131072
	ChannelsMax   uint16        // offered channel-max; 2047
	Heartbeat     time.Duration // offered, in whole seconds; 60 s
	// HandshakeTimeout is from the first byte to connection.open; 10 s.
	HandshakeTimeout time.Duration
	// WriteTimeout is how long one write may wait for a client to read; 30 s.
	WriteTimeout time.Duration

	// CertificateName is the part of a client's certificate that is its user name,
	// see package auth; "common_name".
	CertificateName string

	ClusterName string // shown to clients; "weir"
	Identity    string // of this server and its version, for `platform`; "weir"
}

// The default frame-max is RabbitMQ's; buffers are made for it.
const frameBytesMaxDefault = 131072

// Server serves any number of connections.
//
// Invariant: a connection is in conns from before its first byte is read until
// its session is closed.
type Server struct {
	options    Options
	properties codec.Table
	panics     atomic.Uint64

	mu struct {
		sync.Mutex
		conns    map[*conn]struct{}
		draining bool
	}
}

// New returns a server. It starts nothing.
func New(o Options) *Server {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Clock == nil {
		o.Clock = clock.System()
	}
	if o.FrameBytesMax == 0 {
		o.FrameBytesMax = frameBytesMaxDefault
	}
	if o.ChannelsMax == 0 {
		o.ChannelsMax = 2047
	}
	if o.Heartbeat == 0 {
		o.Heartbeat = time.Minute
	}
	if o.HandshakeTimeout == 0 {
		o.HandshakeTimeout = 10 * time.Second
	}
	if o.WriteTimeout == 0 {
		o.WriteTimeout = 30 * time.Second
	}
	if o.CertificateName == "" {
		o.CertificateName = auth.CertificateNames[0]
	}
	if o.ClusterName == "" {
		o.ClusterName = "weir"
	}
	if o.Identity == "" {
		o.Identity = "weir"
	}
	s := &Server{options: o, properties: serverProperties(&o)}
	s.mu.conns = map[*conn]struct{}{}
	return s
}

// Serve serves one connection and returns when it has ended; nc is closed then.
// tlsState is that of a TLS connection, nil on a plain one.
func (s *Server) Serve(nc net.Conn, tlsState *tls.ConnectionState) {
	if c := s.admit(nc, tlsState); c != nil {
		c.serve()
	}
}

// admit notes a connection, or closes it while the server drains.
func (s *Server) admit(nc net.Conn, tlsState *tls.ConnectionState) *conn {
	c := newConn(s, nc, tlsState)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.mu.draining {
		_ = nc.Close()
		return nil
	}
	s.mu.conns[c] = struct{}{}
	return c
}

func (s *Server) forget(c *conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.mu.conns, c)
}

// reasonShutdown is why a server that drains closes connections.
const reasonShutdown = "shutdown"

// Drain refuses new connections and asks every client to go away with
// CONNECTION_FORCED. It returns at once; Serve calls return as clients leave.
func (s *Server) Drain() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mu.draining = true
	for c := range s.mu.conns {
		c.kill(reasonShutdown)
	}
}

// Connections returns how many connections there are.
func (s *Server) Connections() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.mu.conns)
}

// Panics returns how many connections ended by a fault of this package.
func (s *Server) Panics() uint64 { return s.panics.Load() }
