package codec

import "weir/internal/wire"

// ConfirmSelect is confirm.select (85.10).
type ConfirmSelect struct {
	NoWait bool
}

// ID returns the method's class and number.
func (*ConfirmSelect) ID() ID { return IDConfirmSelect }

// Decode reads the arguments of confirm.select.
func (m *ConfirmSelect) Decode(b []byte) error {
	r := wire.NewReader(b)
	m.NoWait = r.Uint8()&1 != 0
	return finish(&r)
}

// Append writes the arguments behind dst.
func (m *ConfirmSelect) Append(dst []byte) []byte {
	dst = append(dst, bit(m.NoWait, 0))
	return dst
}

// ConfirmSelectOk is confirm.select-ok (85.11).
type ConfirmSelectOk struct{}

// ID returns the method's class and number.
func (*ConfirmSelectOk) ID() ID { return IDConfirmSelectOk }

// Decode reads the arguments of confirm.select-ok.
func (*ConfirmSelectOk) Decode(b []byte) error { return empty(b) }

// Append writes the arguments behind dst.
func (*ConfirmSelectOk) Append(dst []byte) []byte { return dst }
