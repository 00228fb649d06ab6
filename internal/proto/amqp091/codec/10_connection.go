package codec

import (
	"encoding/binary"

	"weir/internal/wire"
)

// ConnectionStart is connection.start (10.10).
type ConnectionStart struct {
	VersionMajor     uint8
	VersionMinor     uint8
	ServerProperties Table
	Mechanisms       []byte
	Locales          []byte
}

// ID returns the method's class and number.
func (*ConnectionStart) ID() ID { return IDConnectionStart }

// Decode reads the arguments of connection.start; strings of bytes and tables alias b.
func (m *ConnectionStart) Decode(b []byte) error {
	r := wire.NewReader(b)
	m.VersionMajor = r.Uint8()
	m.VersionMinor = r.Uint8()
	m.ServerProperties = readTable(&r)
	m.Mechanisms = r.Bytes(r.Uint32())
	m.Locales = r.Bytes(r.Uint32())
	return finish(&r)
}

// Append writes the arguments behind dst.
func (m *ConnectionStart) Append(dst []byte) []byte {
	dst = append(dst, m.VersionMajor)
	dst = append(dst, m.VersionMinor)
	dst = appendLong(dst, m.ServerProperties)
	dst = appendLong(dst, m.Mechanisms)
	dst = appendLong(dst, m.Locales)
	return dst
}

// ConnectionStartOk is connection.start-ok (10.11).
type ConnectionStartOk struct {
	ClientProperties Table
	Mechanism        string
	Response         []byte
	Locale           string
}

// ID returns the method's class and number.
func (*ConnectionStartOk) ID() ID { return IDConnectionStartOk }

// Decode reads the arguments of connection.start-ok; strings of bytes and tables alias b.
func (m *ConnectionStartOk) Decode(b []byte) error {
	r := wire.NewReader(b)
	m.ClientProperties = readTable(&r)
	m.Mechanism = readString(&r)
	m.Response = r.Bytes(r.Uint32())
	m.Locale = readString(&r)
	return finish(&r)
}

// Append writes the arguments behind dst.
func (m *ConnectionStartOk) Append(dst []byte) []byte {
	dst = appendLong(dst, m.ClientProperties)
	dst = appendShort(dst, m.Mechanism)
	dst = appendLong(dst, m.Response)
	dst = appendShort(dst, m.Locale)
	return dst
}

// ConnectionSecure is connection.secure (10.20).
type ConnectionSecure struct {
	Challenge []byte
}

// ID returns the method's class and number.
func (*ConnectionSecure) ID() ID { return IDConnectionSecure }

// Decode reads the arguments of connection.secure; strings of bytes and tables alias b.
func (m *ConnectionSecure) Decode(b []byte) error {
	r := wire.NewReader(b)
	m.Challenge = r.Bytes(r.Uint32())
	return finish(&r)
}

// Append writes the arguments behind dst.
func (m *ConnectionSecure) Append(dst []byte) []byte {
	dst = appendLong(dst, m.Challenge)
	return dst
}

// ConnectionSecureOk is connection.secure-ok (10.21).
type ConnectionSecureOk struct {
	Response []byte
}

// ID returns the method's class and number.
func (*ConnectionSecureOk) ID() ID { return IDConnectionSecureOk }

// Decode reads the arguments of connection.secure-ok; strings of bytes and tables alias b.
func (m *ConnectionSecureOk) Decode(b []byte) error {
	r := wire.NewReader(b)
	m.Response = r.Bytes(r.Uint32())
	return finish(&r)
}

// Append writes the arguments behind dst.
func (m *ConnectionSecureOk) Append(dst []byte) []byte {
	dst = appendLong(dst, m.Response)
	return dst
}

// ConnectionTune is connection.tune (10.30).
type ConnectionTune struct {
	ChannelMax uint16
	FrameMax   uint32
	Heartbeat  uint16
}

// ID returns the method's class and number.
func (*ConnectionTune) ID() ID { return IDConnectionTune }

// Decode reads the arguments of connection.tune.
func (m *ConnectionTune) Decode(b []byte) error {
	r := wire.NewReader(b)
	m.ChannelMax = r.Uint16()
	m.FrameMax = r.Uint32()
	m.Heartbeat = r.Uint16()
	return finish(&r)
}

// Append writes the arguments behind dst.
func (m *ConnectionTune) Append(dst []byte) []byte {
	dst = binary.BigEndian.AppendUint16(dst, m.ChannelMax)
	dst = binary.BigEndian.AppendUint32(dst, m.FrameMax)
	dst = binary.BigEndian.AppendUint16(dst, m.Heartbeat)
	return dst
}

// ConnectionTuneOk is connection.tune-ok (10.31).
type ConnectionTuneOk struct {
	ChannelMax uint16
	FrameMax   uint32
	Heartbeat  uint16
}

// ID returns the method's class and number.
func (*ConnectionTuneOk) ID() ID { return IDConnectionTuneOk }

// Decode reads the arguments of connection.tune-ok.
func (m *ConnectionTuneOk) Decode(b []byte) error {
	r := wire.NewReader(b)
	m.ChannelMax = r.Uint16()
	m.FrameMax = r.Uint32()
	m.Heartbeat = r.Uint16()
	return finish(&r)
}

// Append writes the arguments behind dst.
func (m *ConnectionTuneOk) Append(dst []byte) []byte {
	dst = binary.BigEndian.AppendUint16(dst, m.ChannelMax)
	dst = binary.BigEndian.AppendUint32(dst, m.FrameMax)
	dst = binary.BigEndian.AppendUint16(dst, m.Heartbeat)
	return dst
}

// ConnectionOpen is connection.open (10.40).
type ConnectionOpen struct {
	VirtualHost  string
	Capabilities string
	Insist       bool
}

// ID returns the method's class and number.
func (*ConnectionOpen) ID() ID { return IDConnectionOpen }

// Decode reads the arguments of connection.open.
func (m *ConnectionOpen) Decode(b []byte) error {
	r := wire.NewReader(b)
	m.VirtualHost = readString(&r)
	m.Capabilities = readString(&r)
	m.Insist = r.Uint8()&1 != 0
	return finish(&r)
}

// Append writes the arguments behind dst.
func (m *ConnectionOpen) Append(dst []byte) []byte {
	dst = appendShort(dst, m.VirtualHost)
	dst = appendShort(dst, m.Capabilities)
	dst = append(dst, bit(m.Insist, 0))
	return dst
}

// ConnectionOpenOk is connection.open-ok (10.41).
type ConnectionOpenOk struct {
	KnownHosts string
}

// ID returns the method's class and number.
func (*ConnectionOpenOk) ID() ID { return IDConnectionOpenOk }

// Decode reads the arguments of connection.open-ok.
func (m *ConnectionOpenOk) Decode(b []byte) error {
	r := wire.NewReader(b)
	m.KnownHosts = readString(&r)
	return finish(&r)
}

// Append writes the arguments behind dst.
func (m *ConnectionOpenOk) Append(dst []byte) []byte {
	dst = appendShort(dst, m.KnownHosts)
	return dst
}

// ConnectionClose is connection.close (10.50).
type ConnectionClose struct {
	ReplyCode uint16
	ReplyText string
	ClassID   uint16
	MethodID  uint16
}

// ID returns the method's class and number.
func (*ConnectionClose) ID() ID { return IDConnectionClose }

// Decode reads the arguments of connection.close.
func (m *ConnectionClose) Decode(b []byte) error {
	r := wire.NewReader(b)
	m.ReplyCode = r.Uint16()
	m.ReplyText = readString(&r)
	m.ClassID = r.Uint16()
	m.MethodID = r.Uint16()
	return finish(&r)
}

// Append writes the arguments behind dst.
func (m *ConnectionClose) Append(dst []byte) []byte {
	dst = binary.BigEndian.AppendUint16(dst, m.ReplyCode)
	dst = appendShort(dst, m.ReplyText)
	dst = binary.BigEndian.AppendUint16(dst, m.ClassID)
	dst = binary.BigEndian.AppendUint16(dst, m.MethodID)
	return dst
}

// ConnectionCloseOk is connection.close-ok (10.51).
type ConnectionCloseOk struct{}

// ID returns the method's class and number.
func (*ConnectionCloseOk) ID() ID { return IDConnectionCloseOk }

// Decode reads the arguments of connection.close-ok.
func (*ConnectionCloseOk) Decode(b []byte) error { return empty(b) }

// Append writes the arguments behind dst.
func (*ConnectionCloseOk) Append(dst []byte) []byte { return dst }

// ConnectionBlocked is connection.blocked (10.60).
type ConnectionBlocked struct {
	Reason string
}

// ID returns the method's class and number.
func (*ConnectionBlocked) ID() ID { return IDConnectionBlocked }

// Decode reads the arguments of connection.blocked.
func (m *ConnectionBlocked) Decode(b []byte) error {
	r := wire.NewReader(b)
	m.Reason = readString(&r)
	return finish(&r)
}

// Append writes the arguments behind dst.
func (m *ConnectionBlocked) Append(dst []byte) []byte {
	dst = appendShort(dst, m.Reason)
	return dst
}

// ConnectionUnblocked is connection.unblocked (10.61).
type ConnectionUnblocked struct{}

// ID returns the method's class and number.
func (*ConnectionUnblocked) ID() ID { return IDConnectionUnblocked }

// Decode reads the arguments of connection.unblocked.
func (*ConnectionUnblocked) Decode(b []byte) error { return empty(b) }

// Append writes the arguments behind dst.
func (*ConnectionUnblocked) Append(dst []byte) []byte { return dst }

// ConnectionUpdateSecret is connection.update-secret (10.70).
type ConnectionUpdateSecret struct {
	NewSecret []byte
	Reason    string
}

// ID returns the method's class and number.
func (*ConnectionUpdateSecret) ID() ID { return IDConnectionUpdateSecret }

// Decode reads the arguments of connection.update-secret; strings of bytes and tables alias b.
func (m *ConnectionUpdateSecret) Decode(b []byte) error {
	r := wire.NewReader(b)
	m.NewSecret = r.Bytes(r.Uint32())
	m.Reason = readString(&r)
	return finish(&r)
}

// Append writes the arguments behind dst.
func (m *ConnectionUpdateSecret) Append(dst []byte) []byte {
	dst = appendLong(dst, m.NewSecret)
	dst = appendShort(dst, m.Reason)
	return dst
}

// ConnectionUpdateSecretOk is connection.update-secret-ok (10.71).
type ConnectionUpdateSecretOk struct{}

// ID returns the method's class and number.
func (*ConnectionUpdateSecretOk) ID() ID { return IDConnectionUpdateSecretOk }

// Decode reads the arguments of connection.update-secret-ok.
func (*ConnectionUpdateSecretOk) Decode(b []byte) error { return empty(b) }

// Append writes the arguments behind dst.
func (*ConnectionUpdateSecretOk) Append(dst []byte) []byte { return dst }
