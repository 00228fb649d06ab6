package kafka

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"runtime/debug"
	"sync"
	"time"

	"weir/internal/auth"
	"weir/internal/broker"
	"weir/internal/clock"
)

// Options open a server.
type Options struct {
	Broker *broker.Broker
	Log    *slog.Logger
	Clock  clock.Clock
	// Namespace is where clients' topics are; "/".
	Namespace string
	// Advertised is the address clients are told to connect to, host:port; empty
	// is the one they have dialled.
	Advertised string
	// Loopback is the host's name for clients that have dialled a loopback address,
	// where nothing is advertised; empty is that address.
	Loopback string
	// Token checks bearer tokens; nil: OAUTHBEARER is not offered.
	Token TokenChecker
	// CertificateName is the part of a client's certificate that is its user.
	CertificateName string
	// ClusterID is shown to clients.
	ClusterID string
	// RebalanceDelay is how long the first consumers of a group wait for more; 0
	// takes 100 ms, less than 0 none.
	RebalanceDelay time.Duration
	// HandshakeTimeout is how long a client that nobody knows yet may take for a
	// request; 0 takes 10 s.
	HandshakeTimeout time.Duration
	// IdleTimeout is how long another one may send nothing, or take nothing of what
	// it is sent; 0 takes Kafka's 10 minutes.
	IdleTimeout time.Duration
	// NoAutoCreate says that a topic is not made only because a client names it.
	NoAutoCreate bool
	// Partitions is how many a topic has whose maker does not say; 0 is 1.
	Partitions int
}

// Server serves any number of connections.
type Server struct {
	unpacking chan struct{} // has a value for each batch that is being unpacked

	options      Options
	apis         map[int16]*api
	groups       *coordinator
	transactions *transactions
	internal     internalTopics
	quotas       *quotas

	mu struct {
		sync.Mutex
		conns    map[*conn]struct{}
		draining bool
	}
}

// New returns a server. It accepts nothing by itself; Close ends what it keeps.
func New(o Options) (*Server, error) {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Clock == nil {
		o.Clock = clock.System()
	}
	if o.Namespace == "" {
		o.Namespace = "/"
	}
	if o.ClusterID == "" {
		o.ClusterID = "weir"
	}
	if o.Partitions <= 0 {
		o.Partitions = 1
	}
	if o.HandshakeTimeout <= 0 {
		o.HandshakeTimeout = handshakeTimeout
	}
	if o.IdleTimeout <= 0 {
		o.IdleTimeout = idleTimeout
	}
	if o.RebalanceDelay == 0 {
		o.RebalanceDelay = rebalanceDelay
	}
	own := o.Broker.Coordinate(o.Namespace)
	transactions, err := newTransactions(own, o.Clock, o.Log)
	if err != nil {
		return nil, fmt.Errorf("kafka: %w", err)
	}
	quotas, err := newQuotas(own)
	if err != nil {
		return nil, fmt.Errorf("kafka: %w", err)
	}
	s := &Server{options: o, apis: apis(), quotas: quotas, unpacking: make(chan struct{}, unpackAtOnce), groups: newCoordinator(own, &o), transactions: transactions}
	s.mu.conns = map[*conn]struct{}{}
	o.Broker.KeepGroups(o.Namespace, s.groups)
	o.Broker.KeepTransactions(o.Namespace, s.transactions)
	return s, nil
}

// Close stops what the server does without being asked.
func (s *Server) Close() {
	s.groups.close()
	s.transactions.close()
}

// Serve serves one connection and returns when it has ended; nc is closed then.
func (s *Server) Serve(nc net.Conn, secured *tls.ConnectionState) {
	c := &conn{server: s, net: nc, ended: make(chan struct{}), name: fmt.Sprintf("%v -> %v", nc.RemoteAddr(), nc.LocalAddr())}
	c.pipeline.init()
	c.reader = bufio.NewReaderSize(nc, readAhead)
	if secured != nil && len(secured.VerifiedChains) > 0 {
		c.certificate, _ = auth.CertificateUser(secured.PeerCertificates[0], s.options.CertificateName)
	}
	if a, ok := nc.RemoteAddr().(*net.TCPAddr); ok {
		c.remote = a.AddrPort()
	}
	if !s.admit(c) {
		_ = nc.Close()
		return
	}
	defer s.forget(c)
	defer c.close()
	defer func() {
		if p := recover(); p != nil {
			s.options.Log.Error("kafka: connection ended by a fault", "conn", c.name, "fault", p, "stack", string(debug.Stack()))
		}
	}()
	c.serve()
}

func (s *Server) admit(c *conn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.mu.draining {
		return false
	}
	s.mu.conns[c] = struct{}{}
	return true
}

func (s *Server) forget(c *conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.mu.conns, c)
}

// Drain refuses new connections and ends the open ones after the request they are
// at; clients connect elsewhere or again.
func (s *Server) Drain() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mu.draining = true
	s.groups.close()
	for c := range s.mu.conns {
		_ = c.net.SetReadDeadline(time.Unix(1, 0))
		c.kill()
	}
}

// address is where a client is told this node is.
func (c *conn) address() (host string, port int32) {
	a := c.server.options.Advertised
	if a == "" {
		a = c.net.LocalAddr().String()
	}
	at, err := netip.ParseAddrPort(a)
	if err == nil {
		if name := c.server.options.Loopback; name != "" && at.Addr().Unmap().IsLoopback() {
			return name, int32(at.Port())
		}
		return at.Addr().String(), int32(at.Port())
	}
	h, p, err := net.SplitHostPort(a)
	if err != nil {
		return a, 0
	}
	n, err := net.LookupPort("tcp", p)
	if err != nil {
		n = 0
	}
	return h, int32(n)
}
