package main

import (
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"weir/test/clients/harness"
)

func cases() []harness.Scenario {
	return []harness.Scenario{
		{Name: "idle-connections", Run: idleConnections}, // first, where memory is not yet used for anything else
		{Name: "wrong-protocol-header", Run: wrongHeader},
		{Name: "http-to-amqp", Run: func() error { return answersHeader("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n") }},
		{Name: "tls-to-plain", Run: tlsToPlain},
		{Name: "oversized-frames", Run: oversized},
		{Name: "garbage-frames", Run: garbage},
		{Name: "truncated-frames", Run: truncated},
		{Name: "unexpected-frames", Run: unexpected},
		{Name: "nested-tables", Run: nested},
		{Name: "lying-lengths", Run: lengths},
		{Name: "a-million-headers", Run: manyHeaders},
		{Name: "body-larger-than-announced", Run: largerBody},
		{Name: "odd-names", Run: names},
		{Name: "never-reads", Run: neverReads},
		{Name: "outcomes", Run: outcomes},
		{Name: "get-while-deleting", Run: getStorm},
	}
}

// answersHeader wants the broker's header and a close for a first message.
func answersHeader(first string) error {
	r, err := dial()
	if err != nil {
		return err
	}
	defer func() { _ = r.Close() }()
	if err := r.send([]byte(first)); err != nil {
		return err
	}
	_ = r.SetReadDeadline(time.Now().Add(answerWithin))
	got, err := io.ReadAll(r.in)
	// Unread input turns the close into a reset; the header has come by then.
	if string(got) != protocol {
		return fmt.Errorf("answer to %q: %q, %w", first, got, err)
	}
	return nil
}

func wrongHeader() error {
	for _, first := range []string{
		"AMQP\x00\x01\x00\x00", "AMQP\x03\x01\x00\x00", "AMQP\x02\x00\x00\x09", "\x00\x00\x00\x00\x00\x00\x00\x00",
		"\x10\x10\x00\x04MQTT\x04\x02", "CONNECT\n",
	} {
		if err := answersHeader(first); err != nil {
			return err
		}
	}
	return nil
}

func tlsToPlain() error {
	d := net.Dialer{Timeout: answerWithin}
	c, err := tls.DialWithDialer(&d, "tcp", address, &tls.Config{MinVersion: tls.VersionTLS12, ServerName: "localhost"})
	if err == nil {
		_ = c.Close()
		return errors.New("a TLS handshake on the plain port")
	}
	var timeout net.Error
	if errors.As(err, &timeout) && timeout.Timeout() {
		return errors.New("the broker let a TLS handshake wait")
	}
	return nil
}

func oversized() error {
	for _, size := range []uint32{frameMax + 1, 1 << 21, 1 << 31, math.MaxUint32} {
		err := tries(func(r *raw) error {
			if err := r.send(appendAll(nil, uint8(frameBody), uint16(1), size), make([]byte, 64)); err != nil {
				return err
			}
			return r.refused(501, 505)
		})
		if err != nil {
			return fmt.Errorf("%d bytes: %w", size, err)
		}
	}
	return nil
}

func garbage() error {
	for seed := range uint64(60) {
		source := rand.New(rand.NewPCG(seed, 1))
		noise := make([]byte, 1+source.IntN(4096))
		for i := range noise {
			noise[i] = byte(source.Uint32())
		}
		if seed%3 > 0 { // the later frames get further into the decoder
			noise = frame([]byte{frameMethod, frameHeader, frameBody}[seed%3], uint16(seed%2), noise)
			binary.BigEndian.PutUint16(noise[7:], []uint16{10, 20, 40, 50, 60, 85, 90}[seed%7])
		}
		err := tries(func(r *raw) error {
			_ = r.send(noise)
			if tcp, ok := r.Conn.(*net.TCPConn); ok {
				_ = tcp.CloseWrite()
			}
			return r.ended()
		})
		if err != nil {
			return fmt.Errorf("seed %d: %w", seed, err)
		}
	}
	return nil
}

// publish is a whole publication to the default exchange.
func publish(key string, headers, body []byte) []byte {
	p := method(1, 60, 40, uint16(0), "", key, uint8(0))
	flags, properties := uint16(0), []byte(nil)
	if headers != nil {
		flags, properties = 1<<13, long(headers)
	}
	p = append(p, frame(frameHeader, 1, appendAll(nil, uint16(60), uint16(0), uint64(len(body)), flags, properties))...)
	return append(p, frame(frameBody, 1, body)...)
}

func truncated() error {
	all := slices.Concat(greeting(0), openChannel, declare("truncated", nil), publish("truncated", nil, []byte("body")))
	for n := range all {
		r, err := dial()
		if err != nil {
			return err
		}
		if err := r.send(all[:n]); err != nil {
			return err
		}
		_ = r.Close()
	}
	return nil
}

func declare(name string, arguments []byte) []byte {
	return method(1, 50, 10, uint16(0), name, uint8(0), long(arguments))
}

func unexpected() error {
	badEnd := frame(frameBeat, 0, nil)
	badEnd[len(badEnd)-1] = 0
	for what, c := range map[string]struct {
		input []byte
		codes []uint16
	}{
		"wrong frame end":            {badEnd, []uint16{501}},
		"heartbeat on a channel":     {frame(frameBeat, 1, nil), []uint16{501, 505}},
		"heartbeat with a payload":   {frame(frameBeat, 0, []byte("x")), []uint16{501, 505}},
		"unknown frame type":         {frame(5, 1, nil), []uint16{501, 505}},
		"body without header":        {frame(frameBody, 1, []byte("x")), []uint16{505}},
		"header without publish":     {frame(frameHeader, 1, appendAll(nil, uint16(60), uint16(0), uint64(0), uint16(0))), []uint16{505}},
		"method instead of a header": {append(method(1, 60, 40, uint16(0), "", "q", uint8(0)), openChannel...), []uint16{505}},
		"a channel never opened":     {method(9, 50, 10, uint16(0), "q", uint8(0), long(nil)), []uint16{504}},
		"channel opened twice":       {openChannel, []uint16{504}},
		"unknown class":              {method(1, 99, 10), []uint16{501, 503, 540}},
		"unknown method":             {method(1, 50, 99), []uint16{501, 503, 540}},
		"empty method":               {frame(frameMethod, 1, nil), []uint16{501, 502, 503}},
		"start-ok again":             {method(0, 10, 11, long(nil), "PLAIN", long([]byte("\x00guest\x00guest")), "en_US"), []uint16{503, 504, 505}},
	} {
		err := tries(func(r *raw) error {
			if err := r.send(c.input); err != nil {
				return err
			}
			return r.refused(c.codes...)
		})
		if err != nil {
			return fmt.Errorf("%s: %w", what, err)
		}
	}
	return nil
}

// nest wraps a table in tables, or in arrays, to a depth.
func nest(depth int, kind byte) []byte {
	inner := []byte(nil)
	// From the inside: "a" F length ...; built back to front to stay linear.
	size := 0
	for range depth {
		var head []byte
		if kind == 'A' && size > 0 {
			head = appendAll(nil, kind, uint32(size))
		} else {
			head = appendAll(nil, "a", kind, uint32(size))
		}
		slices.Reverse(head)
		inner = append(inner, head...)
		size += len(head)
	}
	slices.Reverse(inner)
	return inner
}

// nestedArrays is a table with one field, arrays within arrays.
func nestedArrays(depth int) []byte {
	var inner []byte
	for n := depth - 1; n >= 0; n-- {
		inner = appendAll(inner, uint8('A'), uint32(5*n))
	}
	return appendAll(nil, "a", inner)
}

func nested() error {
	for what, table := range map[string][]byte{"tables": nest(10_000, 'F'), "arrays": nestedArrays(10_000)} {
		for where, input := range map[string][]byte{"arguments": declare("nested", table), "headers": publish("nested", table, []byte("x"))} {
			err := tries(func(r *raw) error {
				if err := r.send(declare("nested.plain", nil), input, method(1, 20, 40, uint16(200), "", uint16(0), uint16(0))); err != nil {
					return err
				}
				err := r.until(20, 41)
				var c *closed
				if errors.As(err, &c) || err == nil {
					return nil // taken or refused, but answered
				}
				return err
			})
			if err != nil {
				return fmt.Errorf("%s in %s: %w", what, where, err)
			}
		}
	}
	return nil
}

func lengths() error {
	bad := func(parts ...any) []byte {
		return method(1, 50, 10, append([]any{uint16(0), "q", uint8(0)}, parts...)...)
	}
	for what, input := range map[string][]byte{
		"table of 4 GiB":            bad(uint32(math.MaxUint32)),
		"table of 2 GiB":            bad(uint32(math.MaxInt32), []byte("x")),
		"table one too long":        bad(uint32(2), []byte("x")),
		"table one too short":       bad(uint32(0), []byte("x")),
		"long string of 4 GiB":      bad(long(appendAll(nil, "a", uint8('S'), uint32(math.MaxUint32)))),
		"negative array":            bad(long(appendAll(nil, "a", uint8('A'), uint32(math.MaxUint32)))),
		"bytes of 2 GiB":            bad(long(appendAll(nil, "a", uint8('x'), uint32(math.MaxInt32)))),
		"name beyond the frame":     method(1, 50, 10, uint16(0), uint8(255), []byte("abc")),
		"unknown field type":        bad(long(appendAll(nil, "a", uint8('?')))),
		"field without a value":     bad(long(appendAll(nil, "a"))),
		"property list without end": publishHeader(slices.Repeat([]byte{0xff, 0xff}, 1000)),
		"headers beyond the frame":  publishHeader(appendAll(nil, uint16(1<<13), uint32(math.MaxUint32))),
	} {
		err := tries(func(r *raw) error {
			if err := r.send(input); err != nil {
				return err
			}
			return r.refused(501, 502, 505, 541)
		})
		if err != nil {
			return fmt.Errorf("%s: %w", what, err)
		}
	}
	return nil
}

// publishHeader is a publication whose flags and properties are given raw.
func publishHeader(flags []byte) []byte {
	p := method(1, 60, 40, uint16(0), "", "q", uint8(0))
	return append(p, frame(frameHeader, 1, appendAll(nil, uint16(60), uint16(0), uint64(0), flags))...)
}

func manyHeaders() error {
	const field = "\x01hV"
	million := repeated(field, 1_000_000)
	err := tries(func(r *raw) error {
		_ = r.send(publish("q", million, []byte("x"))) // the broker may have closed before the end
		return r.refused(501)
	})
	if err != nil {
		return fmt.Errorf("a million: %w", err)
	}
	some := repeated(field, 4_000)
	return tries(func(r *raw) error {
		for range 200 {
			if err := r.send(publish("many", some, []byte("x")), declare("many", some)); err != nil {
				return err
			}
			if err := r.until(50, 11); err != nil {
				return err
			}
		}
		if err := r.send(method(1, 50, 40, uint16(0), "many", uint8(0))); err != nil {
			return err
		}
		return r.until(50, 41)
	})
}

func largerBody() error {
	head := func(size uint64) []byte {
		return append(method(1, 60, 40, uint16(0), "", "q", uint8(0)),
			frame(frameHeader, 1, appendAll(nil, uint16(60), uint16(0), size, uint16(0)))...)
	}
	for what, c := range map[string]struct {
		input []byte
		codes []uint16
	}{
		"twice as large":   {append(head(10), frame(frameBody, 1, repeated("x", 20))...), []uint16{501, 505}},
		"a second body":    {slices.Concat(head(1), frame(frameBody, 1, []byte("x")), frame(frameBody, 1, []byte("x"))), []uint16{505}},
		"body of nothing":  {append(head(0), frame(frameBody, 1, []byte("x"))...), []uint16{505}},
		"announced 1 TiB":  {head(1 << 40), []uint16{311, 406, 501}},
		"announced 2^64-1": {head(math.MaxUint64), []uint16{311, 406, 501}},
	} {
		err := tries(func(r *raw) error {
			if err := r.send(c.input); err != nil {
				return err
			}
			return r.refused(c.codes...)
		})
		if err != nil {
			return fmt.Errorf("%s: %w", what, err)
		}
	}
	return nil
}

// names declares durable queues and exchanges of odd names: each is taken and
// works, or is refused; no file appears for it outside the broker's directory.
func names() error {
	around := filepath.Dir(broker.Dir())
	before, err := os.ReadDir(around)
	if err != nil {
		return err
	}
	for _, name := range []string{
		"nul\x00nul", "../../etc/passwd", "..", "/", strings.Repeat("../", 80), "\xff\xfe invalid \xc0\x80",
		strings.Repeat("x", 255), strings.Repeat("\xf0\x9f\xa6\x86", 63), " ", "%2F", "C:\\con",
	} {
		if err := oddName(name); err != nil {
			return fmt.Errorf("%q: %w", name, err)
		}
	}
	after, err := os.ReadDir(around)
	if err != nil {
		return err
	}
	if len(after) > len(before) {
		return fmt.Errorf("files appeared in %s: %v", around, after)
	}
	return nil
}

func oddName(name string) error {
	return tries(func(r *raw) error {
		if err := r.send(method(1, 50, 10, uint16(0), name, uint8(2), long(nil))); err != nil {
			return err
		}
		var c *closed
		if err := r.until(50, 11); errors.As(err, &c) {
			return nil
		} else if err != nil {
			return err
		}
		if err := r.send(publish(name, nil, []byte("odd")), method(1, 60, 70, uint16(0), name, uint8(1))); err != nil {
			return err
		}
		if err := r.until(60, 71); err != nil {
			return fmt.Errorf("get: %w", err)
		}
		return nil
	})
}
