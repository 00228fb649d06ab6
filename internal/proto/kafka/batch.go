package kafka

import (
	"encoding/binary"
	"hash/crc32"

	"github.com/twmb/franz-go/pkg/kerr"

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
//	23     4    last offset delta: messages less one
//	27     8    first timestamp, unix ms
//	35     8    greatest timestamp
//	43     8    producer id
//	51     2    producer epoch
//	53     4    first sequence
//	57     4    number of records
//	61     …    records, perhaps compressed
const (
	batchHeadBytes   = 61
	batchCRCAt       = 21
	batchLengthBytes = 12
)

// noProducer is the producer id of a batch whose producer is not idempotent.
const noProducer = -1

// Attributes of a batch.
const (
	attributeTransactional = 1 << 4
	attributeControl       = 1 << 5
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// batch is what there is to know of a record batch without opening it.
type batch struct {
	bytes     []byte
	count     uint32
	timestamp int64 // greatest
	producer  record.Producer
}

// readBatch checks the batch at the head of b and returns what is behind it.
func readBatch(b []byte) (k batch, rest []byte, code int16) {
	if len(b) < batchLengthBytes {
		return k, nil, kerr.CorruptMessage.Code
	}
	n := int64(int32(binary.BigEndian.Uint32(b[8:]))) + batchLengthBytes
	if n < batchHeadBytes || n > int64(len(b)) {
		return k, nil, kerr.CorruptMessage.Code
	}
	k.bytes, rest = b[:n:n], b[n:]
	last := int32(binary.BigEndian.Uint32(k.bytes[23:]))
	records := int32(binary.BigEndian.Uint32(k.bytes[57:]))
	switch {
	case k.bytes[16] != 2:
		return k, nil, kerr.InvalidRecord.Code
	case crc32.Checksum(k.bytes[batchCRCAt:], castagnoli) != binary.BigEndian.Uint32(k.bytes[17:]):
		return k, nil, kerr.CorruptMessage.Code
	case binary.BigEndian.Uint64(k.bytes) != 0, records < 1 || last != records-1:
		return k, nil, kerr.InvalidRecord.Code
	}
	if !k.readProducer() {
		return k, nil, kerr.InvalidRecord.Code
	}
	k.count = uint32(records)
	k.timestamp = max(int64(binary.BigEndian.Uint64(k.bytes[35:])), 1)
	return k, rest, errNone
}

// readProducer reports false where the producer's fields contradict each other, or
// the batch is one that only brokers write.
func (k *batch) readProducer() bool {
	attributes := binary.BigEndian.Uint16(k.bytes[21:])
	id, epoch := int64(binary.BigEndian.Uint64(k.bytes[43:])), int16(binary.BigEndian.Uint16(k.bytes[51:]))
	sequence := int32(binary.BigEndian.Uint32(k.bytes[53:]))
	switch {
	case attributes&attributeControl != 0:
		return false
	case id == noProducer:
		return attributes&attributeTransactional == 0
	case id < 0 || epoch < 0 || sequence < 0:
		return false
	}
	k.producer = record.Producer{ID: record.ProducerID(id), Epoch: uint16(epoch), Sequence: uint32(sequence), Part: record.PartPlain}
	if attributes&attributeTransactional != 0 {
		k.producer.Part = record.PartTransaction
	}
	return true
}

// marker is the batch that ends a transaction: one record, whose key says how.
func marker(who identity, commit bool, now int64) []byte {
	b := make([]byte, batchHeadBytes, batchHeadBytes+20)
	kind := byte(0)
	if commit {
		kind = 1
	}
	value := make([]byte, 6) // version and coordinator epoch, both 0
	// Length, attributes, time and offset deltas, then key and value with their
	// lengths, all zigzag; no headers.
	rec := append([]byte{0, 0, 0, 4 << 1, 0, 0, 0, kind, 6 << 1}, append(value, 0)...)
	b = append(append(b, byte(len(rec)<<1)), rec...)
	binary.BigEndian.PutUint32(b[8:], uint32(len(b)-batchLengthBytes))
	b[16] = 2
	binary.BigEndian.PutUint16(b[21:], attributeTransactional|attributeControl)
	binary.BigEndian.PutUint64(b[27:], uint64(now))
	binary.BigEndian.PutUint64(b[35:], uint64(now))
	binary.BigEndian.PutUint64(b[43:], uint64(who.ID))
	binary.BigEndian.PutUint16(b[51:], uint16(who.Epoch))
	binary.BigEndian.PutUint32(b[53:], 1<<32-1)
	binary.BigEndian.PutUint32(b[57:], 1)
	binary.BigEndian.PutUint32(b[17:], crc32.Checksum(b[batchCRCAt:], castagnoli))
	return b
}

// appendStored adds a stored batch to dst with its place in the log.
func appendStored(dst, rec []byte, base record.Offset) []byte {
	var e record.Envelope
	native, err := record.Decode(rec, &e)
	if err != nil || e.Dialect != record.DialectKafka || len(native) < batchHeadBytes {
		return dst
	}
	start := len(dst)
	dst = append(dst, native...)
	binary.BigEndian.PutUint64(dst[start:], uint64(base))
	binary.BigEndian.PutUint32(dst[start+12:], leaderEpoch)
	return dst
}

// leaderEpoch is that of every partition while there is one node.
const leaderEpoch = 0
