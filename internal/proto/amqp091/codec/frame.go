package codec

import (
	"encoding/binary"
	"errors"
)

// A frame:
//
//	offset size field
//	0      1    type: 1 method, 2 header, 3 body, 8 heartbeat
//	1      2    channel
//	3      4    n: payload bytes
//	7      n    payload
//	7+n    1    0xCE
//
// A method payload is class (2), method (2) and arguments; a header payload is
// class (2), weight 0 (2), body bytes (8), property flags (2) and properties.
const (
	FrameMethod    = 1
	FrameHeader    = 2
	FrameBody      = 3
	FrameHeartbeat = 8

	FrameEnd = 0xCE

	// FrameHeadBytes stand before the payload, FrameOverheadBytes around it.
	FrameHeadBytes     = 7
	FrameOverheadBytes = 8

	// FrameBytesMin is the smallest frame-max that may be negotiated.
	FrameBytesMin = 4096

	// ClassBasic is the only class with content.
	ClassBasic = 60

	headerFixedBytes = 14
)

// ProtocolHeader opens a connection, and answers a client that opened it with
// anything else.
const ProtocolHeader = "AMQP\x00\x00\x09\x01"

// Errors of the decoders. The server tells them apart to choose a reply code.
var (
	ErrSyntax   = errors.New("codec: malformed")
	ErrDepth    = errors.New("codec: table nested too deeply")
	ErrElements = errors.New("codec: too many table elements")
)

// Frame is one frame; Payload aliases the buffer it was read from.
type Frame struct {
	Type    uint8
	Channel uint16
	Payload []byte
}

// PayloadBytes returns the payload length a frame head announces. The head must
// have FrameHeadBytes.
func PayloadBytes(head []byte) uint32 { return binary.BigEndian.Uint32(head[3:]) }

// ReadFrame reads the frame at the head of b and returns the bytes it takes, or
// 0 while b holds only a part of it. A wrong end octet is ErrSyntax.
func ReadFrame(b []byte, f *Frame) (int, error) {
	if len(b) < FrameHeadBytes {
		return 0, nil
	}
	size := PayloadBytes(b)
	if uint64(len(b)) < uint64(size)+FrameOverheadBytes {
		return 0, nil
	}
	end := FrameHeadBytes + int(size)
	f.Type, f.Channel = b[0], binary.BigEndian.Uint16(b[1:])
	f.Payload = b[FrameHeadBytes:end:end]
	if b[end] != FrameEnd {
		return 0, ErrSyntax
	}
	return end + 1, nil
}

// MethodID reads the method of a method payload.
func MethodID(payload []byte) (ID, []byte, error) {
	if len(payload) < 4 {
		return 0, nil, ErrSyntax
	}
	return ID(binary.BigEndian.Uint32(payload)), payload[4:], nil
}

// Header is a content header. Sized is the payload behind class and weight: the
// body size and the properties, as a stored message keeps them.
type Header struct {
	Class     uint16
	BodyBytes uint64
	Sized     []byte
}

// DecodeHeader splits a header payload without looking into the properties.
func DecodeHeader(payload []byte, h *Header) error {
	if len(payload) < headerFixedBytes || payload[2] != 0 || payload[3] != 0 {
		return ErrSyntax
	}
	h.Class = binary.BigEndian.Uint16(payload)
	h.BodyBytes = binary.BigEndian.Uint64(payload[4:])
	h.Sized = payload[4:]
	return nil
}

// BeginFrame writes a frame head whose length EndFrame fills in.
func BeginFrame(dst []byte, kind uint8, channel uint16) []byte {
	return append(dst, kind, byte(channel>>8), byte(channel), 0, 0, 0, 0)
}

// EndFrame closes the frame that begins at start.
func EndFrame(dst []byte, start int) []byte {
	binary.BigEndian.PutUint32(dst[start+3:], uint32(len(dst)-start-FrameHeadBytes))
	return append(dst, FrameEnd)
}

// AppendMethod writes m as a frame.
func AppendMethod(dst []byte, channel uint16, m Method) []byte {
	start := len(dst)
	dst = BeginFrame(dst, FrameMethod, channel)
	dst = binary.BigEndian.AppendUint32(dst, uint32(m.ID()))
	return EndFrame(m.Append(dst), start)
}

// AppendHeader writes a content header frame from Header.Sized.
func AppendHeader(dst []byte, channel uint16, sized []byte) []byte {
	start := len(dst)
	dst = BeginFrame(dst, FrameHeader, channel)
	dst = append(dst, 0, ClassBasic, 0, 0)
	return EndFrame(append(dst, sized...), start)
}

// AppendBody writes body as frames of at most frameBytesMax each.
func AppendBody(dst []byte, channel uint16, body []byte, frameBytesMax int) []byte {
	chunk := frameBytesMax - FrameOverheadBytes
	for len(body) > 0 {
		n := min(len(body), chunk)
		start := len(dst)
		dst = BeginFrame(dst, FrameBody, channel)
		dst = EndFrame(append(dst, body[:n]...), start)
		body = body[n:]
	}
	return dst
}

// AppendHeartbeat writes a heartbeat frame.
func AppendHeartbeat(dst []byte) []byte {
	return append(dst, FrameHeartbeat, 0, 0, 0, 0, 0, 0, FrameEnd)
}

// AppendDeliver writes the method frame of basic.deliver. Address is exchange
// and routing key, each as a shortstr, the way a stored message keeps them.
func AppendDeliver(dst []byte, channel uint16, tag string, delivery uint64, redelivered bool, address []byte) []byte {
	start := len(dst)
	dst = BeginFrame(dst, FrameMethod, channel)
	dst = append(dst, 0, ClassBasic, 0, byte(IDBasicDeliver&0xff))
	dst = appendShort(dst, tag)
	dst = binary.BigEndian.AppendUint64(dst, delivery)
	dst = append(dst, bit(redelivered, 0))
	return EndFrame(append(dst, address...), start)
}
