package batch

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"sync"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"

	"weir/internal/record"
)

// quickBytes is what the records of a batch are unpacked to as a whole when they
// are checked. Those of larger ones pass through a small buffer: what is sent to
// take memory does not get it.
const quickBytes = 4 << 20

// windowBytesMax bounds what a zstd frame may want to look back over.
const windowBytesMax = 32 << 20

var streams = sync.Pool{New: func() any { return bufio.NewReaderSize(nil, 32<<10) }}

// stream reads records one after the other. After a mistake it reads zeros.
type stream struct {
	in   *bufio.Reader
	left int64 // of the record that is being read
	bad  bool
}

func (s *stream) ReadByte() (byte, error) {
	if s.left <= 0 {
		return 0, io.ErrUnexpectedEOF
	}
	s.left--
	return s.in.ReadByte()
}

func (s *stream) varint() int64 {
	n, err := binary.ReadVarint(s)
	if err != nil {
		s.bad = true
		return 0
	}
	return n
}

func (s *stream) skip(n int64) {
	if n < 0 || n > s.left {
		s.bad = true
		return
	}
	s.left -= n
	if m, err := s.in.Discard(int(n)); int64(m) < n || err != nil {
		s.bad = true
	}
}

// field passes over a length and so many bytes, and says whether it was null.
func (s *stream) field() (null bool) {
	n := s.varint()
	if n < 0 {
		s.bad = s.bad || n != -1
		return true
	}
	s.skip(n)
	return false
}

// message reads a record as reader.message does, but for what is in its fields.
func (s *stream) message(m *record.Message, firstTime int64) (keyless bool) {
	s.skip(1)
	m.Timestamp = firstTime + s.varint()
	delta := s.varint()
	s.bad = s.bad || delta < 0 || delta > 1<<31-1
	m.Delta = uint32(delta)
	keyless = s.field()
	s.field()
	n := s.varint()
	s.bad = s.bad || n < 0 || n > s.left/2
	for ; n > 0 && !s.bad; n-- {
		s.field()
		s.field()
	}
	s.bad = s.bad || s.left != 0
	return keyless
}

// checkStream is Check for what unpacks to much.
func (b Batch) checkStream(budgetBytes int64) (Facts, error) {
	from, end, err := unpacker(b.Codec(), b[headBytes:])
	if err != nil {
		return Facts{}, err
	}
	defer end()
	limited := &io.LimitedReader{R: from, N: budgetBytes + 1}
	s := stream{in: streams.Get().(*bufio.Reader)}
	s.in.Reset(limited)
	defer func() {
		s.in.Reset(nil)
		streams.Put(s.in)
	}()
	f := Facts{Dense: b.Count() == b.LastDelta()+1, Keyless: -1}
	fault := record.ErrMalformed
	var m record.Message
	last := int64(-1)
	for n := range b.Count() {
		s.left = binary.MaxVarintLen64
		if size := s.varint(); size >= 0 {
			s.left = size
		} else {
			s.bad = true
		}
		keyless := !s.bad && s.message(&m, b.FirstTime())
		if limited.N <= 0 {
			fault = record.ErrBudget
		}
		if s.bad || limited.N <= 0 || int64(m.Delta) <= last || int64(m.Delta) > int64(b.LastDelta()) {
			return f, fault
		}
		last = int64(m.Delta)
		if b.AppendTime() {
			m.Timestamp = b.MaxTime()
		}
		f.note(&m, n == 0, keyless)
	}
	if _, err := s.in.ReadByte(); !errors.Is(err, io.EOF) || limited.N <= 0 {
		return f, fault
	}
	f.Bytes = budgetBytes + 1 - limited.N
	return f, nil
}

// unpacker reads what is packed; end gives back what that takes.
func unpacker(c Codec, packed []byte) (from io.Reader, end func(), err error) {
	in := bytes.NewReader(packed)
	switch c {
	case Gzip:
		r := gzips.Get().(*gzip.Reader)
		if r.Reset(in) != nil {
			gzips.Put(r)
			return nil, nil, record.ErrMalformed
		}
		return r, func() { gzips.Put(r) }, nil
	case LZ4:
		r := lz4s.Get().(*lz4.Reader)
		r.Reset(in)
		return r, func() { lz4s.Put(r) }, nil
	case Zstd:
		d, err := zstd.NewReader(in, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(windowBytesMax))
		if err != nil {
			return nil, nil, err // the options are right
		}
		return d, d.Close, nil
	}
	return nil, nil, record.ErrMalformed
}
