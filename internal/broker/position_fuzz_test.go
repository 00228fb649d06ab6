package broker

import (
	"bytes"
	"testing"

	"weir/internal/frugal"
)

// FuzzPosition reads notes of positions: what can be read is written again as it
// was, but for what a number may look like.
func FuzzPosition(f *testing.F) {
	n := PositionNotes([]GroupPosition{{TopicID: [16]byte{1}, Partition: 3, Next: 4, Epoch: -1, Committed: 5, Text: "x"}})[0]
	f.Add(n.Key, n.Value)
	f.Add("00/1", []byte("short"))
	f.Fuzz(func(t *testing.T, key string, value []byte) {
		frugal.Check(t, len(key)+len(value), 0, func() { readBack(t, key, value) })
	})
}

func readBack(t *testing.T, key string, value []byte) {
	p, ok := readPosition(&Note{Key: key, Value: value})
	if !ok {
		return
	}
	again := PositionNotes([]GroupPosition{p})[0]
	if !bytes.Equal(again.Value, value) {
		t.Fatalf("%x became %x", value, again.Value)
	}
	if back, ok := readPosition(&again); !ok || back != p {
		t.Fatalf("%+v became %+v", p, back)
	}
}
