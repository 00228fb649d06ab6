package checkpoint

import (
	"encoding/binary"
	"hash/crc32"

	"weir/internal/record"
	"weir/internal/vfs"
)

// A file, little endian: the magic, a head frame, data frames, an end frame.
const (
	// magic begins every file; it names the format and its version.
	magic = "weirckp\x01"

	// blockBytes is what a data frame holds at most, unless one key and value
	// are larger.
	blockBytes = 64 << 10

	frameHeaderBytes = 32
	headBytes        = 40
	endBytes         = 16

	// pairBytesMax bounds a key or a value; a length is a frame's, of 32 bits.
	pairBytesMax = 1 << 30
)

// Kinds of frames.
const (
	kindHead = 1
	kindData = 2
	kindEnd  = 3
)

// Types of files.
const (
	typeBase  = 1
	typeDelta = 2
)

const (
	opPut    = 0
	opDelete = 1
)

// ErrCorrupt matches every report of damage; see vfs.CorruptError.
var ErrCorrupt = vfs.ErrCorrupt

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Meta says of what a checkpoint is the state.
type Meta struct {
	Shard       record.ShardID
	Incarnation uint64
	Index       record.Index // everything up to it is in the state
	Term        record.Term
	Vote        uint64
	ConfState   []byte
}

// follows says whether a checkpoint of m may come behind one of was.
func (m *Meta) follows(was *Meta) bool {
	return m.Shard == was.Shard && m.Incarnation == was.Incarnation && m.Index >= was.Index
}

// sealFrame fills the header in front of b[frameHeaderBytes:], the body:
//
//	offset size field
//	0      4    crc32c of everything behind it, body included
//	4      4    n: bytes of body
//	8      1    kind
//	9      3    zero
//	12     4    entries in the body
//	16     8    number of the file
//	24     8    position of this frame in the file
//	32     n    body
func sealFrame(b []byte, kind uint8, entries int, number uint64, position int64) {
	binary.LittleEndian.PutUint32(b[4:], uint32(len(b)-frameHeaderBytes))
	binary.LittleEndian.PutUint32(b[8:], uint32(kind))
	binary.LittleEndian.PutUint32(b[12:], uint32(entries))
	binary.LittleEndian.PutUint64(b[16:], number)
	binary.LittleEndian.PutUint64(b[24:], uint64(position))
	binary.LittleEndian.PutUint32(b, crc32.Checksum(b[4:], castagnoli))
}

// frame is a checked frame.
type frame struct {
	kind    uint8
	entries int
	body    []byte
}

// openFrame checks the frame that fills b; a reason is damage.
func openFrame(b []byte, number uint64, position int64) (f frame, reason string) {
	kind := binary.LittleEndian.Uint32(b[8:])
	switch {
	case binary.LittleEndian.Uint32(b) != crc32.Checksum(b[4:], castagnoli):
		return frame{}, "frame fails its checksum"
	case binary.LittleEndian.Uint64(b[16:]) != number:
		return frame{}, "frame of another file"
	case binary.LittleEndian.Uint64(b[24:]) != uint64(position):
		return frame{}, "frame written for another position"
	case kind > kindEnd:
		return frame{}, "frame of an unknown kind"
	}
	entries := int(binary.LittleEndian.Uint32(b[12:]))
	return frame{kind: uint8(kind), entries: entries, body: b[frameHeaderBytes:]}, ""
}

// appendHead writes the body of the first frame: type u8, 3 zero, shard u32,
// incarnation u64, index u64, term u64, vote u64, and the configuration state.
func appendHead(b []byte, fileType uint8, m *Meta) []byte {
	b = append(b, fileType, 0, 0, 0)
	b = binary.LittleEndian.AppendUint32(b, uint32(m.Shard))
	b = binary.LittleEndian.AppendUint64(b, m.Incarnation)
	b = binary.LittleEndian.AppendUint64(b, uint64(m.Index))
	b = binary.LittleEndian.AppendUint64(b, uint64(m.Term))
	b = binary.LittleEndian.AppendUint64(b, m.Vote)
	return append(b, m.ConfState...)
}

func readHead(b []byte) (fileType uint8, m Meta, ok bool) {
	if len(b) < headBytes || b[1]|b[2]|b[3] != 0 {
		return 0, Meta{}, false
	}
	m = Meta{
		Shard:       record.ShardID(binary.LittleEndian.Uint32(b[4:])),
		Incarnation: binary.LittleEndian.Uint64(b[8:]),
		Index:       record.Index(binary.LittleEndian.Uint64(b[16:])),
		Term:        record.Term(binary.LittleEndian.Uint64(b[24:])),
		Vote:        binary.LittleEndian.Uint64(b[32:]),
	}
	if len(b) > headBytes {
		m.ConfState = append([]byte(nil), b[headBytes:]...)
	}
	return b[0], m, true
}

// appendPair writes one entry of a data frame: operation u8 (0 put, 1 delete),
// length of the key as a uvarint, the key, and for a put the same of the value.
// Keys ascend through the whole file.
func appendPair(b []byte, op uint8, key, value []byte) []byte {
	b = append(b, op)
	b = binary.AppendUvarint(b, uint64(len(key)))
	b = append(b, key...)
	if op == opPut {
		b = binary.AppendUvarint(b, uint64(len(value)))
		b = append(b, value...)
	}
	return b
}

func pairBytes(key, value []byte) int { return 1 + 2*binary.MaxVarintLen64 + len(key) + len(value) }

// readPair takes one entry off the head of b.
func readPair(b []byte) (op uint8, key, value, rest []byte, ok bool) {
	if len(b) == 0 || b[0] > opDelete {
		return 0, nil, nil, nil, false
	}
	op = b[0]
	if key, rest, ok = readBytes(b[1:]); ok && op == opPut {
		value, rest, ok = readBytes(rest)
	}
	return op, key, value, rest, ok
}

func readBytes(b []byte) (value, rest []byte, ok bool) {
	n, k := binary.Uvarint(b)
	if k <= 0 || n > uint64(len(b)-k) {
		return nil, nil, false
	}
	end := k + int(n)
	return b[k:end:end], b[end:], true
}

// appendEnd writes the body of the last frame: puts u64, deletes u64.
func appendEnd(b []byte, puts, deletes uint64) []byte {
	b = binary.LittleEndian.AppendUint64(b, puts)
	return binary.LittleEndian.AppendUint64(b, deletes)
}

func readEnd(b []byte) (puts, deletes uint64, ok bool) {
	if len(b) != endBytes {
		return 0, 0, false
	}
	return binary.LittleEndian.Uint64(b), binary.LittleEndian.Uint64(b[8:]), true
}
