package codec

import (
	"unicode/utf8"

	"weir/internal/wire"
)

// ShortBytesMax is the longest shortstr.
const ShortBytesMax = 255

func bit(v bool, shift int) byte {
	if v {
		return 1 << shift
	}
	return 0
}

func empty(b []byte) error {
	if len(b) != 0 {
		return ErrSyntax
	}
	return nil
}

// finish tells whether everything was there and nothing is left.
func finish(r *wire.Reader) error {
	if r.Short() || r.Len() != 0 {
		return ErrSyntax
	}
	return nil
}

func readShort(r *wire.Reader) []byte { return r.Bytes(uint32(r.Uint8())) }

func readString(r *wire.Reader) string {
	b := readShort(r)
	if !utf8.Valid(b) {
		r.Fail()
		return ""
	}
	return string(b)
}

func readTable(r *wire.Reader) Table {
	b := r.Bytes(r.Uint32())
	if CheckTable(b) != nil {
		r.Fail()
		return nil
	}
	return b
}

// appendShort writes a shortstr. What is longer than one can be is cut, which
// only happens to texts for people: names are checked where they come in.
func appendShort[S string | []byte](dst []byte, s S) []byte {
	if len(s) > ShortBytesMax {
		s = s[:ShortBytesMax]
	}
	dst = append(dst, byte(len(s)))
	return append(dst, s...)
}

func appendLong[B ~[]byte](dst []byte, b B) []byte {
	n := len(b)
	dst = append(dst, byte(n>>24), byte(n>>16), byte(n>>8), byte(n))
	return append(dst, b...)
}

// AppendShort writes a shortstr, cut at 255 bytes.
func AppendShort(dst []byte, s string) []byte { return appendShort(dst, s) }
