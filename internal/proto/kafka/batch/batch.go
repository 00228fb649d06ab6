package batch

import (
	"encoding/binary"
	"hash/crc32"

	"weir/internal/record"
)

// A record batch of magic 2, big endian. It is stored as it came but for the base
// offset and the leader epoch, which no checksum covers.
//
//	offset size field
//	0      8    base offset
//	8      4    n: bytes that follow this field
//	12     4    leader epoch
//	16     1    magic, 2
//	17     4    CRC-32C of all that follows
//	21     2    attributes
//	23     4    last offset delta: messages less one, if none was taken out
//	27     8    first timestamp, unix ms
//	35     8    greatest timestamp
//	43     8    producer id
//	51     2    producer epoch
//	53     4    first sequence
//	57     4    number of records
//	61     …    records, perhaps compressed
const (
	headBytes      = 61
	lengthAt       = 8
	lengthBytes    = 12 // what the length does not count
	magicAt        = 16
	checksumAt     = 17
	attributesAt   = 21
	lastDeltaAt    = 23
	firstTimeAt    = 27
	maxTimeAt      = 35
	recordCountAt  = 57
	magic          = 2
	codecMask      = 7
	appendTimeFlag = 1 << 3
	controlFlag    = 1 << 5
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Batch is a whole batch. Its bytes are not changed but by the Set methods.
type Batch []byte

// Read returns the batch at the head of b and what is behind it. Only its length
// and its magic are looked at.
func Read(b []byte) (head Batch, rest []byte, err error) {
	if len(b) < lengthBytes {
		return nil, nil, record.ErrMalformed
	}
	n := int64(int32(binary.BigEndian.Uint32(b[lengthAt:]))) + lengthBytes
	if n < headBytes || n > int64(len(b)) || b[magicAt] != magic {
		return nil, nil, record.ErrMalformed
	}
	return Batch(b[:n:n]), b[n:], nil
}

// Attributes are the batch's flags.
func (b Batch) Attributes() uint16 { return binary.BigEndian.Uint16(b[attributesAt:]) }

// Codec is how the records are compressed.
func (b Batch) Codec() Codec { return Codec(b.Attributes() & codecMask) }

// AppendTime says that all records have the time at which they were stored.
func (b Batch) AppendTime() bool { return b.Attributes()&appendTimeFlag != 0 }

// Control says that the records are Kafka's own.
func (b Batch) Control() bool { return b.Attributes()&controlFlag != 0 }

// LastDelta is the offset of the batch's end less its base offset.
func (b Batch) LastDelta() int32 { return int32(binary.BigEndian.Uint32(b[lastDeltaAt:])) }

// FirstTime is the time that those of the records are relative to, unix ms.
func (b Batch) FirstTime() int64 { return int64(binary.BigEndian.Uint64(b[firstTimeAt:])) }

// MaxTime is the greatest time of a record, unix ms.
func (b Batch) MaxTime() int64 { return int64(binary.BigEndian.Uint64(b[maxTimeAt:])) }

// Count is how many records the batch says it has.
func (b Batch) Count() int32 { return int32(binary.BigEndian.Uint32(b[recordCountAt:])) }

// Sound says whether the checksum is right.
func (b Batch) Sound() bool {
	return crc32.Checksum(b[attributesAt:], castagnoli) == binary.BigEndian.Uint32(b[checksumAt:])
}

// Seal writes length and checksum anew.
func (b Batch) Seal() {
	binary.BigEndian.PutUint32(b[lengthAt:], uint32(len(b)-lengthBytes))
	binary.BigEndian.PutUint32(b[checksumAt:], crc32.Checksum(b[attributesAt:], castagnoli))
}

// SetTime gives all records the time at which they are stored, unix ms, and seals
// the batch.
func (b Batch) SetTime(unixMillis int64) {
	binary.BigEndian.PutUint16(b[attributesAt:], b.Attributes()|appendTimeFlag)
	binary.BigEndian.PutUint64(b[maxTimeAt:], uint64(unixMillis))
	b.Seal()
}

// SetCreateTime says that records have times of their own, of which this is the
// greatest, unix ms, and seals the batch.
func (b Batch) SetCreateTime(newest int64) {
	binary.BigEndian.PutUint16(b[attributesAt:], b.Attributes()&^appendTimeFlag)
	binary.BigEndian.PutUint64(b[maxTimeAt:], uint64(newest))
	b.Seal()
}
