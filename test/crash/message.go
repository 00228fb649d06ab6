package main

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"strings"

	amqp "github.com/rabbitmq/amqp091-go"
)

// A body is text that names the message, filler that follows from it, and a
// checksum of both: no other bytes are one that was sent.

func body(producer string, sequence, size int) []byte {
	b := fmt.Appendf(nil, "%s %d ", producer, sequence)
	x := uint32(sequence)*2654435761 + 1
	for len(b) < size {
		x ^= x << 13
		x ^= x >> 17
		x ^= x << 5
		b = binary.LittleEndian.AppendUint32(b, x)
	}
	return binary.LittleEndian.AppendUint32(b, crc32.ChecksumIEEE(b))
}

var errInvented = errors.New("invented or damaged: not the bytes of any message sent")

func parse(b []byte) (producer string, sequence int, err error) {
	if len(b) < 4 || crc32.ChecksumIEEE(b[:len(b)-4]) != binary.LittleEndian.Uint32(b[len(b)-4:]) {
		return "", 0, errInvented
	}
	producer, rest, ok := strings.Cut(string(b[:min(len(b), 64)]), " ")
	if !ok {
		return "", 0, errInvented
	}
	if _, err := fmt.Sscanf(rest, "%d ", &sequence); err != nil {
		return "", 0, errInvented
	}
	return producer, sequence, nil
}

// message is the AMQP message that carries a body, with properties that follow
// from it as well.
func message(producer string, sequence, size int) amqp.Publishing {
	return amqp.Publishing{
		DeliveryMode: amqp.Persistent, MessageId: fmt.Sprint(producer, " ", sequence), Headers: amqp.Table{"n": int64(sequence)},
		Body: body(producer, sequence, size),
	}
}

// received reads a message and checks its properties.
func received(d *amqp.Delivery) (producer string, sequence int, err error) {
	if producer, sequence, err = parse(d.Body); err != nil {
		return "", 0, err
	}
	if d.MessageId != fmt.Sprint(producer, " ", sequence) || d.Headers["n"] != int64(sequence) || d.DeliveryMode != amqp.Persistent {
		return "", 0, fmt.Errorf("%w: %s %d has the properties %q %v %d", errInvented, producer, sequence, d.MessageId, d.Headers, d.DeliveryMode)
	}
	return producer, sequence, nil
}
