package codec_test

import (
	"testing"

	"weir/internal/frugal"
	"weir/internal/proto/amqp091/codec"
)

// The frames of a message are decoded and encoded without allocating.
func TestFrameBudget(t *testing.T) {
	input := publishFrames()
	t.Run("decode", func(t *testing.T) {
		frugal.Budget(t, 100, 0, func() {
			for range 100 {
				if !decodePublish(input) {
					t.Fatal("not decoded")
				}
			}
		})
	})
	address, body, out := []byte("\x0aamq.direct\x09orders.eu"), make([]byte, 100), make([]byte, 0, 4096)
	t.Run("encode", func(t *testing.T) {
		frugal.Budget(t, 100, 0, func() {
			for i := range uint64(100) {
				out = codec.AppendDeliver(out[:0], 1, "amq.ctag-0123456789", i, false, address)
				out = codec.AppendHeader(out, 1, []byte{0, 0, 0, 0, 0, 0, 0, 100, 0, 0})
				out = codec.AppendBody(out, 1, body, 131072)
			}
		})
	})
}
