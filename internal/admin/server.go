package admin

import (
	"crypto/tls"
	"log/slog"
	"net"
	"net/http"
	"os"
	"sync"
	"time"

	"weir/internal/broker"
	"weir/internal/clock"
	"weir/internal/stats"
)

// Door is one open listener, for listings.
type Door struct {
	Name string // "amqp"
	Addr net.Addr
	TLS  bool
	// Expires is when the first of its certificates does; zero without any.
	Expires time.Time
	Refused uint64 // connections closed because of a limit of connections
}

// Options configure a Server.
type Options struct {
	Broker  *broker.Broker
	Log     *slog.Logger
	Version string
	Clock   clock.Clock // the machine's own if nil
	// Doors lists the open doors; without it none are known.
	Doors func() []Door
}

const (
	// readTimeout bounds the sending of a request's header.
	readTimeout = 10 * time.Second
	// idleTimeout bounds an idle keep-alive connection.
	idleTimeout = 2 * time.Minute
	// headerBytesMax bounds a request's header.
	headerBytesMax = 64 << 10
)

// Server serves the HTTP door.
type Server struct {
	options  Options
	http     *http.Server
	routes   []entry
	origin   *http.CrossOriginProtection
	started  time.Time
	node     string
	requests stats.Histogram
	rates    rates
}

// New returns a server. It starts nothing.
func New(o Options) *Server {
	if o.Clock == nil {
		o.Clock = clock.System()
	}
	host, err := os.Hostname()
	if err != nil {
		host = "localhost"
	}
	s := &Server{options: o, origin: http.NewCrossOriginProtection(), started: o.Clock.Now(), node: "weir@" + host}
	s.routes = table()
	s.http = &http.Server{
		Handler: s, ReadHeaderTimeout: readTimeout, IdleTimeout: idleTimeout, MaxHeaderBytes: headerBytesMax,
		ErrorLog: slog.NewLogLogger(o.Log.Handler(), slog.LevelDebug),
	}
	return s
}

// ServeConn serves one connection and returns when it has ended.
func (s *Server) ServeConn(conn net.Conn, _ *tls.ConnectionState) {
	l := &oneConn{conn: conn, done: make(chan struct{})}
	err := s.http.Serve(l)
	s.options.Log.Debug("http connection ended", "remote", conn.RemoteAddr().String(), "err", err)
}

// oneConn is a listener that has one connection to give.
type oneConn struct {
	conn net.Conn
	once sync.Once
	end  sync.Once
	done chan struct{}
}

func (l *oneConn) Accept() (net.Conn, error) {
	var c net.Conn
	l.once.Do(func() { c = &closing{Conn: l.conn, l: l} })
	if c != nil {
		return c, nil
	}
	<-l.done
	return nil, net.ErrClosed
}

func (l *oneConn) Close() error {
	l.end.Do(func() { close(l.done) })
	return nil
}

func (l *oneConn) Addr() net.Addr { return l.conn.LocalAddr() }

// closing tells its listener when the connection is closed.
type closing struct {
	net.Conn
	l *oneConn
}

func (c *closing) Close() error {
	err := c.Conn.Close()
	if e := c.l.Close(); err == nil {
		err = e
	}
	return err
}
