package codec_test

import (
	"bytes"
	"runtime"
	"testing"
	"time"

	"weir/internal/proto/amqp091/codec"
)

// decodeBounded runs decode and fails where it allocated more than a small
// multiple of its input or took longer than any input of this size may.
func decodeBounded(t *testing.T, input int, decode func()) {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	start := time.Now()
	decode()
	took := time.Since(start)
	runtime.ReadMemStats(&after)
	if got, most := after.TotalAlloc-before.TotalAlloc, uint64(input)*200+64<<10; got > most {
		t.Fatalf("%d bytes of input allocated %d bytes", input, got)
	}
	if took > time.Second {
		t.Fatalf("%d bytes of input took %v", input, took)
	}
}

func FuzzFrame(f *testing.F) {
	f.Add(codec.AppendHeartbeat(nil))
	f.Add(codec.AppendMethod(nil, 1, &codec.BasicPublish{Exchange: []byte("e"), RoutingKey: []byte("k")}))
	f.Add(codec.AppendHeader(nil, 1, []byte{0, 0, 0, 0, 0, 0, 0, 1, 0, 0}))
	f.Add([]byte{1, 0, 1, 0xff, 0xff, 0xff, 0xff})
	f.Fuzz(func(t *testing.T, b []byte) {
		decodeBounded(t, len(b), func() {
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
		decodeBounded(t, len(b), func() {
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
		decodeBounded(t, len(b), func() {
			if codec.DecodeProperties(b, &p) == nil && !bytes.Equal(p.Append(nil), b) {
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
		decodeBounded(t, len(payload), func() {
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
