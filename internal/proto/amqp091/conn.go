package amqp091

import (
	"crypto/tls"
	"fmt"
	"net"
	"net/netip"
	"runtime/debug"
	"sync/atomic"
	"time"

	"weir/internal/broker"
	"weir/internal/clock"
	"weir/internal/proto/amqp091/codec"
	"weir/internal/wire"
)

// state is where the connection stands between its first and its last method.
type state uint8

const (
	stateStarting state = iota // connection.start sent
	stateSecuring              // connection.secure sent
	stateTuning                // connection.tune sent
	stateOpening               // tune-ok received
	stateRunning
	stateClosing // connection.close sent: everything but close-ok is ignored
	stateEnded
)

// String is RabbitMQ's word, which stands in error texts.
func (s state) String() string {
	return [...]string{"starting", "securing", "tuning", "opening", "running", "closing", "closed"}[s]
}

const (
	// Frames before connection.open may not be larger; RabbitMQ has the same.
	handshakeFrameBytesMax = 8192
	// How long a client that was told to close may take to confirm it.
	closeTimeout = 5 * time.Second
	// Without heartbeats the timer only shrinks buffers and stops idle writers.
	tickIdle = 30 * time.Second
)

// conn is one connection.
//
// Everything but out and the atomics belongs to the reader goroutine, or is not
// changed after the timer and the session exist.
type conn struct {
	server *Server
	net    net.Conn
	tls    *tls.ConnectionState
	out    outbox

	state     state
	name      string // "client -> server", as listed
	remote    netip.AddrPort
	principal broker.Principal
	vhost     string
	session   *broker.Session // set once under the outbox mutex, before the first delivery
	detached  bool            // session is closed
	client    codec.Table     // properties
	mechanism string

	cancelNotify  bool // the client's capabilities
	blockedNotify bool
	failureClose  bool

	channelMax uint16
	frameMax   atomic.Uint32
	channels   map[uint16]*channel
	last       *channel // looked up last
	highest    uint16   // channel ever opened
	touched    []*channel
	names      map[string]string
	lastName   string // interned last

	buf          []byte // read buffer; buf[r:w] is unread
	r, w         int
	received     atomic.Bool // something was read since the last tick
	ending       atomic.Bool // what is left to write has closeTimeout
	waiting      atomic.Bool // the reader waits for the broker, not for the client
	largeBuffer  atomic.Bool
	heartbeat    time.Duration
	missed       int // ticks without anything received; the timer's own
	timer        clock.Timer
	blockedShown bool           // connection.blocked was sent; guarded by out
	held         bool           // by the engine; guarded by out
	retired      broker.Traffic // of channels that are gone; guarded by out
	bytesIn      atomic.Uint64
	bytesOut     atomic.Uint64
	bodyBytesMax uint64
}

func newConn(s *Server, nc net.Conn, tlsState *tls.ConnectionState) *conn {
	c := &conn{server: s, net: nc, tls: tlsState}
	c.out.init()
	c.frameMax.Store(handshakeFrameBytesMax)
	if a, ok := nc.RemoteAddr().(*net.TCPAddr); ok {
		c.remote = a.AddrPort()
	}
	c.name = fmt.Sprintf("%v -> %v", nc.RemoteAddr(), nc.LocalAddr())
	return c
}

// serve runs the reader goroutine to its end. What is on the stack while it waits
// for input counts in every idle connection, so it is kept small.
func (c *conn) serve() {
	defer c.end()
	c.deadline(c.server.options.HandshakeTimeout)
	if !c.readHeader() {
		return
	}
	for c.state != stateEnded && c.fill() {
		c.process()
		c.flush()
	}
}

// deadline bounds how long the reader waits from now on; 0 is for ever.
func (c *conn) deadline(d time.Duration) {
	var at time.Time
	if d > 0 {
		at = c.server.options.Clock.Now().Add(d)
	}
	_ = c.net.SetReadDeadline(at)
}

// wakeReader makes a blocked read return, so that the reader looks at the
// requests in the outbox.
func (c *conn) wakeReader() { _ = c.net.SetReadDeadline(time.Unix(1, 0)) }

// flush hands what was decoded to the engine.
func (c *conn) flush() {
	if c.session != nil && !c.detached {
		c.waiting.Store(true)
		c.session.Flush()
		c.waiting.Store(false)
	}
	c.waitForRoom()
}

// waitForRoom stops reading while too many replies wait for the socket.
func (c *conn) waitForRoom() {
	o := &c.out
	o.Lock()
	c.reportLocked()
	for len(o.frames) > replyBytesMax && !o.closed {
		o.room.Wait()
	}
	o.Unlock()
}

// abort closes the socket; everything that waits for it returns.
func (c *conn) abort() {
	_ = c.net.Close()
	c.kill("connection lost")
	c.out.Lock()
	c.out.closed = true
	c.out.discardLocked()
	if c.out.parked {
		c.out.unparkLocked()
	}
	c.out.room.Broadcast()
	c.out.Unlock()
}

// end releases everything. What still waits to be written gets closeTimeout.
func (c *conn) end() {
	if p := recover(); p != nil {
		c.server.panics.Add(1)
		c.server.options.Log.Error("amqp091: connection ended by a fault", "conn", c.name, "fault", p,
			"stack", string(debug.Stack()))
	}
	defer c.server.forget(c)
	if c.timer != nil {
		c.timer.Stop()
	}
	c.closeSession()
	o := &c.out
	o.Lock()
	o.finishing = true
	done, running := o.done, o.running
	if o.parked {
		o.unparkLocked()
	}
	o.Unlock()
	c.ending.Store(true)
	if running {
		_ = c.net.SetWriteDeadline(c.server.options.Clock.Now().Add(closeTimeout))
		<-done
	}
	c.linger()
	c.abort()
	wire.PutBuffer(c.buf)
	c.buf = nil
}

// linger ends our half of the connection and reads what the client had sent
// before it saw our goodbye: closing with unread bytes would reset the connection
// and destroy a close-ok on its way.
func (c *conn) linger() {
	half, ok := c.net.(interface{ CloseWrite() error })
	c.out.Lock()
	closed := c.out.closed
	c.out.Unlock()
	if !ok || closed || half.CloseWrite() != nil {
		return
	}
	c.deadline(closeTimeout)
	var scrap [512]byte
	for {
		if _, err := c.net.Read(scrap[:]); err != nil {
			return
		}
	}
}

// closeSession detaches every consumer and gives every lease back.
func (c *conn) closeSession() {
	if c.session == nil || c.detached {
		return
	}
	c.out.Lock()
	for _, ch := range c.channels {
		ch.closed = true
	}
	c.out.Unlock()
	for _, ch := range c.channels {
		ch.release()
	}
	c.retireChannels()
	c.last = nil
	c.detached = true
	c.session.Flush()
	c.session.Close()
}

// force makes the reader close the connection with CONNECTION_FORCED.
func (c *conn) force(reason string) {
	c.out.Lock()
	c.out.forced = reason
	c.out.Unlock()
	c.wakeReader()
}

// kill ends the session, which calls force, or does that itself before there is
// one. It frees a reader that waits for the engine.
func (c *conn) kill(reason string) {
	c.out.Lock()
	session := c.session
	c.out.Unlock()
	if session != nil {
		session.Kill(reason)
		return
	}
	c.force(reason)
}

// requests does what the timer and engine goroutines asked of the reader.
func (c *conn) requests() {
	o := &c.out
	o.Lock()
	gone, forced, shrink := o.gone, o.forced, o.shrink
	o.gone, o.forced, o.shrink = nil, "", false
	o.Unlock()
	for _, consumer := range gone {
		consumer.channel.forget(consumer)
	}
	if shrink {
		c.shrinkBuffer()
	}
	if forced != "" && c.state < stateClosing {
		text := forced
		if forced == reasonShutdown { // RabbitMQ's words; other reasons stand alone
			text = "broker forced connection closure with reason '" + forced + "'"
		}
		c.fail(0, raise(codeConnectionForced, "%s", text))
	}
}

// fail reports the exception on its channel, or closes the connection with it.
func (c *conn) fail(number uint16, e *exception) {
	ch := c.channel(number)
	if !e.hard() && number != 0 && ch != nil {
		ch.close()
		ch.closing = true
		c.send(number, &codec.ChannelClose{
			ReplyCode: e.code, ReplyText: e.text,
			ClassID: e.method.Class(), MethodID: e.method.Number(),
		})
		c.server.options.Log.Info("amqp091: channel closed", "conn", c.name, "channel", number, "text", e.text)
		return
	}
	c.server.options.Log.Warn("amqp091: connection closed", "conn", c.name, "state", c.state.String(), "text", e.text)
	if c.state < stateTuning && e.code != codeAccessRefused || c.state == stateClosing {
		c.state = stateEnded
		return
	}
	c.closeSession()
	c.send(0, &codec.ConnectionClose{
		ReplyCode: e.code, ReplyText: e.text,
		ClassID: e.method.Class(), MethodID: e.method.Number(),
	})
	c.state = stateClosing
	c.deadline(closeTimeout)
	if e.desync {
		c.drain()
	}
}

// drain reads and forgets what comes, so that the closing of the socket does not
// destroy the last words in the client's receive buffer.
func (c *conn) drain() {
	c.state = stateEnded
	c.out.Lock()
	c.out.finishing = true
	c.out.Unlock()
	c.deadline(closeTimeout)
	for {
		if _, err := c.net.Read(c.buf); err != nil {
			return
		}
	}
}

// channel finds an open channel.
func (c *conn) channel(number uint16) *channel {
	if c.last != nil && c.last.number == number {
		return c.last
	}
	ch := c.channels[number]
	if ch != nil {
		c.last = ch
	}
	return ch
}

// namesMax bounds the names a connection keeps: clients publish to few exchanges.
const namesMax = 256

// intern returns b as a string without allocating for names seen before.
func (c *conn) intern(b []byte) string {
	if string(b) == c.lastName {
		return c.lastName
	}
	name, ok := c.names[string(b)]
	if !ok {
		name = string(b)
		if len(c.names) < namesMax {
			if c.names == nil {
				c.names = map[string]string{}
			}
			c.names[name] = name
		}
	}
	c.lastName = name
	return name
}

// startTimer begins heartbeats in both directions and the care for idle memory.
func (c *conn) startTimer() {
	c.timer = c.server.options.Clock.AfterFunc(c.tickEvery(), c.tick)
}

func (c *conn) tickEvery() time.Duration {
	if c.heartbeat > 0 {
		return c.heartbeat / 3
	}
	return tickIdle
}

// missedTicksMax is two heartbeats, in ticks of a third of one, and one tick
// because the first may have begun just before something was received.
const missedTicksMax = 7

// tick runs on the timer, every third of a heartbeat: what is sent is never two
// thirds apart, for clients that do not wait longer than one.
func (c *conn) tick() {
	o := &c.out
	silent := !c.received.Swap(false) && !c.waiting.Load()
	if !silent {
		c.missed = 0
	} else if c.missed++; c.heartbeat > 0 && c.missed >= missedTicksMax {
		c.server.options.Log.Warn("amqp091: missed heartbeats from client", "conn", c.name)
		c.abort()
		c.wakeReader()
		return
	}
	o.Lock()
	if o.closed {
		o.Unlock()
		return
	}
	switch {
	case o.wrote:
		o.wrote = false
	case c.heartbeat > 0:
		o.items = append(o.items, item{kind: itemHeartbeat})
		c.wakeWriterLocked()
		o.quit = true // and then rest
	case o.parked:
		o.quit = true
		o.unparkLocked()
	}
	shrink := silent && c.largeBuffer.Load()
	o.shrink = o.shrink || shrink
	o.Unlock()
	if shrink {
		c.wakeReader()
	}
	c.timer.Reset(c.tickEvery())
}
