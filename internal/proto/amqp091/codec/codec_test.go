package codec_test

import (
	"bytes"
	"encoding/hex"
	"errors"
	"reflect"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"weir/internal/proto/amqp091/codec"
)

func unhex(t *testing.T, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// The bytes come from the layout in the specification, not from the encoder.
func TestKnownBytes(t *testing.T) {
	b := unhex(t, "01 0007 00000013 003c 0028 0000 03 616d71 04 61626364 02 ce")
	b[6] = byte(len(b) - 8)
	m, err := decodeMethodFrame(b)
	if err != nil {
		t.Fatal(err)
	}
	p, ok := m.(*codec.BasicPublish)
	if !ok || string(p.Exchange) != "amq" || string(p.RoutingKey) != "abcd" || p.Mandatory || !p.Immediate {
		t.Fatalf("%+v", m)
	}
	got := codec.AppendDeliver(nil, 3, "ct", 9, true, unhex(t, "01 78 01 79"))
	want := unhex(t, "01 0003 00000014 003c 003c 02 6374 0000000000000009 01 01 78 01 79 ce")
	if !bytes.Equal(got, want) {
		t.Fatalf("deliver\n%x\nwant\n%x", got, want)
	}
	if got := codec.AppendHeartbeat(nil); !bytes.Equal(got, unhex(t, "08 0000 00000000 ce")) {
		t.Fatalf("heartbeat %x", got)
	}
}

func TestReadFrameWaitsForTheWholeFrame(t *testing.T) {
	frame := codec.AppendMethod(nil, 5, &codec.BasicAck{DeliveryTag: 1})
	var f codec.Frame
	for n := range frame {
		if took, err := codec.ReadFrame(frame[:n], &f); took != 0 || err != nil {
			t.Fatalf("%d of %d bytes: %d, %v", n, len(frame), took, err)
		}
	}
	if took, err := codec.ReadFrame(append(frame, 1, 2), &f); took != len(frame) || err != nil || f.Channel != 5 {
		t.Fatalf("%d, %v", took, err)
	}
	frame[len(frame)-1] = 0
	if _, err := codec.ReadFrame(frame, &f); !errors.Is(err, codec.ErrSyntax) {
		t.Fatalf("a wrong end octet: %v", err)
	}
}

func TestBodyIsCutAtFrameMax(t *testing.T) {
	body := bytes.Repeat([]byte("0123456789"), 1000)
	for _, frameMax := range []int{4096, 8192, 131072} {
		out, joined := codec.AppendBody(nil, 1, body, frameMax), []byte(nil)
		for len(out) > 0 {
			var f codec.Frame
			n, err := codec.ReadFrame(out, &f)
			if err != nil || n == 0 || n > frameMax || f.Type != codec.FrameBody {
				t.Fatalf("frame of %d with frame-max %d: %v", n, frameMax, err)
			}
			joined, out = append(joined, f.Payload...), out[n:]
		}
		if !bytes.Equal(joined, body) {
			t.Fatal("the body differs")
		}
	}
	if out := codec.AppendBody(nil, 1, nil, 4096); len(out) != 0 {
		t.Fatal("an empty body has frames")
	}
}

func TestTableOfEveryKind(t *testing.T) {
	b := unhex(t, "0174 74 01"+"0162 62 ff"+"0142 42 ff"+"0173 73 ffff"+"0175 75 ffff"+
		"0149 49 ffffffff"+"0169 69 ffffffff"+"016c 6c ffffffffffffffff"+"014c 4c 0000000000000001"+
		"0166 66 3fc00000"+"0164 64 3ff8000000000000"+"0144 44 02 00000096"+"0154 54 0000000000000009"+
		"0156 56"+"0153 53 00000002 6869"+"0178 78 00000001 00"+
		"0146 46 00000003 0161 56"+"0141 41 00000005 56 49 00000001")
	b = b[:len(b)-1]
	b = append(b, 1)
	// The last array is void and int32: one and five bytes, so six in all.
	b = bytes.Replace(b, unhex(t, "0141 41 00000005"), unhex(t, "0141 41 00000006"), 1)
	if err := codec.CheckTable(b); err != nil {
		t.Fatal(err)
	}
	want := map[string]any{
		"t": true, "b": int64(-1), "B": int64(255), "s": int64(-1), "u": int64(65535), "I": int64(-1),
		"i": int64(1<<32 - 1), "l": int64(-1), "L": int64(1), "f": 1.5, "d": 1.5, "D": 1.5, "T": int64(9),
		"V": nil, "S": "hi", "x": "\x00", "F": map[string]any{"a": nil}, "A": []any{nil, int64(1)},
	}
	if got := codec.Table(b).Map(); !reflect.DeepEqual(got, want) {
		t.Fatalf("got  %v\nwant %v", got, want)
	}
	for n := range b {
		_ = codec.CheckTable(b[:n]) // must not panic; some prefixes are tables
	}
}

func TestTableBounds(t *testing.T) {
	nested := []byte{}
	for depth := range codec.TableDepthMax + 1 {
		err := codec.CheckTable(nested)
		if want := depth > codec.TableDepthMax-1; (err != nil) != want {
			t.Fatalf("depth %d: %v", depth, err)
		}
		nested = codec.AppendField(nil, "n", codec.Table(nested))
	}
	wide := codec.AppendField(nil, "w", codec.Table{})
	wide = append(wide[:2], 'A', 0, 1, 0, 0)
	wide = append(wide, bytes.Repeat([]byte("V"), 1<<16)...)
	if err := codec.CheckTable(wide); !errors.Is(err, codec.ErrElements) {
		t.Fatalf("wide: %v", err)
	}
	for _, bad := range []string{"01 61", "01 61 53 ffffffff", "01 61 5a", "05 61", "01 61 49 0000", "01 61 46 00000001 01"} {
		if codec.CheckTable(unhex(t, bad)) == nil {
			t.Errorf("%s accepted", bad)
		}
	}
}

func drawValue(t *rapid.T, depth int) any {
	kinds := 7
	if depth < 4 {
		kinds = 9
	}
	switch rapid.IntRange(0, kinds-1).Draw(t, "kind") {
	case 0:
		return nil
	case 1:
		return rapid.Bool().Draw(t, "bool")
	case 2:
		return rapid.Int64().Draw(t, "int")
	case 3:
		return float64(rapid.Int32().Draw(t, "float")) / 2
	case 4, 5, 6:
		return rapid.StringN(0, 20, 60).Draw(t, "string")
	case 7:
		list := []any{}
		for range rapid.IntRange(0, 4).Draw(t, "length") {
			list = append(list, drawValue(t, depth+1))
		}
		return list
	}
	return drawMap(t, depth+1)
}

func drawMap(t *rapid.T, depth int) map[string]any {
	m := map[string]any{}
	for range rapid.IntRange(0, 5).Draw(t, "fields") {
		m[rapid.StringN(0, 8, 32).Draw(t, "name")] = drawValue(t, depth)
	}
	return m
}

func TestMapsRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := drawMap(t, 0)
		b := codec.AppendMap(nil, m)
		if err := codec.CheckTable(b); err != nil {
			t.Fatal(err)
		}
		if got := b.Map(); !reflect.DeepEqual(got, m) {
			t.Fatalf("got  %v\nwant %v", got, m)
		}
	})
}

func TestPropertiesRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.Custom(func(t *rapid.T) []byte {
			return []byte(rapid.StringN(0, 30, 255).Draw(t, "text"))
		})
		p := codec.Properties{
			Flags:        rapid.Uint16().Draw(t, "flags") &^ 3,
			DeliveryMode: rapid.Byte().Draw(t, "mode"), Priority: rapid.Byte().Draw(t, "priority"),
			Timestamp: rapid.Uint64().Draw(t, "time"), Headers: codec.AppendMap(nil, drawMap(t, 0)),
			ContentType: text.Draw(t, "a"), ContentEncoding: text.Draw(t, "b"), CorrelationID: text.Draw(t, "c"),
			ReplyTo: text.Draw(t, "d"), Expiration: text.Draw(t, "e"), MessageID: text.Draw(t, "f"),
			Type: text.Draw(t, "g"), UserID: text.Draw(t, "h"), AppID: text.Draw(t, "i"), ClusterID: text.Draw(t, "j"),
		}
		b := p.Append(nil)
		var q codec.Properties
		if err := codec.DecodeProperties(b, &q); err != nil {
			t.Fatal(err)
		}
		if q.Flags != p.Flags || !bytes.Equal(q.Append(nil), b) {
			t.Fatalf("%+v became %+v", p, q)
		}
	})
}

func TestPropertiesRefuseFurtherFlags(t *testing.T) {
	var p codec.Properties
	if codec.DecodeProperties([]byte{0, 1, 0, 0}, &p) == nil || codec.DecodeProperties([]byte{0}, &p) == nil {
		t.Fatal("accepted")
	}
}
