package main

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"sync/atomic"
	"time"
)

const (
	frameMethod = 1
	frameHeader = 2
	frameBody   = 3
	frameBeat   = 8
	frameEnd    = 0xCE

	protocol     = "AMQP\x00\x00\x09\x01"
	frameMax     = 131072
	answerWithin = 10 * time.Second
)

// bytesSent and connections count what all raw clients have done.
var bytesSent, connections atomic.Int64

// raw is a client without manners.
type raw struct {
	net.Conn
	in *bufio.Reader
}

func dial() (*raw, error) {
	c, err := net.Dial("tcp", address)
	if err != nil {
		return nil, err
	}
	connections.Add(1)
	return &raw{Conn: c, in: bufio.NewReaderSize(c, 512)}, nil
}

func (r *raw) send(parts ...[]byte) error {
	for _, p := range parts {
		bytesSent.Add(int64(len(p)))
		if _, err := r.Write(p); err != nil {
			return err
		}
	}
	return nil
}

// method is a method frame. Arguments: uint8, uint16, uint32 and uint64 as they
// are, string as a short string, []byte raw.
func method(channel, class, id uint16, arguments ...any) []byte {
	p := binary.BigEndian.AppendUint16(nil, class)
	return frame(frameMethod, channel, appendAll(binary.BigEndian.AppendUint16(p, id), arguments...))
}

func appendAll(p []byte, arguments ...any) []byte {
	for _, a := range arguments {
		switch a := a.(type) {
		case uint8:
			p = append(p, a)
		case uint16:
			p = binary.BigEndian.AppendUint16(p, a)
		case uint32:
			p = binary.BigEndian.AppendUint32(p, a)
		case uint64:
			p = binary.BigEndian.AppendUint64(p, a)
		case string:
			p = append(append(p, byte(len(a))), a...)
		case []byte:
			p = append(p, a...)
		default:
			panic(fmt.Sprintf("argument %T", a))
		}
	}
	return p
}

// long is a table or long string: its length and itself.
func long(p []byte) []byte { return append(binary.BigEndian.AppendUint32(nil, uint32(len(p))), p...) }

func frame(kind byte, channel uint16, payload []byte) []byte {
	f := binary.BigEndian.AppendUint16([]byte{kind}, channel)
	return append(append(binary.BigEndian.AppendUint32(f, uint32(len(payload))), payload...), frameEnd)
}

// greeting is everything a client says up to an open channel 1.
func greeting(heartbeat uint16) []byte {
	all := []byte(protocol)
	all = append(all, method(0, 10, 11, long(nil), "PLAIN", long([]byte("\x00guest\x00guest")), "en_US")...)
	all = append(all, method(0, 10, 31, uint16(2047), uint32(frameMax), heartbeat)...)
	return append(all, method(0, 10, 40, "/", "", uint8(0))...)
}

var openChannel = method(1, 20, 10, "")

// open connects, up to an open channel 1.
func open() (*raw, error) {
	r, err := dial()
	if err != nil {
		return nil, err
	}
	if err := r.send(greeting(0), openChannel); err != nil {
		return nil, err
	}
	return r, r.until(20, 11)
}

type received struct {
	kind    byte
	channel uint16
	payload []byte
}

func (f received) is(class, id uint16) bool {
	return f.kind == frameMethod && len(f.payload) >= 4 &&
		binary.BigEndian.Uint16(f.payload) == class && binary.BigEndian.Uint16(f.payload[2:]) == id
}

func (r *raw) next() (received, error) {
	_ = r.SetReadDeadline(time.Now().Add(answerWithin))
	var h [7]byte
	if _, err := io.ReadFull(r.in, h[:]); err != nil {
		return received{}, err
	}
	f := received{kind: h[0], channel: binary.BigEndian.Uint16(h[1:])}
	size := binary.BigEndian.Uint32(h[3:])
	if size > frameMax {
		return f, fmt.Errorf("a frame of %d bytes from the broker", size)
	}
	f.payload = make([]byte, size+1)
	if _, err := io.ReadFull(r.in, f.payload); err != nil {
		return f, err
	}
	if f.payload[size] != frameEnd {
		return f, errors.New("no frame end from the broker")
	}
	f.payload = f.payload[:size]
	return f, nil
}

// until reads up to a method; a close before it is an error.
func (r *raw) until(class, id uint16) error { return r.untilOneOf([2]uint16{class, id}) }

func (r *raw) untilOneOf(methods ...[2]uint16) error {
	for {
		f, err := r.next()
		switch {
		case err != nil:
			return err
		case slices.ContainsFunc(methods, func(m [2]uint16) bool { return f.is(m[0], m[1]) }):
			return nil
		case f.is(10, 50), f.is(20, 40):
			return &closed{code: binary.BigEndian.Uint16(f.payload[4:]), text: string(f.payload[7 : 7+int(f.payload[6])]), hard: f.is(10, 50)}
		}
	}
}

// closed is a close that came from the broker.
type closed struct {
	code uint16
	text string
	hard bool
}

// Error is its code and text.
func (c *closed) Error() string { return fmt.Sprintf("%d %s", c.code, c.text) }

// refused wants a close with one of the codes, of the connection or a channel.
func (r *raw) refused(codes ...uint16) error {
	err := r.until(0, 0)
	var c *closed
	if !errors.As(err, &c) {
		return fmt.Errorf("wanted a close with %v, got %w", codes, err)
	}
	for _, code := range codes {
		if c.code == code {
			return nil
		}
	}
	return fmt.Errorf("wanted a close with %v, got %w", codes, c)
}

// ended wants the connection closed, with or without last words.
func (r *raw) ended() error {
	for {
		_, err := r.next()
		var timeout net.Error
		switch {
		case err == nil:
		case errors.As(err, &timeout) && timeout.Timeout():
			return errors.New("the connection stays open")
		default:
			return nil
		}
	}
}

// tries runs f on an open connection of its own.
func tries(f func(r *raw) error) error {
	r, err := open()
	if err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	defer func() { _ = r.Close() }()
	return f(r)
}

// repeated is n copies of s.
func repeated(s string, n int) []byte { return []byte(strings.Repeat(s, n)) }
