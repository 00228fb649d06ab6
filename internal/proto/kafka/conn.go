package kafka

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"weir/internal/broker"
)

const (
	// frameBytesMax of requests without messages in them. The decoder may take up
	// to some eighty times of it for a hostile one.
	frameBytesMax = 1 << 20
	// frameBeforeLogin is for those of a client that nobody knows yet.
	frameBeforeLogin = 64 << 10
	// inKept bounds the memory that a connection keeps for its next request.
	inKept = 2 << 20
	// readAhead is how much is read at once where little is asked for: a small
	// request in one system call.
	readAhead = 4 << 10
	// frameMore is what a produce request may have besides its messages.
	frameMore = 1 << 20
)

var errFrame = errors.New("kafka: malformed frame")

// conn is one connection. It belongs to its goroutine.
type conn struct {
	server  *Server
	net     net.Conn
	name    string
	remote  netip.AddrPort
	client  string // its id of itself
	session *broker.Session

	certificate string        // user of the client's certificate
	user        string        // who has logged in
	login       *exchange     // that is under way
	until       time.Time     // the login holds; zero: for ever
	mute        time.Duration // before the next request is read
	limit       time.Duration // of the client's silence
	waited      time.Time     // when it was set
	pipeline    pipeline
	known       knownTopics
	fetches     *fetchSession // nil is none
	fetched     []broker.Fetched
	shares      map[shareKey]*shareSession
	head        [4]byte
	ended       chan struct{} // closed when the connection is to end
	end         sync.Once
	reader      *bufio.Reader // of net
	in, out     []byte
}

// request is one frame taken apart.
type request struct {
	key, version int16
	correlation  int32
	body         []byte
}

func (c *conn) serve() {
	defer func() { _ = c.answered() }()
	for {
		c.wait()
		if err := c.readFull(c.head[:]); err != nil {
			return
		}
		n := int(int32(binary.BigEndian.Uint32(c.head[:])))
		if err := c.one(n); err != nil {
			c.server.options.Log.Info("kafka: connection closed", "conn", c.name, "err", err)
			return
		}
		c.muted()
	}
}

// one reads and answers a request of n bytes.
func (c *conn) one(n int) error {
	if c.login != nil && c.login.raw {
		return c.rawToken(n)
	}
	if n < 8 || n > int(c.server.options.Broker.MessageBytesMax())+frameMore {
		return fmt.Errorf("%w: %d bytes", errFrame, n)
	}
	var head [4]byte
	if err := c.readFull(head[:]); err != nil {
		return err
	}
	r := request{key: int16(binary.BigEndian.Uint16(head[:])), version: int16(binary.BigEndian.Uint16(head[2:]))}
	a, err := c.find(&r)
	switch {
	case err != nil:
		return err
	case r.key != keyProduce && n > frameBytesMax, c.session == nil && n > frameBeforeLogin:
		return fmt.Errorf("%w: %d bytes of key %d", errFrame, n, r.key)
	}
	if err := c.fill(n - 4); err != nil {
		return err
	}
	if err := c.open(&r); err != nil {
		return err
	}
	return c.answer(a, &r)
}

// find looks a request's key up and sees to it that there is a session if that
// needs one. Versions of ApiVersions that are not known are nil: they have an
// answer too.
func (c *conn) find(r *request) (*api, error) {
	a, known := c.server.apis[r.key]
	if !known || r.version < a.low || r.version > a.high {
		if r.key == keyAPIVersions {
			return nil, nil
		}
		return nil, fmt.Errorf("kafka: key %d version %d is not offered", r.key, r.version)
	}
	if a.open && c.session == nil {
		if c.login != nil {
			return nil, fmt.Errorf("kafka: key %d before the login is over", r.key)
		}
		return a, c.openSession()
	}
	if a.open && c.expired() {
		return nil, errors.New("kafka: the login has expired")
	}
	return a, nil
}

// fill reads the rest of a frame. The buffer grows with what arrives, not with
// what is announced.
func (c *conn) fill(n int) error {
	if c.in = c.in[:0]; cap(c.in) > inKept && n <= inKept {
		c.in = nil
	}
	for len(c.in) < n {
		step := min(n-len(c.in), max(len(c.in), cap(c.in)-len(c.in), 64<<10))
		if cap(c.in)-len(c.in) < step {
			c.in = append(make([]byte, 0, len(c.in)+step), c.in...)
		}
		at := len(c.in)
		c.in = c.in[:at+step]
		if err := c.readFull(c.in[at:]); err != nil {
			return err
		}
	}
	return nil
}

// open reads the header: correlation id, client id and, in flexible versions,
// tagged fields.
func (c *conn) open(r *request) error {
	b := c.in
	if len(b) < 6 {
		return errFrame
	}
	r.correlation = int32(binary.BigEndian.Uint32(b))
	n := int(int16(binary.BigEndian.Uint16(b[4:])))
	b = b[6:]
	if n > len(b) {
		return errFrame
	}
	if n >= 0 {
		if c.client != string(b[:n]) {
			c.client = string(b[:n])
		}
		b = b[n:]
	}
	if flexible(r.key, r.version) {
		d := decoder{b: b}
		d.tags()
		if d.bad {
			return errFrame
		}
		b = d.b
	}
	r.body = b
	return nil
}

// answer carries a request out and writes what there is to say.
func (c *conn) answer(a *api, r *request) error {
	if r.key != keyProduce {
		if err := c.answered(); err != nil {
			return err
		}
	}
	if a == nil {
		return c.write(r, c.unsupportedVersions(), true)
	}
	answer, err := a.handle(c, r)
	if err != nil || answer == nil {
		return err
	}
	answer.SetVersion(r.version)
	c.wait() // it may have been parked
	return c.write(r, answer, r.key == keyAPIVersions)
}

// write sends an answer. plain is for ApiVersions, whose header never has tags.
func (c *conn) write(r *request, answer kmsg.Response, plain bool) error {
	return c.send(appendAnswer(c.out[:0], r, answer, plain))
}

// send writes b, whose memory is c.out's.
func (c *conn) send(b []byte) error {
	_, err := c.net.Write(b)
	if c.out = b[:0]; cap(b) > frameMore {
		c.out = nil
	}
	return err
}

func appendAnswer(b []byte, r *request, answer kmsg.Response, plain bool) []byte {
	start := len(b)
	b = append(b, 0, 0, 0, 0)
	b = binary.BigEndian.AppendUint32(b, uint32(r.correlation))
	if answer.IsFlexible() && !plain {
		b = append(b, 0)
	}
	b = answer.AppendTo(b)
	binary.BigEndian.PutUint32(b[start:], uint32(len(b)-start-4))
	return b
}

// guest is who a client is that has not said.
const guest = "guest"

// openSession opens a session for a client that did not log in: as the user of its
// certificate, or as guest, who may only come from this machine.
func (c *conn) openSession() error {
	c.user = guest
	if c.certificate != "" {
		c.user = c.certificate
	}
	p, err := c.server.options.Broker.Identify(c.user, c.remote)
	if err != nil {
		return err
	}
	return c.enter(p)
}

func (c *conn) enter(p broker.Principal) error {
	s, err := c.server.options.Broker.Open(p, broker.SessionOptions{
		Namespace: c.server.options.Namespace, Dialect: "Kafka", Name: c.name, Remote: c.remote,
		Properties: map[string]any{"client_id": c.client},
		Kill:       func(string) { c.finish() },
	})
	if err != nil {
		return err
	}
	c.server.mu.Lock()
	c.session = s
	c.server.mu.Unlock()
	return nil
}

// kill frees a connection that waits for messages. The server's mutex is held.
func (c *conn) kill() {
	if c.session != nil {
		c.session.Kill("shutdown")
	}
}

func (c *conn) close() {
	if c.session != nil {
		c.session.Close()
	}
	c.finish()
}

// finish frees whoever waits for the connection or on it.
func (c *conn) finish() {
	c.end.Do(func() {
		close(c.ended)
		_ = c.net.Close()
	})
}
