package cursor

import (
	"encoding/binary"
	"errors"

	"weir/internal/record"
)

// ErrMalformed reports bytes that are not the encoding they should be.
var ErrMalformed = errors.New("cursor: malformed state")

// A set on disk, all numbers unsigned varints:
//
//	ranges   number of ranges that follow
//	  gap    from the end of the range before (from 0 for the first); 0 only
//	         for the first, since ranges do not touch
//	  length of the range, at least 1
//
// There is one encoding for one set.

// AppendBinary writes the set behind dst.
func (s *Set) AppendBinary(dst []byte) []byte {
	var ranges uint64
	s.Ranges(func(_, _ record.Offset) bool { ranges++; return true })
	dst = binary.AppendUvarint(dst, ranges)
	var end record.Offset
	s.Ranges(func(lo, hi record.Offset) bool {
		dst = binary.AppendUvarint(dst, uint64(lo-end))
		dst = binary.AppendUvarint(dst, uint64(hi-lo))
		end = hi
		return true
	})
	return dst
}

// DecodeBinary replaces the set by the one at the head of b and returns the
// bytes behind it. What it allocates is bounded by the length of b. On an error
// the set is empty.
func (s *Set) DecodeBinary(b []byte) (rest []byte, err error) {
	s.Clear()
	ranges, b, err := uvarint(b)
	if err != nil || ranges > uint64(len(b))/2 {
		return nil, ErrMalformed
	}
	var end uint64
	for i := uint64(0); i < ranges; i++ {
		var gap, length uint64
		if gap, b, err = uvarint(b); err == nil {
			length, b, err = uvarint(b)
		}
		lo := end + gap
		end = lo + length
		if err != nil || gap == 0 && i > 0 || length == 0 || lo < gap || end < lo {
			s.Clear()
			return nil, ErrMalformed
		}
		s.AddRange(record.Offset(lo), record.Offset(end))
	}
	return b, nil
}

// uvarint reads a varint in its shortest form.
func uvarint(b []byte) (uint64, []byte, error) {
	v, n := binary.Uvarint(b)
	if n <= 0 || n > 1 && b[n-1] == 0 {
		return 0, nil, ErrMalformed
	}
	return v, b[n:], nil
}
