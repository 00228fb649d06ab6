package main

import (
	"encoding/binary"
	"fmt"
	"math"
)

// value is a field value on the wire and how it is shown in arguments.txt.
type value struct {
	shown string
	wire  []byte // with its type
}

func textOf(s string) value {
	return value{fmt.Sprintf("%q", s), append([]byte{'S'}, long([]byte(s))...)}
}

func intOf(n int32) value {
	return value{fmt.Sprint(n), binary.BigEndian.AppendUint32([]byte{'I'}, uint32(n))}
}

func longOf(n int64) value {
	return value{fmt.Sprintf("%d (long)", n), binary.BigEndian.AppendUint64([]byte{'l'}, uint64(n))}
}

func doubleOf(f float64) value {
	return value{fmt.Sprintf("%g (double)", f), binary.BigEndian.AppendUint64([]byte{'d'}, math.Float64bits(f))}
}

func boolOf(b bool) value {
	if b {
		return value{"true", []byte{'t', 1}}
	}
	return value{"false", []byte{'t', 0}}
}

// Values of the types that nothing takes.
var (
	void       = value{"void", []byte{'V'}}
	emptyArray = value{"[]", append([]byte{'A'}, long(nil)...)}
	emptyTable = value{"{}", append([]byte{'F'}, long(nil)...)}
	timestamp  = value{"timestamp", append([]byte{'T'}, make([]byte, 8)...)}
	binaryText = value{"bytes", append([]byte{'x'}, long([]byte("abc"))...)}
)

// argument is a name and a value.
type argument struct {
	name string
	value
}

// table is a field table as a method's argument.
func table(arguments ...argument) []byte {
	var p []byte
	for _, a := range arguments {
		p = append(appendAll(p, a.name), a.wire...)
	}
	return long(p)
}
