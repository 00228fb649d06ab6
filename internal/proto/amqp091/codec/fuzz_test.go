package codec_test

import (
	"bytes"
	"testing"

	"weir/internal/frugal"
	"weir/internal/proto/amqp091/codec"
)

func FuzzFrame(f *testing.F) {
	f.Add(codec.AppendHeartbeat(nil))
	f.Add(codec.AppendMethod(nil, 1, &codec.BasicPublish{Exchange: []byte("e"), RoutingKey: []byte("k")}))
	f.Add(codec.AppendHeader(nil, 1, []byte{0, 0, 0, 0, 0, 0, 0, 1, 0, 0}))
	f.Add([]byte{1, 0, 1, 0xff, 0xff, 0xff, 0xff})
	f.Fuzz(func(t *testing.T, b []byte) {
		frugal.Check(t, len(b), 0, func() {
			rest := b
			for {
				var frame codec.Frame
				n, err := codec.ReadFrame(rest, &frame)
				if err != nil || n == 0 {
					return
				}
				if len(frame.Payload)+codec.FrameOverheadBytes != n || n > len(rest) {
					t.Fatalf("frame of %d has %d bytes of payload", n, len(frame.Payload))
				}
				var h codec.Header
				if frame.Type == codec.FrameHeader && codec.DecodeHeader(frame.Payload, &h) == nil {
					var p codec.Properties
					_ = codec.DecodeProperties(h.Sized[8:], &p)
				}
				rest = rest[n:]
			}
		})
	})
}

func FuzzTable(f *testing.F) {
	f.Add([]byte(codec.AppendMap(nil, map[string]any{"a": int64(1), "b": []any{"x", nil}, "c": map[string]any{"d": true}})))
	f.Fuzz(func(t *testing.T, b []byte) {
		frugal.Check(t, len(b), 0, func() {
			if codec.CheckTable(b) != nil {
				return
			}
			m := codec.Table(b).Map()
			again := codec.AppendMap(nil, m)
			if codec.CheckTable(again) != nil || len(again.Map()) != len(m) {
				t.Fatal("a table does not survive Map")
			}
			walked := 0
			for rest := codec.Table(b); ; walked++ {
				_, _, next, ok := rest.Next()
				if !ok {
					if len(rest) != 0 {
						t.Fatal("Next stops before the end of a checked table")
					}
					break
				}
				rest = next
			}
			if walked < len(m) {
				t.Fatal("Next sees fewer fields than Map")
			}
		})
	})
}

func FuzzProperties(f *testing.F) {
	f.Add((&codec.Properties{Flags: codec.FlagHeaders | codec.FlagExpiration, Expiration: []byte("1")}).Append(nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		var p codec.Properties
		frugal.Check(t, len(b), 0, func() {
			if codec.DecodeProperties(b, &p) == nil && !bytes.Equal(p.Append(nil), b) {
				t.Fatal("properties are not written as they were read")
			}
		})
	})
}

// FuzzHeader reads the payload of header frames.
func FuzzHeader(f *testing.F) {
	f.Add((&codec.Properties{Flags: codec.FlagHeaders | codec.FlagTimestamp}).Append([]byte{0, 60, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}))
	f.Add([]byte{0, 60, 0, 0, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255})
	f.Fuzz(func(t *testing.T, payload []byte) {
		frugal.Check(t, len(payload), 0, func() {
			var h codec.Header
			if codec.DecodeHeader(payload, &h) != nil {
				return
			}
			if len(h.Sized) > len(payload) || len(h.Sized) < 8 {
				t.Fatalf("%d bytes of size and properties in %d", len(h.Sized), len(payload))
			}
			var p codec.Properties
			if codec.DecodeProperties(h.Sized[8:], &p) == nil && !bytes.Equal(p.Append(nil), h.Sized[8:]) {
				t.Fatal("properties are not written as they were read")
			}
		})
	})
}

func FuzzMethod(f *testing.F) {
	for _, m := range methods() {
		fill(m)
		f.Add(codec.AppendMethod(nil, 0, m)[codec.FrameHeadBytes:])
	}
	f.Fuzz(func(t *testing.T, payload []byte) {
		frugal.Check(t, len(payload), 0, func() {
			id, arguments, err := codec.MethodID(payload)
			if err != nil {
				return
			}
			m := codec.New(id)
			if m == nil || m.Decode(arguments) != nil {
				return
			}
			again := codec.New(id)
			if err := again.Decode(m.Append(nil)); err != nil {
				t.Fatalf("%s: its own encoding is refused", describe(m))
			}
			if describe(again) != describe(m) {
				t.Fatalf("%s became %s", describe(m), describe(again))
			}
		})
	})
}
