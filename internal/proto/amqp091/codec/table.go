package codec

import (
	"encoding/binary"
	"math"
)

// Bounds of a field table. RabbitMQ has none; nesting this deep and tables this
// wide are only ever built to hurt a decoder.
const (
	TableDepthMax    = 32
	TableElementsMax = 16384
)

// Table is the content of a field table, without its length. Each field is a
// name (shortstr), a kind (1) and a value:
//
//	t bool (1)      b int8 (1)      B uint8 (1)    s int16 (2)     u uint16 (2)
//	I int32 (4)     i uint32 (4)    l, L int64 (8) f float32 (4)   d float64 (8)
//	D decimal: scale (1), uint32 (4)               T seconds (8)   V nothing
//	S string: length (4), bytes     x bytes: length (4), bytes
//	F table: length (4), fields     A array: length (4), kinds and values
type Table []byte

// Array is the content of a field array, without its length.
type Array []byte

// Value is one value of a table or array; Bytes is what stands behind the kind,
// or behind the length where the kind has one.
type Value struct {
	Kind  byte
	Bytes []byte
}

const (
	sizeUnknown = -1
	sizeString  = -2 // a length and bytes
	sizeNested  = -3 // a length and further values
)

// sizes is the width of each kind or one of the markers above.
var sizes = func() (s [256]int8) {
	for i := range s {
		s[i] = sizeUnknown
	}
	for kind, n := range map[byte]int8{
		't': 1, 'b': 1, 'B': 1, 's': 2, 'u': 2, 'I': 4, 'i': 4, 'l': 8, 'L': 8, 'f': 4, 'd': 8,
		'D': 5, 'T': 8, 'V': 0, 'S': sizeString, 'x': sizeString, 'F': sizeNested, 'A': sizeNested,
	} {
		s[kind] = n
	}
	return s
}()

// CheckTable tells whether b is a well-formed table within the bounds. What it
// accepts, the methods of Table can walk without failing.
func CheckTable(b []byte) error {
	type level struct {
		end   int
		array bool
	}
	var stack [TableDepthMax]level
	depth, p := 0, 0
	at := level{end: len(b)}
	for elements := 0; ; elements++ {
		for p == at.end {
			if depth == 0 {
				return nil
			}
			depth--
			at = stack[depth]
		}
		if elements == TableElementsMax {
			return ErrElements
		}
		if !at.array {
			p += 1 + int(b[p])
		}
		if p >= at.end {
			return ErrSyntax
		}
		size := int(sizes[b[p]])
		kind := b[p]
		p++
		if size >= 0 {
			p += size
			if p > at.end {
				return ErrSyntax
			}
			continue
		}
		if size == sizeUnknown || at.end-p < 4 {
			return ErrSyntax
		}
		n := uint64(binary.BigEndian.Uint32(b[p:]))
		p += 4
		if n > uint64(at.end-p) {
			return ErrSyntax
		}
		if size == sizeString {
			p += int(n)
			continue
		}
		if depth == TableDepthMax-1 {
			return ErrDepth
		}
		stack[depth] = at
		depth++
		at = level{end: p + int(n), array: kind == 'A'}
	}
}

// value splits the value off the front of b.
func value(b []byte) (v Value, rest []byte, ok bool) {
	if len(b) == 0 {
		return v, nil, false
	}
	size := int(sizes[b[0]])
	start := 1
	if size < 0 {
		if size == sizeUnknown || len(b) < 5 {
			return v, nil, false
		}
		n := binary.BigEndian.Uint32(b[1:])
		if uint64(n) > uint64(len(b)-5) {
			return v, nil, false
		}
		size, start = int(n), 5
	}
	if len(b)-start < size {
		return v, nil, false
	}
	end := start + size
	return Value{Kind: b[0], Bytes: b[start:end:end]}, b[end:], true
}

// Next splits the first field off. It is not ok at the end.
func (t Table) Next() (name []byte, v Value, rest Table, ok bool) {
	if len(t) == 0 || len(t) < 1+int(t[0]) {
		return nil, v, nil, false
	}
	name = t[1 : 1+int(t[0])]
	v, tail, ok := value(t[1+len(name):])
	return name, v, tail, ok
}

// Next splits the first value off. It is not ok at the end.
func (a Array) Next() (v Value, rest Array, ok bool) {
	v, tail, ok := value(a)
	return v, tail, ok
}

// Lookup finds the first field of that name.
func (t Table) Lookup(name string) (Value, bool) {
	for {
		n, v, rest, ok := t.Next()
		if !ok {
			return Value{}, false
		}
		if string(n) == name {
			return v, true
		}
		t = rest
	}
}

// Text returns a string value (S) or bytes value (x).
func (v Value) Text() ([]byte, bool) { return v.Bytes, v.Kind == 'S' || v.Kind == 'x' }

// Bool returns a bool value.
func (v Value) Bool() (value, ok bool) { return v.Kind == 't' && v.Bytes[0] != 0, v.Kind == 't' }

// Table returns a nested table.
func (v Value) Table() (Table, bool) { return Table(v.Bytes), v.Kind == 'F' }

// Array returns a nested array.
func (v Value) Array() (Array, bool) { return Array(v.Bytes), v.Kind == 'A' }

// Int returns a value of one of the integer kinds.
func (v Value) Int() (int64, bool) {
	switch v.Kind {
	case 'b':
		return int64(int8(v.Bytes[0])), true
	case 'B':
		return int64(v.Bytes[0]), true
	case 's':
		return int64(int16(binary.BigEndian.Uint16(v.Bytes))), true
	case 'u':
		return int64(binary.BigEndian.Uint16(v.Bytes)), true
	case 'I':
		return int64(int32(binary.BigEndian.Uint32(v.Bytes))), true
	case 'i':
		return int64(binary.BigEndian.Uint32(v.Bytes)), true
	case 'l', 'L':
		return int64(binary.BigEndian.Uint64(v.Bytes)), true
	}
	return 0, false
}

// Float returns a value of one of the floating or decimal kinds.
func (v Value) Float() (float64, bool) {
	switch v.Kind {
	case 'f':
		return float64(math.Float32frombits(binary.BigEndian.Uint32(v.Bytes))), true
	case 'd':
		return math.Float64frombits(binary.BigEndian.Uint64(v.Bytes)), true
	case 'D':
		return float64(binary.BigEndian.Uint32(v.Bytes[1:])) / math.Pow10(int(v.Bytes[0])), true
	}
	return 0, false
}

// TypeName is what RabbitMQ calls the kind in its error texts.
func (v Value) TypeName() string {
	switch v.Kind {
	case 't':
		return "bool"
	case 'b':
		return "byte"
	case 'B':
		return "unsignedbyte"
	case 's':
		return "short"
	case 'u':
		return "unsignedshort"
	case 'I':
		return "signedint"
	case 'i':
		return "unsignedint"
	case 'l', 'L':
		return "long"
	case 'f':
		return "float"
	case 'd':
		return "double"
	case 'D':
		return "decimal"
	case 'T':
		return "timestamp"
	case 'S':
		return "longstr"
	case 'x':
		return "binary"
	case 'F':
		return "table"
	case 'A':
		return "array"
	}
	return "void"
}
