package amqp091

import (
	"encoding/binary"
	"net"

	"weir/internal/broker"
	"weir/internal/proto/amqp091/codec"
	"weir/internal/proto/amqp091/native"
	"weir/internal/record"
	"weir/internal/wire"
)

const (
	// writeBytes is when a batch goes to the socket.
	writeBytes = 128 << 10
	// Bodies from this size on are not copied but handed to writev.
	gatherBytesMin = 4 << 10
	// itemHeadBytes bounds method frame, frame heads and ends of one delivery:
	// three shortstr of at most 256 bytes and fixed fields.
	itemHeadBytes = 1024
)

// encoder gathers frames for one write.
type encoder struct {
	buf       []byte
	cut       int // buf before it stands in gathered
	gathered  net.Buffers
	total     int // bytes gathered
	delivered int // record bytes among them
	frameMax  int
	broker    *broker.Broker
	reader    *record.Reader // of messages of other dialects; nil until there is one
}

// writeLoop writes what is in the outbox until the connection ends or has been
// idle for a tick.
func (c *conn) writeLoop(done chan struct{}) {
	defer close(done)
	e := encoder{frameMax: int(c.frameMax.Load()), broker: c.server.options.Broker}
	defer func() {
		if e.reader != nil {
			e.reader.Close()
		}
	}()
	o := &c.out
	var items []item
	var frames []byte
	for {
		o.Lock()
		for len(o.items) == 0 {
			if o.finishing || o.closed || o.quit {
				o.running, o.quit = false, false
				o.items, o.frames = nil, nil // empty; an idle connection holds no buffers
				o.Unlock()
				return
			}
			o.parked = true
			o.Unlock()
			if e.reader != nil {
				e.reader.Rest()
			}
			<-o.wake
			o.Lock()
		}
		items, o.items = o.items, items
		frames, o.frames = o.frames, frames
		o.replyBytes = 0
		o.generation++
		o.wrote = o.wrote || len(items) > 1 || items[0].kind != itemHeartbeat
		o.Unlock()
		e.frameMax = int(c.frameMax.Load())
		if !c.writeItems(&e, items, frames) {
			c.abort()
			o.Lock()
			o.running = false
			o.Unlock()
			return
		}
		items, frames = spare(items, frames)
		o.Lock()
		o.room.Broadcast()
		o.Unlock()
	}
}

// spare empties the slices for the next round, or drops them where one burst
// made them larger than a quiet connection should hold.
func spare(items []item, frames []byte) ([]item, []byte) {
	clear(items)
	items, frames = items[:0], frames[:0]
	if cap(items) > spareItemsMax {
		items = nil
	}
	if cap(frames) > spareBytesMax {
		frames = nil
	}
	return items, frames
}

func (c *conn) writeItems(e *encoder, items []item, frames []byte) bool {
	e.buf = wire.LargeBuffer()[:0]
	pooled := e.buf
	defer wire.PutBuffer(pooled)
	for i := range items {
		it := &items[i]
		if len(e.buf)+itemHeadBytes > cap(e.buf) || e.total+len(e.buf)-e.cut >= writeBytes {
			if !c.writeOut(e, pooled) {
				return false
			}
		}
		switch it.kind {
		case itemFrames:
			e.bytes(frames[it.from:it.to])
		case itemDelivery, itemStream, itemGet, itemReply:
			if e.delivery(it); it.kind == itemDelivery || it.kind == itemStream {
				e.delivered += int(it.size)
			}
		case itemAck, itemNack:
			e.confirm(it)
		case itemHeartbeat:
			e.buf = codec.AppendHeartbeat(e.buf)
		case itemDropped:
			e.delivered += int(it.from)
		}
	}
	ok := c.writeOut(e, pooled)
	e.buf = nil
	return ok
}

// bytes adds a run of encoded frames.
func (e *encoder) bytes(b []byte) {
	if len(b) < gatherBytesMin && len(b) <= cap(e.buf)-len(e.buf) {
		e.buf = append(e.buf, b...)
		return
	}
	e.gather(b)
}

// gather adds b without copying it.
func (e *encoder) gather(b []byte) {
	if len(e.buf) > e.cut {
		e.gathered = append(e.gathered, e.buf[e.cut:len(e.buf):len(e.buf)])
		e.total += len(e.buf) - e.cut
		e.cut = len(e.buf)
	}
	e.gathered = append(e.gathered, b)
	e.total += len(b)
}

func (e *encoder) confirm(it *item) {
	if it.kind == itemAck {
		e.buf = codec.AppendMethod(e.buf, it.channel, &codec.BasicAck{DeliveryTag: it.tag, Multiple: it.tag != it.from})
		return
	}
	e.buf = codec.AppendMethod(e.buf, it.channel, &codec.BasicNack{DeliveryTag: it.tag, Multiple: it.tag != it.from})
}

// delivery encodes basic.deliver or basic.get-ok with its content.
func (e *encoder) delivery(it *item) {
	if !native.Mine(it.data) {
		e.translate(it)
	}
	m, err := native.OpenRecord(it.data)
	if err != nil {
		m = native.Message{Address: []byte{0, 0}, Sized: make([]byte, native.SizedBytesMin)}
	}
	if it.kind == itemGet {
		e.buf = appendGetOK(e.buf, it, m.Address)
	} else {
		e.buf = codec.AppendDeliver(e.buf, it.channel, it.consumer, it.tag, it.redelivered, m.Address)
	}
	sized := native.Shown(m.Sized)
	switch {
	case it.kind == itemStream:
		sized = withHeader(sized, "x-stream-offset", int64(it.from))
	case it.count > 0: // messages delivered for the first time pay nothing
		sized = withHeader(sized, "x-delivery-count", int64(it.count))
	}
	start := len(e.buf)
	e.buf = codec.AppendHeader(e.buf, it.channel, sized)
	e.buf[start+codec.FrameHeadBytes+4] = 0 // the marks of a stored message
	if len(m.Body) < gatherBytesMin && len(m.Body)+codec.FrameOverheadBytes <= cap(e.buf)-len(e.buf) {
		e.buf = codec.AppendBody(e.buf, it.channel, m.Body, e.frameMax)
		return
	}
	for body := m.Body; len(body) > 0; {
		n := min(len(body), e.frameMax-codec.FrameOverheadBytes)
		e.buf = codec.BeginFrame(e.buf, codec.FrameBody, it.channel)
		binary.BigEndian.PutUint32(e.buf[len(e.buf)-4:], uint32(n))
		e.gather(body[:n])
		e.buf = append(e.buf, codec.FrameEnd)
		body = body[n:]
	}
}

// translate makes the item's record one of this dialect.
func (e *encoder) translate(it *item) {
	if e.reader == nil {
		e.reader = e.broker.NewReader(record.DialectAMQP091)
	}
	rec, err := e.reader.Message(it.data, it.index)
	if err != nil {
		rec = native.Unreadable(err)
	}
	it.data = rec
}

func appendGetOK(dst []byte, it *item, address []byte) []byte {
	start := len(dst)
	dst = codec.BeginFrame(dst, codec.FrameMethod, it.channel)
	dst = binary.BigEndian.AppendUint32(dst, uint32(codec.IDBasicGetOk))
	dst = binary.BigEndian.AppendUint64(dst, it.tag)
	redelivered := byte(0)
	if it.redelivered {
		redelivered = 1
	}
	dst = append(append(dst, redelivered), address...)
	dst = binary.BigEndian.AppendUint32(dst, uint32(min(it.from, 1<<32-1)))
	return codec.EndFrame(dst, start)
}

// writeOut writes what was gathered and reports delivered bytes.
func (c *conn) writeOut(e *encoder, pooled []byte) bool {
	var err error
	if e.total+len(e.buf)-e.cut > 0 {
		timeout := c.server.options.WriteTimeout
		if c.ending.Load() {
			timeout = closeTimeout
		}
		_ = c.net.SetWriteDeadline(c.server.options.Clock.Now().Add(timeout))
		if len(e.gathered) == 0 {
			_, err = c.net.Write(e.buf)
			c.bytesOut.Add(uint64(len(e.buf)))
		} else {
			if len(e.buf) > e.cut {
				e.gathered = append(e.gathered, e.buf[e.cut:])
			}
			all := e.gathered
			c.bytesOut.Add(uint64(e.total + len(e.buf) - e.cut))
			_, err = all.WriteTo(c.net)
			clear(e.gathered)
		}
	}
	if e.delivered > 0 {
		c.session.Sent(e.delivered)
	}
	e.buf, e.cut, e.gathered, e.total, e.delivered = pooled[:0], 0, e.gathered[:0], 0, 0
	return err == nil
}

// withHeader sets a header of a message: how often it was delivered before, or
// where it stands in a stream.
func withHeader(sized []byte, name string, n int64) []byte {
	var p codec.Properties
	if codec.DecodeProperties(sized[8:], &p) != nil {
		return sized
	}
	p.Flags |= codec.FlagHeaders
	p.Headers = codec.AppendField(native.Without(p.Headers, name), name, n)
	return p.Append(append([]byte(nil), sized[:8]...))
}
