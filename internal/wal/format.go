package wal

import (
	"encoding/binary"
	"hash/crc32"

	"weir/internal/record"
)

const (
	// headerBytes is the fixed part in front of every payload.
	headerBytes = 56

	// fileHeaderBytes is the record at offset 0 of every file and linkBytes the
	// one behind it; recordsAt is where the caller's records begin.
	fileHeaderBytes = headerBytes + int64(len(magic))
	linkBytes       = headerBytes + linkPayloadBytes
	recordsAt       = fileHeaderBytes + linkBytes

	linkPayloadBytes = 16

	// magic names the format and its version.
	magic = "weirwal\x01"

	// payloadBytesMax leaves room for the largest entry, a message of 128 MiB
	// and its envelope, several times over.
	payloadBytesMax = 1 << 30
)

// Kinds the log itself writes.
const (
	// KindMax is the highest kind a caller may use.
	KindMax = 239

	kindMark   = 253 // everything before it is durable; last in a closed file
	kindLink   = 254 // first behind the header: the file before and its end
	kindHeader = 255 // at offset 0
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Record is one entry of one shard.
type Record struct {
	Kind        uint8 // the caller's, up to KindMax
	Shard       record.ShardID
	Incarnation uint64 // of the shard: a recreated shard never sees the old one's records as its own
	Term        record.Term
	Index       record.Index
	Payload     []byte
}

// tag is what tells a file's own records from what its blocks held before: the
// file number, never used twice, and a random salt, so that no payload can be
// made to look like a record of a file yet to come.
type tag uint64

func newTag(number, salt uint32) tag { return tag(number) | tag(salt)<<32 }

func (t tag) number() uint32 { return uint32(t) }

// putHeader fills the 56 bytes in front of r's payload, little endian:
//
//	offset size field
//	0      4    crc32c of everything behind it, payload included
//	4      4    n: bytes of payload
//	8      1    kind
//	9      3    zero
//	12     4    shard
//	16     4    file number
//	20     4    salt of the file
//	24     8    sync-offset: bytes of this file durable when the record was written
//	32     8    incarnation
//	40     8    term
//	48     8    index
//	56     n    payload
func putHeader(b []byte, t tag, syncOffset int64, r *Record) {
	_ = b[headerBytes-1]
	binary.LittleEndian.PutUint32(b[4:], uint32(len(r.Payload)))
	binary.LittleEndian.PutUint32(b[8:], uint32(r.Kind))
	binary.LittleEndian.PutUint32(b[12:], uint32(r.Shard))
	binary.LittleEndian.PutUint64(b[16:], uint64(t))
	binary.LittleEndian.PutUint64(b[24:], uint64(syncOffset))
	binary.LittleEndian.PutUint64(b[32:], r.Incarnation)
	binary.LittleEndian.PutUint64(b[40:], uint64(r.Term))
	binary.LittleEndian.PutUint64(b[48:], uint64(r.Index))
	crc := crc32.Update(crc32.Checksum(b[4:headerBytes], castagnoli), castagnoli, r.Payload)
	binary.LittleEndian.PutUint32(b, crc)
}

func recordSize(r *Record) int64 { return headerBytes + int64(len(r.Payload)) }

// appendRecord writes all of r behind dst.
func appendRecord(dst []byte, t tag, syncOffset int64, r *Record) []byte {
	at := len(dst)
	dst = append(dst, make([]byte, headerBytes)...)
	putHeader(dst[at:], t, syncOffset, r)
	return append(dst, r.Payload...)
}

// stored is a record as found in a file.
type stored struct {
	Record
	syncOffset int64
	size       int64
}

// payloadSize returns the payload length a header claims.
func payloadSize(header []byte) int64 { return int64(binary.LittleEndian.Uint32(header[4:])) }

func headerTag(header []byte) tag { return tag(binary.LittleEndian.Uint64(header[16:])) }

// decode reads the record that fills b, found at off in its file; false is a
// record that was not written so.
func decode(b []byte, off int64) (s stored, ok bool) {
	if binary.LittleEndian.Uint32(b) != crc32.Checksum(b[4:], castagnoli) {
		return stored{}, false
	}
	kind := binary.LittleEndian.Uint32(b[8:])
	syncOffset := binary.LittleEndian.Uint64(b[24:])
	if kind > 255 || syncOffset > uint64(off) {
		return stored{}, false
	}
	return stored{
		Record: Record{
			Kind:        uint8(kind),
			Shard:       record.ShardID(binary.LittleEndian.Uint32(b[12:])),
			Incarnation: binary.LittleEndian.Uint64(b[32:]),
			Term:        record.Term(binary.LittleEndian.Uint64(b[40:])),
			Index:       record.Index(binary.LittleEndian.Uint64(b[48:])),
			Payload:     b[headerBytes:len(b):len(b)],
		},
		syncOffset: int64(syncOffset),
		size:       int64(len(b)),
	}, true
}

// fileHeader returns the record at offset 0 of the file t is of.
func fileHeader(t tag) []byte {
	return appendRecord(nil, t, 0, &Record{Kind: kindHeader, Payload: []byte(magic)})
}

// link names the file that a file goes on from and where that one ends; number
// 0 is none. Its payload: number u32, zero u32, end u64.
type link struct {
	number uint32
	end    int64
}

func (l link) appendTo(dst []byte, t tag) []byte {
	var p [linkPayloadBytes]byte
	binary.LittleEndian.PutUint32(p[:], l.number)
	binary.LittleEndian.PutUint64(p[8:], uint64(l.end))
	return appendRecord(dst, t, fileHeaderBytes, &Record{Kind: kindLink, Payload: p[:]})
}

func decodeLink(p []byte) (link, bool) {
	if len(p) != linkPayloadBytes {
		return link{}, false
	}
	l := link{number: binary.LittleEndian.Uint32(p), end: int64(binary.LittleEndian.Uint64(p[8:]))}
	return l, l.end >= 0
}
