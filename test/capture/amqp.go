package main

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"hash/fnv"
	"io"

	"weir/internal/proto/amqp091/codec"
)

const (
	amqpDirectory  = "internal/proto/amqp091"
	codecDirectory = "internal/proto/amqp091/codec"
	// conversationKinds is how many kinds of whole connections are kept.
	conversationKinds = 24
)

// cutAMQP keeps frames of both directions, and all a client said on a connection
// if that is little.
func cutAMQP(c *conversation) {
	go cutFrames(c.broker, nil)
	r := bufio.NewReader(c.client)
	header := make([]byte, len(codec.ProtocolHeader))
	if _, err := io.ReadFull(r, header); err != nil || string(header[:4]) != "AMQP" {
		drain(r)
		return
	}
	whole := &said{bytes: header, methods: map[codec.ID]bool{}}
	cutFrames(r, whole)
	if len(whole.bytes) > inputBytesMax {
		return
	}
	kind := uint32(0)
	for id := range whole.methods {
		h := fnv.New32a()
		_ = binary.Write(h, binary.BigEndian, uint32(id))
		kind ^= h.Sum32()
	}
	keep(amqpDirectory, "FuzzConversation", fmt.Sprint("connection_", kind%conversationKinds), false, whole.bytes)
}

// said is what a client said so far.
type said struct {
	bytes   []byte
	methods map[codec.ID]bool
}

func drain(r io.Reader) { _, _ = io.Copy(io.Discard, r) }

func cutFrames(from io.Reader, whole *said) {
	defer drain(from)
	r := bufio.NewReader(from)
	if whole == nil { // a broker answers with a header where it is not understood
		if b, err := r.Peek(4); err != nil || string(b) == "AMQP" {
			return
		}
	}
	for {
		frame := make([]byte, codec.FrameHeadBytes)
		if _, err := io.ReadFull(r, frame); err != nil {
			return
		}
		frame = append(frame, make([]byte, int(binary.BigEndian.Uint32(frame[3:]))+1)...)
		if _, err := io.ReadFull(r, frame[codec.FrameHeadBytes:]); err != nil {
			return
		}
		if whole != nil && len(whole.bytes) <= inputBytesMax {
			whole.bytes = append(whole.bytes, frame...)
		}
		payload := frame[codec.FrameHeadBytes : len(frame)-1]
		keepFrame(frame, payload, whole)
	}
}

func keepFrame(frame, payload []byte, whole *said) {
	keep(codecDirectory, "FuzzFrame", fmt.Sprint("type_", frame[0]), true, frame)
	switch frame[0] {
	case codec.FrameMethod:
		id, arguments, err := codec.MethodID(payload)
		if err != nil {
			return
		}
		if whole != nil {
			whole.methods[id] = true
			keep(amqpDirectory, "FuzzClass", fmt.Sprintf("%d_%d", id>>16, id&0xffff), true, uint16(id>>16), uint16(id), arguments, []byte("body"))
		}
		keep(codecDirectory, "FuzzMethod", fmt.Sprintf("%d_%d", id>>16, id&0xffff), true, payload)
	case codec.FrameHeader:
		if len(payload) < 14 {
			return
		}
		flags := binary.BigEndian.Uint16(payload[12:])
		keep(codecDirectory, "FuzzHeader", fmt.Sprintf("%04x", flags), true, payload)
		var p codec.Properties
		if codec.DecodeProperties(payload[12:], &p) == nil && len(p.Headers) > 0 {
			keep(codecDirectory, "FuzzTable", fmt.Sprintf("headers_%04x", flags), true, []byte(p.Headers))
		}
	}
}
