package record

import (
	"encoding/binary"
	"errors"
	"math/bits"
)

// A record on disk and in memory, little endian:
//
//	offset size field
//	0      4    n: bytes that follow this field
//	4      1    dialect
//	5      1    priority, 0 lowest
//	6      2    flags: which optional fields stand, in this order
//	8      8    timestamp, unix milliseconds, set by the leader (flagTimestamp)
//	       8    expiry, unix milliseconds                       (flagExpiry)
//	       8    due: not to be delivered before, unix ms        (flagDue)
//	       16   deduplication id                                (flagDedup)
//	       4    count of offsets the record covers, else 1      (flagCount)
//	       4    bytes of the body within the native bytes       (flagBody)
//	       16   producer: id u64, epoch u16, sequence u32, part u8, 0 u8 (flagProducer)
//	       …    native bytes
const (
	headerBytes = 8

	flagTimestamp = 1 << 0
	flagExpiry    = 1 << 1
	flagDue       = 1 << 2
	flagDedup     = 1 << 3
	flagCount     = 1 << 4
	flagBody      = 1 << 5
	flagProducer  = 1 << 6
	flagsKnown    = flagTimestamp | flagExpiry | flagDue | flagDedup | flagCount | flagBody | flagProducer

	// MessageBytesMax is the largest message any setting may allow. A record
	// is that and its envelope.
	MessageBytesMax = 128 << 20
	recordBytesMax  = MessageBytesMax + 1<<20
)

// ErrMalformed reports bytes that are not a record.
var ErrMalformed = errors.New("record: malformed")

// DedupID identifies a message for de-duplication; the zero value means none.
type DedupID [16]byte

// Envelope is what the engine may read of a message without opening it.
type Envelope struct {
	Dialect   Dialect
	Priority  uint8
	Timestamp int64 // unix milliseconds; 0 is unknown
	Expiry    int64 // unix milliseconds; 0 is never
	Due       int64 // unix milliseconds; 0 is at once
	Dedup     DedupID
	Count     uint32 // offsets covered; 0 and 1 both mean one
	Body      uint32 // bytes that count against size limits; 0: none or unknown
	Producer  Producer
}

// Append writes the record of e and the native parts, in order, behind dst.
func Append(dst []byte, e *Envelope, native ...[]byte) []byte {
	start := len(dst)
	dst = append(dst, 0, 0, 0, 0, byte(e.Dialect), e.Priority, 0, 0)
	var flags uint16
	if e.Timestamp != 0 {
		flags |= flagTimestamp
		dst = binary.LittleEndian.AppendUint64(dst, uint64(e.Timestamp))
	}
	if e.Expiry != 0 {
		flags |= flagExpiry
		dst = binary.LittleEndian.AppendUint64(dst, uint64(e.Expiry))
	}
	if e.Due != 0 {
		flags |= flagDue
		dst = binary.LittleEndian.AppendUint64(dst, uint64(e.Due))
	}
	if e.Dedup != (DedupID{}) {
		flags |= flagDedup
		dst = append(dst, e.Dedup[:]...)
	}
	if e.Count > 1 {
		flags |= flagCount
		dst = binary.LittleEndian.AppendUint32(dst, e.Count)
	}
	if e.Body != 0 {
		flags |= flagBody
		dst = binary.LittleEndian.AppendUint32(dst, e.Body)
	}
	if e.Producer.Part != PartNone {
		flags |= flagProducer
		dst = e.Producer.append(dst)
	}
	binary.LittleEndian.PutUint16(dst[start+6:], flags)
	for _, p := range native {
		dst = append(dst, p...)
	}
	binary.LittleEndian.PutUint32(dst[start:], uint32(len(dst)-start-4))
	return dst
}

// Size returns the bytes the record at the head of b takes, its length field
// included, or ErrMalformed where b is too short to hold it.
func Size(b []byte) (int, error) {
	if len(b) < headerBytes {
		return 0, ErrMalformed
	}
	n := binary.LittleEndian.Uint32(b)
	if n < headerBytes-4 || n > recordBytesMax || int(n) > len(b)-4 {
		return 0, ErrMalformed
	}
	return int(n) + 4, nil
}

// Decode reads the envelope of the record at the head of b and returns the
// native bytes, which alias b.
func Decode(b []byte, e *Envelope) (native []byte, err error) {
	size, err := Size(b)
	if err != nil {
		return nil, err
	}
	flags := binary.LittleEndian.Uint16(b[6:])
	if flags&^flagsKnown != 0 {
		return nil, ErrMalformed
	}
	*e = Envelope{Dialect: Dialect(b[4]), Priority: b[5], Count: 1}
	p := headerBytes
	if flags != 0 {
		if p, err = decodeOptional(b[:size], flags, e); err != nil {
			return nil, err
		}
	}
	return b[p:size:size], nil
}

// Postpone moves the times in the envelope of the record at the head of b, which
// is one that Append wrote: it is published so many milliseconds later.
func Postpone(b []byte, millis int64) {
	flags := binary.LittleEndian.Uint16(b[6:])
	p := headerBytes
	for range bits.OnesCount16(flags & (flagTimestamp | flagExpiry | flagDue)) {
		at := int64(binary.LittleEndian.Uint64(b[p:]))
		binary.LittleEndian.PutUint64(b[p:], uint64(at+millis))
		p += 8
	}
}

func decodeOptional(b []byte, flags uint16, e *Envelope) (int, error) {
	p := headerBytes
	need := bits.OnesCount16(flags&(flagTimestamp|flagExpiry|flagDue))*8 +
		bits.OnesCount16(flags&(flagDedup|flagProducer))*16 + bits.OnesCount16(flags&(flagCount|flagBody))*4
	if len(b)-p < need {
		return 0, ErrMalformed
	}
	if flags&flagTimestamp != 0 {
		e.Timestamp = int64(binary.LittleEndian.Uint64(b[p:]))
		p += 8
	}
	if flags&flagExpiry != 0 {
		e.Expiry = int64(binary.LittleEndian.Uint64(b[p:]))
		p += 8
	}
	if flags&flagDue != 0 {
		e.Due = int64(binary.LittleEndian.Uint64(b[p:]))
		p += 8
	}
	if flags&flagDedup != 0 {
		copy(e.Dedup[:], b[p:])
		p += 16
	}
	if flags&flagCount != 0 {
		e.Count = binary.LittleEndian.Uint32(b[p:])
		p += 4
		if e.Count < 2 {
			return 0, ErrMalformed
		}
	}
	if flags&flagBody != 0 {
		e.Body = binary.LittleEndian.Uint32(b[p:])
		p += 4
	}
	if flags&flagProducer != 0 {
		if !e.Producer.decode(b[p:]) {
			return 0, ErrMalformed
		}
		p += producerBytes
	}
	return p, nil
}
