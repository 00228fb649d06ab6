package codec

import (
	"encoding/binary"
	"math"
	"slices"
)

// Timestamp is a field value of seconds since 1970.
type Timestamp uint64

// scalar converts a value that is neither table nor array.
func (v Value) scalar() any {
	if n, ok := v.Int(); ok {
		return n
	}
	if f, ok := v.Float(); ok {
		return f
	}
	switch v.Kind {
	case 't':
		return v.Bytes[0] != 0
	case 'S', 'x':
		return string(v.Bytes)
	case 'T':
		return int64(binary.BigEndian.Uint64(v.Bytes))
	}
	return nil
}

// Map converts a checked table into plain values: nil, bool, int64, float64,
// string, []any and map[string]any. Of fields of one name the first wins.
func (t Table) Map() map[string]any {
	type level struct {
		rest []byte
		name string // under which the finished level goes into the one below
		m    map[string]any
		list []any
	}
	stack := make([]level, 1, 4)
	stack[0] = level{rest: t, m: map[string]any{}}
	for {
		top := &stack[len(stack)-1]
		var name []byte
		var v Value
		var ok bool
		if top.m != nil {
			name, v, top.rest, ok = nextField(top.rest)
		} else {
			v, top.rest, ok = value(top.rest)
		}
		var done any
		switch {
		case !ok && len(stack) == 1:
			return top.m
		case !ok:
			if done = any(top.list); top.m != nil {
				done = top.m
			}
			name = []byte(top.name)
			stack = stack[:len(stack)-1]
			top = &stack[len(stack)-1]
		case v.Kind == 'F':
			stack = append(stack, level{rest: v.Bytes, name: string(name), m: map[string]any{}})
			continue
		case v.Kind == 'A':
			stack = append(stack, level{rest: v.Bytes, name: string(name), list: []any{}})
			continue
		default:
			done = v.scalar()
		}
		if top.m == nil {
			top.list = append(top.list, done)
		} else if _, seen := top.m[string(name)]; !seen {
			top.m[string(name)] = done
		}
	}
}

func nextField(b []byte) (name []byte, v Value, rest []byte, ok bool) {
	name, v, tail, ok := Table(b).Next()
	return name, v, tail, ok
}

// AppendField writes one field. Values are those of Table.Map, further integer
// widths, Timestamp, []byte and Table; anything else becomes nothing (V).
func AppendField(dst []byte, name string, v any) []byte {
	return AppendValue(appendShort(dst, name), v)
}

// AppendValue writes kind and value.
func AppendValue(dst []byte, v any) []byte {
	switch v := v.(type) {
	case bool:
		return append(dst, 't', bit(v, 0))
	case uint8:
		return append(dst, 'B', v)
	case int16:
		return binary.BigEndian.AppendUint16(append(dst, 's'), uint16(v))
	case int32:
		return binary.BigEndian.AppendUint32(append(dst, 'I'), uint32(v))
	case int64:
		return binary.BigEndian.AppendUint64(append(dst, 'l'), uint64(v))
	case int:
		return binary.BigEndian.AppendUint64(append(dst, 'l'), uint64(v))
	case float64:
		return binary.BigEndian.AppendUint64(append(dst, 'd'), math.Float64bits(v))
	case Timestamp:
		return binary.BigEndian.AppendUint64(append(dst, 'T'), uint64(v))
	case string:
		return appendLong(append(dst, 'S'), []byte(v))
	case []byte:
		return appendLong(append(dst, 'x'), v)
	case Table:
		return appendLong(append(dst, 'F'), v)
	case map[string]any:
		return appendLong(append(dst, 'F'), AppendMap(nil, v))
	case []any:
		var list []byte
		for _, e := range v {
			list = AppendValue(list, e)
		}
		return appendLong(append(dst, 'A'), list)
	}
	return append(dst, 'V')
}

// AppendMap writes the fields of m in the order of their names.
func AppendMap(dst []byte, m map[string]any) Table {
	names := make([]string, 0, len(m))
	for name := range m {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		dst = AppendField(dst, name, m[name])
	}
	return dst
}

// AppendRaw writes one field whose value is encoded already.
func AppendRaw(dst []byte, name string, v Value) []byte {
	dst = append(appendShort(dst, name), v.Kind)
	if sizes[v.Kind] < 0 {
		return appendLong(dst, v.Bytes)
	}
	return append(dst, v.Bytes...)
}
