package wire

import "encoding/binary"

// Reader reads big-endian fields off the front of a byte slice. What it returns
// aliases that slice.
type Reader struct {
	b     []byte
	short bool
}

// NewReader returns a reader over b.
func NewReader(b []byte) Reader { return Reader{b: b} }

// Short reports whether any read went beyond the end.
func (r *Reader) Short() bool { return r.short }

// Len returns the bytes not yet read.
func (r *Reader) Len() int { return len(r.b) }

// Fail marks the reader short, so that a decoder can report a bad value the way
// it reports missing bytes.
func (r *Reader) Fail() { r.short, r.b = true, nil }

// Uint8 reads one byte.
func (r *Reader) Uint8() uint8 {
	if len(r.b) < 1 {
		r.Fail()
		return 0
	}
	v := r.b[0]
	r.b = r.b[1:]
	return v
}

// Uint16 reads two bytes.
func (r *Reader) Uint16() uint16 {
	if len(r.b) < 2 {
		r.Fail()
		return 0
	}
	v := binary.BigEndian.Uint16(r.b)
	r.b = r.b[2:]
	return v
}

// Uint32 reads four bytes.
func (r *Reader) Uint32() uint32 {
	if len(r.b) < 4 {
		r.Fail()
		return 0
	}
	v := binary.BigEndian.Uint32(r.b)
	r.b = r.b[4:]
	return v
}

// Uint64 reads eight bytes.
func (r *Reader) Uint64() uint64 {
	if len(r.b) < 8 {
		r.Fail()
		return 0
	}
	v := binary.BigEndian.Uint64(r.b)
	r.b = r.b[8:]
	return v
}

// Bytes reads n bytes without copying them.
func (r *Reader) Bytes(n uint32) []byte {
	if uint64(n) > uint64(len(r.b)) {
		r.Fail()
		return nil
	}
	v := r.b[:n:n]
	r.b = r.b[n:]
	return v
}
