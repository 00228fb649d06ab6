package sim

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
)

// messageID names one message of the world, for all dialects.
type messageID uint64

// A body is the magic, the id big endian, and bytes that follow from the id. The
// marks are found again in what is written to disks.
const (
	magic     = "weirmark"
	markBytes = len(magic) + 8
)

// body returns the message of that id.
func body(id messageID) []byte {
	rng := rand.New(rand.NewPCG(uint64(id), 1))
	size := rng.IntN(300)
	if rng.IntN(8) == 0 {
		size = rng.IntN(20_000)
	}
	b := binary.BigEndian.AppendUint64([]byte(magic), uint64(id))
	for range (size + 7) / 8 {
		b = binary.BigEndian.AppendUint64(b, rng.Uint64())
	}
	return b[:markBytes+size]
}

// identify returns the id of a body, which has to be exactly what was sent.
func identify(b []byte) (messageID, error) {
	if len(b) < markBytes || string(b[:len(magic)]) != magic {
		return 0, fmt.Errorf("a message of %d bytes that nobody sent", len(b))
	}
	id := messageID(binary.BigEndian.Uint64(b[len(magic):]))
	if !bytes.Equal(b, body(id)) {
		return id, fmt.Errorf("message %d with other bytes", id)
	}
	return id, nil
}

// eachMark finds the marks in p.
func eachMark(p []byte, found func(id messageID, at int)) {
	for at := 0; ; at += markBytes {
		i := bytes.Index(p[at:], []byte(magic))
		if i < 0 || len(p)-at-i < markBytes {
			return
		}
		at += i
		found(messageID(binary.BigEndian.Uint64(p[at+len(magic):])), at)
	}
}
