package segment

import (
	"encoding/binary"
	"hash/crc32"
	"math"

	"weir/internal/record"
	"weir/internal/vfs"
)

// A file, little endian: the magic, then per run its blocks, its index (where
// it has more than one block) and its attributes, then the footer and the
// trailer. All but the magic and the trailer are frames.
const (
	// magic begins the file and ends it; it names the format and its version.
	magic = "weirseg\x01"

	// blockBytes is what a frame holds at most, unless one record is larger. It
	// is what a reader fetches and checks to get at one record: larger costs
	// latency, smaller costs index.
	blockBytes = 64 << 10

	frameHeaderBytes = 24
	blockHeaderBytes = 16
	indexEntryBytes  = 32
	attributeBytes   = 32
	runBytes         = 112
	trailerBytes     = 32

	// TemporarySuffix ends the name of a file that is not finished. After a
	// crash such files hold nothing of value.
	TemporarySuffix = ".tmp"
)

// Kinds of frames.
const (
	kindBlock      = 1
	kindIndex      = 2
	kindAttributes = 3
	kindFooter     = 4
)

// ErrCorrupt matches every report of damage; see vfs.CorruptError.
var ErrCorrupt = vfs.ErrCorrupt

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// sealFrame fills the header in front of b[frameHeaderBytes:], the body:
//
//	offset size field
//	0      4    crc32c of everything behind it, body included
//	4      4    n: bytes of body
//	8      1    kind
//	9      3    zero
//	12     4    entries in the body
//	16     8    position of this frame in the file
//	24     n    body
func sealFrame(b []byte, kind uint8, entries int, position int64) {
	binary.LittleEndian.PutUint32(b[4:], uint32(len(b)-frameHeaderBytes))
	binary.LittleEndian.PutUint32(b[8:], uint32(kind))
	binary.LittleEndian.PutUint32(b[12:], uint32(entries))
	binary.LittleEndian.PutUint64(b[16:], uint64(position))
	binary.LittleEndian.PutUint32(b, crc32.Checksum(b[4:], castagnoli))
}

// frameSize returns the bytes of the frame b begins with; false is that b is
// too short for it.
func frameSize(b []byte) (int, bool) {
	if len(b) < frameHeaderBytes {
		return 0, false
	}
	n := binary.LittleEndian.Uint32(b[4:])
	if uint64(n) > uint64(len(b)-frameHeaderBytes) {
		return 0, false
	}
	return frameHeaderBytes + int(n), true
}

// openFrame checks a whole frame and returns its body; a reason is damage.
func openFrame(b []byte, kind uint8, position int64) (body []byte, entries int, reason string) {
	size, ok := frameSize(b)
	switch {
	case !ok || size != len(b):
		return nil, 0, "frame has another length than expected"
	case binary.LittleEndian.Uint32(b) != crc32.Checksum(b[4:], castagnoli):
		return nil, 0, "frame fails its checksum"
	case binary.LittleEndian.Uint32(b[8:]) != uint32(kind):
		return nil, 0, "frame of another kind"
	case binary.LittleEndian.Uint64(b[16:]) != uint64(position):
		return nil, 0, "frame written for another position"
	}
	return b[frameHeaderBytes:], int(binary.LittleEndian.Uint32(b[12:])), ""
}

// A block's body: log u64, offset u64 of its first record, then per record the
// distance of its offset from the one before as a uvarint (0 for the first) and
// the record as package record encodes it.
type block struct {
	log     record.LogID
	rest    []byte
	entries int
	offset  record.Offset // of the record before
	first   bool
}

func openBlock(body []byte, entries int) (b block, ok bool) {
	if len(body) < blockHeaderBytes || entries == 0 {
		return block{}, false
	}
	return block{
		log:     record.LogID(binary.LittleEndian.Uint64(body)),
		offset:  record.Offset(binary.LittleEndian.Uint64(body[8:])),
		rest:    body[blockHeaderBytes:],
		entries: entries,
		first:   true,
	}, true
}

// next returns the next record with its envelope; more is false at the end, and
// ok is false for bytes that are no record.
func (b *block) next(e *Entry, env *record.Envelope) (more, ok bool) {
	if b.entries == 0 {
		return false, len(b.rest) == 0
	}
	distance, n := binary.Uvarint(b.rest)
	if n <= 0 || b.first != (distance == 0) || distance > math.MaxUint64-uint64(b.offset) {
		return false, false
	}
	b.rest = b.rest[n:]
	size, err := record.Size(b.rest)
	if err != nil {
		return false, false
	}
	if _, err := record.Decode(b.rest[:size], env); err != nil {
		return false, false
	}
	b.offset += record.Offset(distance)
	b.first = false
	b.entries--
	e.Offset, e.Record = b.offset, b.rest[:size:size]
	b.rest = b.rest[size:]
	return true, true
}

// indexEntry is one block of a run: first offset u64, position u64, bytes of
// the frame u32, zero u32, highest timestamp i64.
type indexEntry struct {
	first        record.Offset
	position     int64
	bytes        uint32
	maxTimestamp int64
}

func (x *indexEntry) appendTo(b []byte) []byte {
	b = binary.LittleEndian.AppendUint64(b, uint64(x.first))
	b = binary.LittleEndian.AppendUint64(b, uint64(x.position))
	b = binary.LittleEndian.AppendUint64(b, uint64(x.bytes))
	return binary.LittleEndian.AppendUint64(b, uint64(x.maxTimestamp))
}

func readIndexEntry(b []byte) indexEntry {
	return indexEntry{
		first:        record.Offset(binary.LittleEndian.Uint64(b)),
		position:     int64(binary.LittleEndian.Uint64(b[8:])),
		bytes:        binary.LittleEndian.Uint32(b[16:]),
		maxTimestamp: int64(binary.LittleEndian.Uint64(b[24:])),
	}
}

// attribute is a record with a priority, an expiry or a due time: offset u64,
// expiry i64, due i64, priority u64.
type attribute struct {
	offset      record.Offset
	expiry, due int64
	priority    uint8
}

func attributeOf(offset record.Offset, env *record.Envelope) attribute {
	return attribute{offset: offset, expiry: env.Expiry, due: env.Due, priority: env.Priority}
}

func (a *attribute) isSet() bool { return a.priority != 0 || a.expiry != 0 || a.due != 0 }

func (a *attribute) appendTo(b []byte) []byte {
	b = binary.LittleEndian.AppendUint64(b, uint64(a.offset))
	b = binary.LittleEndian.AppendUint64(b, uint64(a.expiry))
	b = binary.LittleEndian.AppendUint64(b, uint64(a.due))
	return binary.LittleEndian.AppendUint64(b, uint64(a.priority))
}

func readAttribute(b []byte) attribute {
	return attribute{
		offset:   record.Offset(binary.LittleEndian.Uint64(b)),
		expiry:   int64(binary.LittleEndian.Uint64(b[8:])),
		due:      int64(binary.LittleEndian.Uint64(b[16:])),
		priority: b[24],
	}
}

// appendTo writes a run's footer entry, fourteen numbers of 8 bytes: log, first
// and last offset, offsets covered, records, bytes of records, lowest and
// highest timestamp, lowest expiry, position, and the bytes of its blocks, of
// its index and of its attributes, and the number of its blocks.
func (r *RunInfo) appendTo(b []byte) []byte {
	for _, v := range [...]uint64{
		uint64(r.Log), uint64(r.First), uint64(r.Last), r.Count, r.Entries, uint64(r.Bytes),
		uint64(r.MinTimestamp), uint64(r.MaxTimestamp), uint64(r.MinExpiry),
		uint64(r.position), uint64(r.blockBytes), uint64(r.indexBytes), uint64(r.attributeBytes), r.blocks,
	} {
		b = binary.LittleEndian.AppendUint64(b, v)
	}
	return b
}

func readRun(b []byte) RunInfo {
	var v [runBytes / 8]uint64
	for i := range v {
		v[i] = binary.LittleEndian.Uint64(b[8*i:])
	}
	return RunInfo{
		Log: record.LogID(v[0]), First: record.Offset(v[1]), Last: record.Offset(v[2]),
		Count: v[3], Entries: v[4], Bytes: int64(v[5]),
		MinTimestamp: int64(v[6]), MaxTimestamp: int64(v[7]), MinExpiry: int64(v[8]),
		position: int64(v[9]), blockBytes: int64(v[10]), indexBytes: int64(v[11]), attributeBytes: int64(v[12]),
		blocks: v[13],
	}
}

// appendTrailer writes the last 32 bytes of a file: crc32c of what follows u32,
// identity u32, position of the footer u64, runs u64, magic.
func appendTrailer(b []byte, identity uint32, footer int64, runs int) []byte {
	at := len(b)
	b = append(b, 0, 0, 0, 0)
	b = binary.LittleEndian.AppendUint32(b, identity)
	b = binary.LittleEndian.AppendUint64(b, uint64(footer))
	b = binary.LittleEndian.AppendUint64(b, uint64(runs))
	b = append(b, magic...)
	binary.LittleEndian.PutUint32(b[at:], crc32.Checksum(b[at+4:], castagnoli))
	return b
}

func readTrailer(b []byte) (identity uint32, footer int64, runs uint64, ok bool) {
	if string(b[24:]) != magic || binary.LittleEndian.Uint32(b) != crc32.Checksum(b[4:], castagnoli) {
		return 0, 0, 0, false
	}
	return binary.LittleEndian.Uint32(b[4:]), int64(binary.LittleEndian.Uint64(b[8:])), binary.LittleEndian.Uint64(b[16:]), true
}
