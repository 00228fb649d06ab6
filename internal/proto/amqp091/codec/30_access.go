package codec

import (
	"encoding/binary"

	"weir/internal/wire"
)

// AccessRequest is access.request (30.10).
type AccessRequest struct {
	Realm     string
	Exclusive bool
	Passive   bool
	Active    bool
	Write     bool
	Read      bool
}

// ID returns the method's class and number.
func (*AccessRequest) ID() ID { return IDAccessRequest }

// Decode reads the arguments of access.request.
func (m *AccessRequest) Decode(b []byte) error {
	r := wire.NewReader(b)
	m.Realm = readString(&r)
	bits := r.Uint8()
	m.Exclusive = bits&1 != 0
	m.Passive = bits&2 != 0
	m.Active = bits&4 != 0
	m.Write = bits&8 != 0
	m.Read = bits&16 != 0
	return finish(&r)
}

// Append writes the arguments behind dst.
func (m *AccessRequest) Append(dst []byte) []byte {
	dst = appendShort(dst, m.Realm)
	dst = append(dst, bit(m.Exclusive, 0)|bit(m.Passive, 1)|bit(m.Active, 2)|bit(m.Write, 3)|bit(m.Read, 4))
	return dst
}

// AccessRequestOk is access.request-ok (30.11).
type AccessRequestOk struct {
	Ticket uint16
}

// ID returns the method's class and number.
func (*AccessRequestOk) ID() ID { return IDAccessRequestOk }

// Decode reads the arguments of access.request-ok.
func (m *AccessRequestOk) Decode(b []byte) error {
	r := wire.NewReader(b)
	m.Ticket = r.Uint16()
	return finish(&r)
}

// Append writes the arguments behind dst.
func (m *AccessRequestOk) Append(dst []byte) []byte {
	return binary.BigEndian.AppendUint16(dst, m.Ticket)
}
