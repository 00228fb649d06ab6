package amqp091

import (
	"errors"
	"os"
	"strconv"
	"strings"

	"weir/internal/proto/amqp091/codec"
	"weir/internal/wire"
)

const (
	// tinyBufferBytes is what an idle connection keeps to be woken by.
	tinyBufferBytes = 512
	// RabbitMQ lets a payload exceed frame-max by this, and so do we: some
	// clients count the frame's overhead wrongly.
	frameBytesFudge = 8
)

// fill reads more input behind what is unread. It reports false when the
// connection has ended.
func (c *conn) fill() bool {
	c.makeRoom()
	for {
		n, err := c.net.Read(c.buf[c.w:])
		if n > 0 {
			c.w += n
			c.bytesIn.Add(uint64(n))
			if !c.received.Load() {
				c.received.Store(true)
			}
			return true
		}
		if err == nil {
			continue
		}
		if !errors.Is(err, os.ErrDeadlineExceeded) || c.state < stateRunning || c.state == stateClosing {
			return false
		}
		// The wake is taken back before the requests are looked at: one that
		// comes in between interrupts the next read.
		c.deadline(0)
		c.requests()
		if c.state == stateEnded {
			return false
		}
		c.out.Lock()
		closed := c.out.closed
		c.out.Unlock()
		if closed {
			return false
		}
		c.makeRoom()
	}
}

// makeRoom moves unread bytes to the front and takes a larger buffer when the
// frame under way does not fit or the last read filled the buffer.
func (c *conn) makeRoom() {
	if c.buf == nil {
		c.buf = make([]byte, tinyBufferBytes)
	}
	full := c.w == len(c.buf)
	if c.r > 0 {
		c.w = copy(c.buf, c.buf[c.r:c.w])
		c.r = 0
	}
	if !full || len(c.buf) >= wire.LargeBufferBytes {
		return
	}
	bigger := wire.LargeBuffer()
	if c.state < stateRunning {
		bigger = make([]byte, 2*handshakeFrameBytesMax)
	}
	if len(bigger) <= len(c.buf) {
		return
	}
	copy(bigger, c.buf[:c.w])
	wire.PutBuffer(c.buf)
	c.buf = bigger
	c.largeBuffer.Store(true)
}

// shrinkBuffer goes back to the tiny buffer where nothing is under way.
func (c *conn) shrinkBuffer() {
	if c.w-c.r > 0 || len(c.buf) <= tinyBufferBytes {
		return
	}
	wire.PutBuffer(c.buf)
	c.buf, c.r, c.w = make([]byte, tinyBufferBytes), 0, 0
	c.largeBuffer.Store(false)
}

// process handles every complete frame in the buffer.
func (c *conn) process() {
	for c.state != stateEnded {
		b := c.buf[c.r:c.w]
		if len(b) < codec.FrameHeadBytes {
			return
		}
		size := codec.PayloadBytes(b)
		frameMax := c.frameMax.Load()
		if size > frameMax-codec.FrameOverheadBytes+frameBytesFudge {
			e := raise(codeFrameError, "type %d, all octets = <<>>: {frame_too_large,%d,%d}", b[0], size,
				frameMax-codec.FrameOverheadBytes)
			e.desync = true
			c.fail(0, e)
			return
		}
		var f codec.Frame
		n, err := codec.ReadFrame(b, &f)
		if err != nil {
			e := raise(codeFrameError, "type %d, %s: {invalid_frame_end_marker,%d}", f.Type, octets(f.Payload),
				b[codec.FrameHeadBytes+int(size)])
			e.desync = true
			c.fail(0, e)
			return
		}
		if n == 0 {
			c.expect(int(size) + codec.FrameOverheadBytes)
			return
		}
		c.r += n
		if e := c.frame(&f, b[n:]); e != nil {
			c.fail(f.Channel, e)
		}
	}
}

// expect makes the buffer large enough for a frame of n bytes that has begun.
func (c *conn) expect(n int) {
	if n <= len(c.buf) || len(c.buf) >= wire.LargeBufferBytes {
		return
	}
	bigger := wire.LargeBuffer()
	if n > len(bigger) {
		bigger = make([]byte, n)
	}
	c.w = copy(bigger, c.buf[c.r:c.w])
	c.r = 0
	wire.PutBuffer(c.buf)
	c.buf = bigger
	c.largeBuffer.Store(true)
}

// frame handles one frame. ahead is the input behind it, from which a publish
// may take its content.
func (c *conn) frame(f *codec.Frame, ahead []byte) *exception {
	switch {
	case f.Type != codec.FrameMethod && f.Type != codec.FrameHeader && f.Type != codec.FrameBody &&
		f.Type != codec.FrameHeartbeat, f.Type == codec.FrameHeartbeat && len(f.Payload) != 0:
		if c.state == stateClosing {
			return nil
		}
		return raise(codeFrameError, "type %d, %s: unknown_frame", f.Type, octets(f.Payload))
	case f.Channel == 0:
		return c.frameZero(f)
	case c.state == stateClosing:
		return nil
	case c.state != stateRunning || f.Type == codec.FrameHeartbeat:
		e := raise(codeUnexpectedFrame, "type %d, %s", f.Type, octets(f.Payload))
		f.Channel = 0
		return e
	}
	ch := c.channel(f.Channel)
	if ch == nil {
		return c.frameUnopened(f)
	}
	if ch.closing {
		return ch.frameClosing(f)
	}
	return ch.frame(f, ahead)
}

// frameZero handles the frames of channel 0, which carries the connection.
func (c *conn) frameZero(f *codec.Frame) *exception {
	if f.Type == codec.FrameHeartbeat {
		return nil
	}
	if f.Type != codec.FrameMethod {
		if c.state == stateClosing {
			return nil
		}
		return raise(codeUnexpectedFrame, "type %d, %s", f.Type, octets(f.Payload))
	}
	id, arguments, err := codec.MethodID(f.Payload)
	if err != nil {
		return raise(codeFrameError, "type %d, %s: unknown_frame", f.Type, octets(f.Payload))
	}
	return c.connectionMethod(id, arguments).caused(id)
}

// frameUnopened handles a frame on a channel that is not open.
func (c *conn) frameUnopened(f *codec.Frame) *exception {
	if f.Type != codec.FrameMethod {
		return raise(codeUnexpectedFrame, "expected method frame, got non method frame instead")
	}
	id, arguments, err := codec.MethodID(f.Payload)
	if err != nil {
		return raise(codeFrameError, "type %d, %s: unknown_frame", f.Type, octets(f.Payload))
	}
	if id == codec.IDChannelOpen {
		return c.channelOpen(f.Channel, arguments).caused(id)
	}
	settles := id == codec.IDBasicAck || id == codec.IDBasicNack || id == codec.IDBasicReject
	if f.Channel <= c.highest && (settles || id == codec.IDChannelCloseOk) {
		// A consumer thread that did not yet notice the end of its channel: the
		// messages were given back already.
		return nil
	}
	return raise(codeChannelError, "expected 'channel.open'").caused(id)
}

// octets renders the head of a payload the way RabbitMQ's texts do.
func octets(b []byte) string {
	label := "all"
	if len(b) > 16 {
		label, b = "first 16", b[:16]
	}
	return label + " octets = " + numbers(b)
}

// numbers renders bytes as Erlang prints them.
func numbers(b []byte) string {
	words := make([]string, len(b))
	for i, v := range b {
		words[i] = strconv.Itoa(int(v))
	}
	return "<<" + strings.Join(words, ",") + ">>"
}
