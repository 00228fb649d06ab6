package kafka

import "encoding/binary"

// decoder reads the parts of a request that are not left to kmsg. After a mistake
// it reads zeros and bad is set.
type decoder struct {
	b   []byte
	bad bool
}

func (d *decoder) take(n int) []byte {
	if n < 0 || n > len(d.b) {
		d.bad, d.b = true, nil
		return nil
	}
	out := d.b[:n:n]
	d.b = d.b[n:]
	return out
}

func (d *decoder) int16() int16 {
	if b := d.take(2); b != nil {
		return int16(binary.BigEndian.Uint16(b))
	}
	return 0
}

func (d *decoder) int32() int32 {
	if b := d.take(4); b != nil {
		return int32(binary.BigEndian.Uint32(b))
	}
	return 0
}

func (d *decoder) uvarint() int {
	n, size := binary.Uvarint(d.b)
	if size <= 0 || size > 5 || n > 1<<31-1 {
		d.bad, d.b = true, nil
		return 0
	}
	d.b = d.b[size:]
	return int(n)
}

// count reads the length of an array whose elements take at least least bytes
// each; a null array is empty.
func (d *decoder) count(compact bool, least int) int {
	n := 0
	if compact {
		n = d.uvarint() - 1
	} else {
		n = int(d.int32())
	}
	if n > len(d.b)/least {
		d.bad, d.b = true, nil
	}
	if d.bad {
		return 0
	}
	return max(n, 0)
}

// text reads a string or, where it is null, nil.
func (d *decoder) text(compact bool) []byte {
	if compact {
		return d.nullable(d.uvarint() - 1)
	}
	return d.nullable(int(d.int16()))
}

// bytes reads a run of bytes or, where it is null, nil.
func (d *decoder) bytes(compact bool) []byte {
	if compact {
		return d.nullable(d.uvarint() - 1)
	}
	return d.nullable(int(d.int32()))
}

func (d *decoder) nullable(n int) []byte {
	if n < 0 {
		return nil
	}
	return d.take(n)
}

// tags skips tagged fields.
func (d *decoder) tags() {
	for range d.uvarint() {
		if d.bad {
			return
		}
		d.uvarint()
		d.take(d.uvarint())
	}
}
