package native

import (
	"bytes"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"weir/internal/frugal"
	"weir/internal/proto/amqp091/codec"
)

// stored is a message as publish has it stored.
func stored(exchange, key string, p *codec.Properties, body []byte) []byte {
	parts := Parts(exchange, key, 0, p, body)
	return slices.Concat(parts[0], parts[1], parts[2])
}

func TestStoredMessagesReadBackByteIdentical(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		exchange := rapid.StringN(0, 20, 255).Draw(t, "exchange")
		key := rapid.StringN(0, 20, 255).Draw(t, "key")
		body := rapid.SliceOfN(rapid.Byte(), 0, 300).Draw(t, "body")
		p := codec.Properties{
			Flags: codec.FlagHeaders | codec.FlagMessageID, MessageID: []byte("m"),
			Headers: codec.AppendMap(nil, map[string]any{"a": int64(1)}),
		}
		b := stored(exchange, key, &p, body)
		m, err := Open(b)
		if err != nil {
			t.Fatal(err)
		}
		if string(m.Exchange) != exchange || string(m.Key) != key || !bytes.Equal(m.Body, body) {
			t.Fatalf("%+v", m)
		}
		if !slices.Equal(slices.Concat(m.Address, m.Sized, m.Body), b) {
			t.Fatal("the parts are not the whole")
		}
	})
}

func FuzzOpen(f *testing.F) {
	f.Add(stored("e", "k", &codec.Properties{}, []byte("body")))
	f.Fuzz(func(t *testing.T, b []byte) {
		frugal.Check(t, len(b), 0, func() {
			m, err := Open(b)
			if err == nil && !slices.Equal(slices.Concat(m.Address, m.Sized, m.Body), b) {
				t.Fatal("the parts are not the whole")
			}
		})
	})
}
