package sim

import (
	"io"
	"net"
	"os"
	"slices"
	"syscall"
	"time"
)

const (
	segmentBytes  = 16 << 10
	windowBytes   = 256 << 10
	resendFirst   = 200 * time.Millisecond
	resendLast    = 5 * time.Second
	resendGivesUp = 15 * time.Second
)

// endpoint is one end of a connection and implements net.Conn. Its network's lock
// guards it.
type endpoint struct {
	net           *Network
	life          *life // of the process it belongs to; nil for clients
	local, remote *net.TCPAddr
	peer          *endpoint

	in       []byte             // received, not read
	next     uint64             // position of the first byte not received
	consumed uint64             // read
	early    map[uint64]segment // received beyond next
	finished bool               // the peer has sent everything

	sent      []segment // not acknowledged
	end       uint64    // position after the last byte sent
	resend    *time.Timer
	resends   time.Duration // wait before the next one
	unheard   time.Time     // since when nothing is acknowledged
	closed    bool          // by its owner
	gone      bool          // with its process
	err       error
	readable  chan struct{}
	writable  chan struct{}
	deadlines [2]deadline // for reading, for writing
}

// segment is a part of the stream, or its end.
type segment struct {
	at   uint64
	data []byte
	fin  bool
}

type deadline struct {
	timer  *time.Timer
	passed bool
}

func newEndpoint(n *Network, l *life, local, remote *net.TCPAddr) *endpoint {
	return &endpoint{
		net: n, life: l, local: local, remote: remote, early: map[uint64]segment{},
		readable: make(chan struct{}, 1), writable: make(chan struct{}, 1),
	}
}

func (e *endpoint) host() string     { return e.local.IP.String() }
func (e *endpoint) peerHost() string { return e.remote.IP.String() }

func poke(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// gate holds up a paused process, for ever an ended one.
func (e *endpoint) gate() {
	if e.life != nil {
		e.life.gate()
	}
}

// fail breaks the connection for its owner.
func (e *endpoint) fail(err error) {
	if e.err == nil {
		e.err = err
	}
	if e.resend != nil {
		e.resend.Stop()
	}
	e.sent = nil
	poke(e.readable)
	poke(e.writable)
}

// tellReset tells the other end that this one knows of no connection.
func (e *endpoint) tellReset() {
	e.net.carry(e.host(), e.peerHost(), func() { e.peer.fail(syscall.ECONNRESET) })
}

// transmit sends a segment on its way once.
func (e *endpoint) transmit(s segment) {
	e.net.carry(e.host(), e.peerHost(), func() { e.peer.receive(s) })
}

// send appends to the stream.
func (e *endpoint) send(s segment) {
	if len(e.sent) == 0 {
		e.unheard, e.resends = time.Now(), resendFirst
		e.resendLater()
	}
	e.sent = append(e.sent, s)
	e.end = s.at + uint64(len(s.data))
	e.transmit(s)
}

func (e *endpoint) resendLater() {
	if e.resend != nil {
		e.resend.Stop()
	}
	e.resend = time.AfterFunc(e.resends, func() {
		e.net.mu.Lock()
		defer e.net.mu.Unlock()
		if len(e.sent) == 0 || e.gone {
			return
		}
		if time.Since(e.unheard) > resendGivesUp {
			e.fail(syscall.ETIMEDOUT)
			return
		}
		e.transmit(e.sent[0])
		e.resends = min(2*e.resends, resendLast)
		e.resendLater()
	})
}

// receive takes in a segment of the peer.
func (e *endpoint) receive(s segment) {
	if e.gone || e.err != nil || e.closed && len(s.data) > 0 {
		e.tellReset()
		return
	}
	if s.at > e.next {
		e.early[s.at] = s
	}
	for s.at == e.next && !e.finished {
		e.in = append(e.in, s.data...)
		e.next += uint64(len(s.data))
		e.finished = s.fin
		poke(e.readable)
		s = e.early[e.next]
		if s.data == nil && !s.fin {
			break
		}
		delete(e.early, e.next)
	}
	e.acknowledge()
}

// acknowledge tells the peer how far this end is.
func (e *endpoint) acknowledge() {
	next, finished := e.next, e.finished
	e.net.carry(e.host(), e.peerHost(), func() { e.peer.acknowledged(next, finished) })
}

func (e *endpoint) acknowledged(next uint64, finished bool) {
	before := len(e.sent)
	e.sent = slices.DeleteFunc(e.sent, func(s segment) bool {
		return s.at+uint64(len(s.data)) <= next && (!s.fin || finished)
	})
	if len(e.sent) < before {
		e.unheard, e.resends = time.Now(), resendFirst
		if len(e.sent) > 0 {
			e.resendLater()
		} else {
			e.resend.Stop()
		}
	}
}

// Read implements net.Conn.
func (e *endpoint) Read(p []byte) (int, error) {
	for {
		e.gate()
		e.net.mu.Lock()
		switch {
		case e.closed:
			e.net.mu.Unlock()
			return 0, net.ErrClosed
		case e.deadlines[0].passed:
			e.net.mu.Unlock()
			return 0, os.ErrDeadlineExceeded
		case len(e.in) > 0:
			k := copy(p, e.in)
			e.in = e.in[k:]
			e.consumed += uint64(k)
			poke(e.peer.writable) // the news of room is for free, and never lost
			e.net.mu.Unlock()
			return k, nil
		case e.err != nil:
			err := e.err
			e.net.mu.Unlock()
			return 0, &net.OpError{Op: "read", Net: "tcp", Addr: e.remote, Err: err}
		case e.finished:
			e.net.mu.Unlock()
			return 0, io.EOF
		}
		e.net.mu.Unlock()
		<-e.readable
	}
}

// Write implements net.Conn.
func (e *endpoint) Write(p []byte) (int, error) {
	done := 0
	for done < len(p) {
		e.gate()
		e.net.mu.Lock()
		var err error
		switch {
		case e.closed:
			err = net.ErrClosed
		case e.err != nil:
			err = &net.OpError{Op: "write", Net: "tcp", Addr: e.remote, Err: e.err}
		case e.deadlines[1].passed:
			err = os.ErrDeadlineExceeded
		case e.end-e.peer.consumed < windowBytes:
			part := slices.Clone(p[done:min(len(p), done+segmentBytes)])
			e.send(segment{at: e.end, data: part})
			done += len(part)
			e.net.mu.Unlock()
			continue
		}
		e.net.mu.Unlock()
		if err != nil {
			return done, err
		}
		<-e.writable
	}
	return done, nil
}

// Close implements net.Conn.
func (e *endpoint) Close() error {
	e.gate()
	e.net.mu.Lock()
	defer e.net.mu.Unlock()
	if e.closed {
		return net.ErrClosed
	}
	e.closed = true
	if e.err == nil && !e.gone {
		if len(e.in) > 0 {
			e.tellReset() // as TCP does with what nobody will read
		} else {
			e.send(segment{at: e.end, fin: true})
		}
	}
	e.net.ends = slices.DeleteFunc(e.net.ends, func(o *endpoint) bool { return o == e })
	poke(e.readable)
	poke(e.writable)
	return nil
}

// LocalAddr implements net.Conn.
func (e *endpoint) LocalAddr() net.Addr { return e.local }

// RemoteAddr implements net.Conn.
func (e *endpoint) RemoteAddr() net.Addr { return e.remote }

// SetDeadline implements net.Conn.
func (e *endpoint) SetDeadline(t time.Time) error {
	e.setDeadline(0, t)
	e.setDeadline(1, t)
	return nil
}

// SetReadDeadline implements net.Conn.
func (e *endpoint) SetReadDeadline(t time.Time) error {
	e.setDeadline(0, t)
	return nil
}

// SetWriteDeadline implements net.Conn.
func (e *endpoint) SetWriteDeadline(t time.Time) error {
	e.setDeadline(1, t)
	return nil
}

// setDeadline takes t as its owner's clock shows it.
func (e *endpoint) setDeadline(i int, t time.Time) {
	e.net.mu.Lock()
	defer e.net.mu.Unlock()
	d := &e.deadlines[i]
	if d.timer != nil {
		d.timer.Stop()
	}
	*d = deadline{}
	if t.IsZero() {
		return
	}
	left := time.Until(t)
	if e.life != nil {
		left -= e.life.node.skewed()
	}
	if left <= 0 {
		d.passed = true
		poke([]chan struct{}{e.readable, e.writable}[i])
		return
	}
	var timer *time.Timer
	timer = time.AfterFunc(left, func() {
		e.net.mu.Lock()
		defer e.net.mu.Unlock()
		if d.timer == timer {
			d.passed = true
			poke([]chan struct{}{e.readable, e.writable}[i])
		}
	})
	d.timer = timer
}
