package codec_test

import (
	"testing"

	"weir/internal/proto/amqp091/codec"
)

func publishFrames() []byte {
	p := codec.Properties{Flags: codec.FlagContentType | codec.FlagDeliveryMode, ContentType: []byte("text/plain"), DeliveryMode: 2}
	b := codec.AppendMethod(nil, 1, &codec.BasicPublish{Exchange: []byte("amq.direct"), RoutingKey: []byte("orders.eu")})
	sized := p.Append([]byte{0, 0, 0, 0, 0, 0, 0, 100})
	b = codec.AppendHeader(b, 1, sized)
	return codec.AppendBody(b, 1, make([]byte, 100), 131072)
}

func BenchmarkDecodePublish(b *testing.B) {
	input := publishFrames()
	b.SetBytes(int64(len(input)))
	b.ReportAllocs()
	for b.Loop() {
		if !decodePublish(input) {
			b.Fatal("not decoded")
		}
	}
}

// decodePublish decodes the three frames of a message.
func decodePublish(input []byte) bool {
	var f codec.Frame
	n, _ := codec.ReadFrame(input, &f)
	_, arguments, _ := codec.MethodID(f.Payload)
	var m codec.BasicPublish
	if m.Decode(arguments) != nil {
		return false
	}
	k, _ := codec.ReadFrame(input[n:], &f)
	var h codec.Header
	var p codec.Properties
	if codec.DecodeHeader(f.Payload, &h) != nil || codec.DecodeProperties(h.Sized[8:], &p) != nil {
		return false
	}
	k, _ = codec.ReadFrame(input[n+k:], &f)
	return k > 0
}

func BenchmarkEncodeDeliver(b *testing.B) {
	address := []byte("\x0aamq.direct\x09orders.eu")
	sized := []byte{0, 0, 0, 0, 0, 0, 0, 100, 0, 0}
	body, out := make([]byte, 100), make([]byte, 0, 4096)
	b.ReportAllocs()
	for b.Loop() {
		out = codec.AppendDeliver(out[:0], 1, "amq.ctag-0123456789", 42, false, address)
		out = codec.AppendHeader(out, 1, sized)
		out = codec.AppendBody(out, 1, body, 131072)
	}
}
