package route

import (
	"encoding/binary"
	"math"
	"unsafe"
)

type valueKind uint8

const (
	kindNil valueKind = iota
	kindBool
	kindInt
	kindFloat
	kindText
	kindOpaque
)

// Value is the value of a header. The zero Value is nil.
type Value struct {
	kind valueKind
	bits uint64
	text string
}

// Nil is the value of a header without a value.
func Nil() Value { return Value{} }

// Bool is a truth value; it equals no number.
func Bool(b bool) Value {
	if b {
		return Value{kind: kindBool, bits: 1}
	}
	return Value{kind: kindBool}
}

// Int is a number of any signed integer type.
func Int(i int64) Value { return Value{kind: kindInt, bits: uint64(i)} }

// Float is a number; it equals an integer of the same magnitude.
func Float(f float64) Value { return Value{kind: kindFloat, bits: math.Float64bits(f)} }

// Time is a point in time in the dialect's own unit; it equals that number.
func Time(t int64) Value { return Int(t) }

// Text is a string or a string of bytes.
func Text(s string) Value { return Value{kind: kindText, text: s} }

// Borrow is Text of bytes that are not copied: they must not change while the
// Value is in use. Bindings copy what they keep.
func Borrow(b []byte) Value { return Text(unsafe.String(unsafe.SliceData(b), len(b))) }

// Opaque is a value of any other type in an encoding that is the same for equal
// values; tables and arrays are compared so.
func Opaque(encoding string) Value { return Value{kind: kindOpaque, text: encoding} }

// IsNil tells whether there is no value.
func (v Value) IsNil() bool { return v.kind == kindNil }

// Equal compares values; numbers compare by magnitude whatever their types.
func (v Value) Equal(w Value) bool {
	if v.kind == w.kind {
		if v.kind == kindFloat {
			return math.Float64frombits(v.bits) == math.Float64frombits(w.bits)
		}
		return v.bits == w.bits && v.text == w.text
	}
	if v.kind == kindFloat {
		v, w = w, v
	}
	if w.kind != kindFloat {
		return false
	}
	f := math.Float64frombits(w.bits)
	// 2^63 itself is a float but no int64.
	return v.kind == kindInt && f >= -(1<<63) && f < 1<<63 && int64(f) == int64(v.bits) && f == math.Trunc(f)
}

// appendID writes what identifies the value behind dst.
func (v Value) appendID(dst []byte) []byte {
	dst = append(dst, byte(v.kind))
	dst = binary.LittleEndian.AppendUint64(dst, v.bits)
	dst = binary.AppendUvarint(dst, uint64(len(v.text)))
	return append(dst, v.text...)
}

// hash is stable for ever. Equal numbers of different types hash alike.
func (v Value) hash() uint64 {
	switch v.kind {
	case kindText, kindOpaque:
		return hashString(v.text)
	case kindFloat:
		f := math.Float64frombits(v.bits)
		if f == math.Trunc(f) && f >= -(1<<63) && f < 1<<63 {
			return mix(uint64(int64(f)))
		}
	default:
	}
	return mix(v.bits)
}

const (
	fnvOffset = 14695981039346656037
	fnvPrime  = 1099511628211
)

// hashString is FNV-1a with a finish that spreads it over all bits.
func hashString[T string | []byte](s T) uint64 {
	h := uint64(fnvOffset)
	for i := 0; i < len(s); i++ {
		h = (h ^ uint64(s[i])) * fnvPrime
	}
	return mix(h)
}

// mix is a bijection in which every bit of x affects every bit of the result.
func mix(x uint64) uint64 {
	x ^= x >> 30
	x *= 0xbf58476d1ce4e5b9
	x ^= x >> 27
	x *= 0x94d049bb133111eb
	return x ^ x>>31
}
