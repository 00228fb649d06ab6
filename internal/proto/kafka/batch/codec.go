package batch

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"math/bits"
	"sync"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/snappy"
	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"

	"weir/internal/record"
)

// Codec is a compression of the records of a batch.
type Codec uint8

// The codecs, as numbered in a batch's attributes.
const (
	None Codec = iota
	Gzip
	Snappy
	LZ4
	Zstd
)

// Known says whether there is such a codec.
func (c Codec) Known() bool { return c <= Zstd }

// keepBytes bounds the memory that waits in a pool for the next batch.
const keepBytes = 1 << 20

var (
	buffers   = sync.Pool{New: func() any { return new(bytes.Buffer) }}
	gzips     = sync.Pool{New: func() any { return new(gzip.Reader) }}
	lz4s      = sync.Pool{New: func() any { return lz4.NewReader(nil) }}
	zstds     [64]sync.Pool // of *zstd.Decoder, by the bits of their budget
	xerialTag = []byte{130, 'S', 'N', 'A', 'P', 'P', 'Y', 0}
)

func nothing() {}

// decompress unpacks b into no more than budget bytes, which release gives back.
func decompress(c Codec, b []byte, budgetBytes int64) (out []byte, release func(), err error) {
	if c == None {
		if int64(len(b)) > budgetBytes {
			return nil, nothing, record.ErrBudget
		}
		return b, nothing, nil
	}
	into := buffers.Get().(*bytes.Buffer)
	into.Reset()
	release = func() {
		if into.Cap() <= keepBytes {
			buffers.Put(into)
		}
	}
	switch c {
	case Gzip:
		err = gunzip(into, b, budgetBytes)
	case Snappy:
		err = unsnappy(into, b, budgetBytes)
	case LZ4:
		r := lz4s.Get().(*lz4.Reader)
		r.Reset(bytes.NewReader(b))
		err = fill(into, r, budgetBytes)
		lz4s.Put(r)
	case Zstd:
		err = unzstd(into, b, budgetBytes)
	default:
		err = record.ErrMalformed
	}
	if err != nil {
		release()
		return nil, nothing, err
	}
	return into.Bytes(), release, nil
}

// fill reads r to its end.
func fill(into *bytes.Buffer, r io.Reader, budgetBytes int64) error {
	n, err := into.ReadFrom(io.LimitReader(r, budgetBytes+1))
	switch {
	case n > budgetBytes:
		return record.ErrBudget
	case err != nil:
		return record.ErrMalformed
	}
	return nil
}

func gunzip(into *bytes.Buffer, b []byte, budgetBytes int64) error {
	r := gzips.Get().(*gzip.Reader)
	defer gzips.Put(r)
	if r.Reset(bytes.NewReader(b)) != nil {
		return record.ErrMalformed
	}
	return fill(into, r, budgetBytes)
}

// unzstd unpacks at once, for then the output is the window: a frame may ask for
// one of many megabytes.
func unzstd(into *bytes.Buffer, b []byte, budgetBytes int64) error {
	pool := &zstds[bits.Len64(uint64(budgetBytes))]
	d, _ := pool.Get().(*zstd.Decoder)
	if d == nil {
		most := uint64(1) << bits.Len64(uint64(budgetBytes))
		var err error
		if d, err = zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxMemory(most)); err != nil {
			return err // the options are right
		}
	}
	defer pool.Put(d)
	out, err := d.DecodeAll(b, into.AvailableBuffer())
	switch {
	case errors.Is(err, zstd.ErrDecoderSizeExceeded), errors.Is(err, zstd.ErrWindowSizeExceeded), int64(len(out)) > budgetBytes:
		return record.ErrBudget
	case err != nil:
		return record.ErrMalformed
	}
	*into = *bytes.NewBuffer(out)
	return nil
}

// unsnappy unpacks one block, or the chunks that Java's library frames them in.
func unsnappy(into *bytes.Buffer, b []byte, budgetBytes int64) error {
	if !bytes.HasPrefix(b, xerialTag) {
		return unsnappyBlock(into, b, budgetBytes)
	}
	if len(b) < 16 {
		return record.ErrMalformed
	}
	for b = b[16:]; len(b) > 0; {
		if len(b) < 4 {
			return record.ErrMalformed
		}
		n := int64(binary.BigEndian.Uint32(b))
		if n > int64(len(b)-4) {
			return record.ErrMalformed
		}
		if err := unsnappyBlock(into, b[4:4+n], budgetBytes); err != nil {
			return err
		}
		b = b[4+n:]
	}
	return nil
}

func unsnappyBlock(into *bytes.Buffer, b []byte, budgetBytes int64) error {
	n, err := snappy.DecodedLen(b)
	switch {
	case err != nil || n > 32*len(b)+64: // a block cannot shrink further
		return record.ErrMalformed
	case int64(into.Len())+int64(n) > budgetBytes:
		return record.ErrBudget
	}
	into.Grow(n)
	out, err := snappy.Decode(into.AvailableBuffer()[:n], b)
	if err != nil {
		return record.ErrMalformed
	}
	into.Write(out) // in place: it copies nothing
	return nil
}

// errCodec says that a codec does not know the level it was given.
var errCodec = errors.New("kafka: unknown codec or level")

// Compress packs records. level is the codec's own, LevelDefault its usual one.
func Compress(c Codec, level int, records []byte) ([]byte, error) {
	var into bytes.Buffer
	var w io.WriteCloser
	var err error
	switch c {
	case None:
		return records, nil
	case Gzip:
		w, err = gzip.NewWriterLevel(&into, gzipLevel(level))
	case Snappy:
		return xerial(records), nil
	case LZ4:
		z := lz4.NewWriter(&into)
		err = z.Apply(lz4.BlockSizeOption(lz4.Block64Kb), lz4.CompressionLevelOption(lz4Level(level)))
		w = z
	case Zstd:
		w, err = zstd.NewWriter(&into, zstd.WithEncoderConcurrency(1), zstd.WithEncoderLevel(zstd.EncoderLevelFromZstd(zstdLevel(level))))
	default:
		return nil, errCodec
	}
	if err != nil {
		return nil, err
	}
	if _, err := w.Write(records); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return into.Bytes(), nil
}

// LevelDefault stands for the level that is usual for the codec.
const LevelDefault = -1 << 31

func gzipLevel(level int) int {
	if level == LevelDefault {
		return gzip.DefaultCompression
	}
	return level
}

// lz4Level maps Kafka's levels, of which 9 is the usual one and the fast mode.
func lz4Level(level int) lz4.CompressionLevel {
	if level <= 9 {
		return lz4.Fast
	}
	return lz4.Level9
}

func zstdLevel(level int) int {
	if level == LevelDefault {
		return 3
	}
	return level
}

// xerialChunk is what Java's library packs at once.
const xerialChunk = 32 << 10

// xerial packs records as Java's snappy library frames them.
func xerial(records []byte) []byte {
	out := append([]byte{}, xerialTag...)
	out = binary.BigEndian.AppendUint32(out, 1) // version
	out = binary.BigEndian.AppendUint32(out, 1) // oldest that can read it
	for len(records) > 0 {
		n := min(len(records), xerialChunk)
		block := snappy.Encode(nil, records[:n])
		out = binary.BigEndian.AppendUint32(out, uint32(len(block)))
		out = append(out, block...)
		records = records[n:]
	}
	return out
}
