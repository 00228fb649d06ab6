package codec

import (
	"encoding/binary"

	"weir/internal/wire"
)

// ChannelOpen is channel.open (20.10).
type ChannelOpen struct {
	OutOfBand string
}

// ID returns the method's class and number.
func (*ChannelOpen) ID() ID { return IDChannelOpen }

// Decode reads the arguments of channel.open.
func (m *ChannelOpen) Decode(b []byte) error {
	r := wire.NewReader(b)
	m.OutOfBand = readString(&r)
	return finish(&r)
}

// Append writes the arguments behind dst.
func (m *ChannelOpen) Append(dst []byte) []byte {
	dst = appendShort(dst, m.OutOfBand)
	return dst
}

// ChannelOpenOk is channel.open-ok (20.11).
type ChannelOpenOk struct {
	ChannelID []byte
}

// ID returns the method's class and number.
func (*ChannelOpenOk) ID() ID { return IDChannelOpenOk }

// Decode reads the arguments of channel.open-ok; strings of bytes and tables alias b.
func (m *ChannelOpenOk) Decode(b []byte) error {
	r := wire.NewReader(b)
	m.ChannelID = r.Bytes(r.Uint32())
	return finish(&r)
}

// Append writes the arguments behind dst.
func (m *ChannelOpenOk) Append(dst []byte) []byte {
	dst = appendLong(dst, m.ChannelID)
	return dst
}

// ChannelFlow is channel.flow (20.20).
type ChannelFlow struct {
	Active bool
}

// ID returns the method's class and number.
func (*ChannelFlow) ID() ID { return IDChannelFlow }

// Decode reads the arguments of channel.flow.
func (m *ChannelFlow) Decode(b []byte) error {
	r := wire.NewReader(b)
	m.Active = r.Uint8()&1 != 0
	return finish(&r)
}

// Append writes the arguments behind dst.
func (m *ChannelFlow) Append(dst []byte) []byte {
	dst = append(dst, bit(m.Active, 0))
	return dst
}

// ChannelFlowOk is channel.flow-ok (20.21).
type ChannelFlowOk struct {
	Active bool
}

// ID returns the method's class and number.
func (*ChannelFlowOk) ID() ID { return IDChannelFlowOk }

// Decode reads the arguments of channel.flow-ok.
func (m *ChannelFlowOk) Decode(b []byte) error {
	r := wire.NewReader(b)
	m.Active = r.Uint8()&1 != 0
	return finish(&r)
}

// Append writes the arguments behind dst.
func (m *ChannelFlowOk) Append(dst []byte) []byte {
	dst = append(dst, bit(m.Active, 0))
	return dst
}

// ChannelClose is channel.close (20.40).
type ChannelClose struct {
	ReplyCode uint16
	ReplyText string
	ClassID   uint16
	MethodID  uint16
}

// ID returns the method's class and number.
func (*ChannelClose) ID() ID { return IDChannelClose }

// Decode reads the arguments of channel.close.
func (m *ChannelClose) Decode(b []byte) error {
	r := wire.NewReader(b)
	m.ReplyCode = r.Uint16()
	m.ReplyText = readString(&r)
	m.ClassID = r.Uint16()
	m.MethodID = r.Uint16()
	return finish(&r)
}

// Append writes the arguments behind dst.
func (m *ChannelClose) Append(dst []byte) []byte {
	dst = binary.BigEndian.AppendUint16(dst, m.ReplyCode)
	dst = appendShort(dst, m.ReplyText)
	dst = binary.BigEndian.AppendUint16(dst, m.ClassID)
	dst = binary.BigEndian.AppendUint16(dst, m.MethodID)
	return dst
}

// ChannelCloseOk is channel.close-ok (20.41).
type ChannelCloseOk struct{}

// ID returns the method's class and number.
func (*ChannelCloseOk) ID() ID { return IDChannelCloseOk }

// Decode reads the arguments of channel.close-ok.
func (*ChannelCloseOk) Decode(b []byte) error { return empty(b) }

// Append writes the arguments behind dst.
func (*ChannelCloseOk) Append(dst []byte) []byte { return dst }
