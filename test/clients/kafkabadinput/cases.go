package main

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"errors"
	"io"
	"os"
	"time"

	"github.com/klauspost/compress/snappy"
	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
	"github.com/twmb/franz-go/pkg/kerr"
)

// bombBytes is what a bomb unpacks to: more than any batch may.
const bombBytes = 512 << 20

var (
	one   = record(0, []byte("x"))
	two   = append(record(0, []byte("x")), record(1, []byte("y"))...)
	huge  = []byte{0xff, 0xff, 0xff, 0xff, 0x0f} // an unsigned varint of 2^32-1
	cases = []struct {
		name string
		run  func() error
	}{
		{"100-mb-prefix", closed([]byte{6, 0x40, 0, 0}, make([]byte, 64))},
		{"2-gb-prefix", closed([]byte{0x7f, 0xff, 0xff, 0xff}, make([]byte, 64))},
		{"negative-prefix", closed([]byte{0xff, 0xff, 0xff, 0xff})},
		{"tiny-frame", closed([]byte{0, 0, 0, 1, 0})},
		{"half-a-frame", hangUp(frame(3, 9, true, make([]byte, 40))[:20])},
		{"http", closed([]byte("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"))},
		{"tls-hello", closed(append([]byte{0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3}, make([]byte, 512)...))},
		{"unknown-key", closed(frame(999, 0, false, nil))},
		{"negative-key", closed(frame(-1, 0, false, nil))},
		{"unknown-version", closed(frame(3, 99, true, nil))},
		{"api-versions-99", versions},
		{"client-id-beyond-the-frame", closed([]byte{0, 0, 0, 10, 0, 3, 0, 9, 0, 0, 0, 1, 0x7f, 0xff})},
		{"tags-bomb-in-the-header", closed([]byte{0, 0, 0, 18, 0, 3, 0, 9, 0, 0, 0, 1, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x0f, 0, 0, 0})},
		{"metadata-array-bomb", closed(frame(3, 9, true, huge))},
		{"metadata-old-array-bomb", closed(frame(3, 1, false, []byte{0x7f, 0xff, 0xff, 0xff}))},
		{"metadata-trailing-tags", answeredOrClosed(frame(3, 9, true, append([]byte{1, 0, 0, 0}, huge...)))},
		{"produce-topics-bomb", closed(frame(0, 9, true, append([]byte{0, 0xff, 0xff, 0, 0, 0, 1}, huge...)))},
		{"produce-batch-beyond-the-frame", closed(frame(0, 9, true, append([]byte{0, 0xff, 0xff, 0, 0, 0, 1, 2, 2, 'v', 2, 0, 0, 0, 0}, huge...)))},
		{"fetch-partitions-bomb", closed(frame(1, 12, true, append(make([]byte, 21), huge...)))},
		{"join-group-protocols-bomb", closed(frame(11, 6, true, append([]byte{2, 'g', 0, 0, 0x40, 0, 0, 0, 0x40, 0, 1, 0, 2, 'c'}, huge...)))},
		{"create-topics-bomb", closed(frame(19, 5, true, huge))},
		{"large-request-that-is-no-produce", closed(frame(3, 9, true, make([]byte, 2<<20)))},
		{"first-request-too-large", closed(frame(17, 1, false, make([]byte, 128<<10)))},
		{"token-without-handshake", answeredOrClosed(frame(36, 2, true, append([]byte{4, 'a', 'b', 'c', 0}, huge...)))},
		{"bad-crc", produced(flip(batch(0, 1, one, nil)), kerr.CorruptMessage)},
		{"batch-shorter-than-its-head", produced(batch(0, 1, one, nil)[:30], kerr.CorruptMessage)},
		{"batch-length-lies", produced(batch(0, 1, one, func(b []byte) { binary.BigEndian.PutUint32(b[8:], 1<<30) }), kerr.CorruptMessage)},
		{"old-magic", produced(batch(0, 1, one, func(b []byte) { b[16] = 1 }), kerr.InvalidRecord)},
		{"more-records-than-said", produced(batch(0, 1, two, nil), kerr.InvalidRecord)},
		{"fewer-records-than-said", produced(batch(0, 1000, one, nil), kerr.InvalidRecord)},
		{"two-billion-records", produced(batch(0, 1<<31-1, one, nil), kerr.InvalidRecord)},
		{"no-records", produced(batch(0, 0, nil, nil), kerr.InvalidRecord)},
		{"overlapping-offsets", produced(batch(0, 2, append(record(0, []byte("x")), record(0, []byte("y"))...), nil), kerr.InvalidRecord)},
		{"last-offset-lies", produced(batch(0, 2, two, func(b []byte) { binary.BigEndian.PutUint32(b[23:], 7) }), kerr.InvalidRecord)},
		{"control-batch", produced(batch(1<<5, 1, one, nil), kerr.InvalidRecord)},
		{"record-length-lies", produced(batch(0, 1, append([]byte{0xfe, 0xff, 0xff, 0xff, 0x0f}, one[1:]...), nil), kerr.InvalidRecord)},
		{"two-batches", produced(append(batch(0, 1, one, nil), batch(0, 1, one, nil)...), kerr.InvalidRecord)},
		{"gzip-bomb", bomb(1, func(w io.Writer) io.WriteCloser { return gzip.NewWriter(w) })},
		{"snappy-bomb", produced(batch(2, 1, append(binary.AppendUvarint(nil, 1<<31), 0), nil), kerr.InvalidRecord)},
		{"snappy-garbage", produced(batch(2, 1, snappy.Encode(nil, one)[:3], nil), kerr.InvalidRecord)},
		{"lz4-bomb", bomb(3, func(w io.Writer) io.WriteCloser { return lz4.NewWriter(w) })},
		{"zstd-bomb", bomb(4, func(w io.Writer) io.WriteCloser { e, _ := zstd.NewWriter(w); return e })},
		{"thousand-half-open", crowd},
	}
)

func flip(b []byte) []byte {
	b[len(b)-1] ^= 1
	return b
}

// bomb is a batch whose one record unpacks to far more than it is.
func bomb(codec uint16, pack func(w io.Writer) io.WriteCloser) func() error {
	return func() error {
		var packed bytes.Buffer
		w := pack(&packed)
		piece := make([]byte, 1<<20)
		for range bombBytes / len(piece) {
			if _, err := w.Write(piece); err != nil {
				return err
			}
		}
		if err := w.Close(); err != nil {
			return err
		}
		b := batch(codec, 1, packed.Bytes(), nil)
		if len(b) > 1<<20 {
			return produced(b, kerr.MessageTooLarge)()
		}
		err := produced(b, kerr.MessageTooLarge)()
		if err != nil { // the first record does not even begin well: that may be seen first
			return produced(b, kerr.InvalidRecord)()
		}
		return nil
	}
}

// versions wants the oldest answer with error 35 for a version that nobody knows.
func versions() error {
	c, err := dial()
	if err != nil {
		return err
	}
	defer func() { _ = c.Close() }()
	if _, err := c.Write(frame(18, 99, true, nil)); err != nil {
		return err
	}
	var head [10]byte
	if _, err := io.ReadFull(c, head[:]); err != nil {
		return err
	}
	if code := binary.BigEndian.Uint16(head[8:]); code != uint16(kerr.UnsupportedVersion.Code) {
		return kerr.ErrorForCode(int16(code))
	}
	return nil
}

// hangUp sends a part of something and goes.
func hangUp(part []byte) func() error {
	return func() error {
		c, err := dial()
		if err != nil {
			return err
		}
		_, err = c.Write(part)
		return errors.Join(err, c.Close())
	}
}

// crowd opens many connections that promise a large request and never send it.
func crowd() error {
	var all []*raw
	defer func() {
		for _, c := range all {
			_ = c.Close()
		}
	}()
	for range 1000 {
		c, err := dial()
		if err != nil {
			return err
		}
		all = append(all, c)
		if _, err := c.Write(append([]byte{0, 0xf0, 0, 0, 0, 0, 0, 9, 0, 0, 0, 1, 0, 1, 'x', 0}, make([]byte, 1000)...)); err != nil {
			return err
		}
	}
	if err := all[0].SetDeadline(time.Now().Add(time.Millisecond)); err != nil {
		return err
	}
	if _, err := all[0].Read(make([]byte, 1)); err != nil && !errors.Is(err, os.ErrDeadlineExceeded) && !errors.Is(err, io.EOF) {
		return err
	}
	return nil
}
