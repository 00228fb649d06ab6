package record_test

import (
	"bytes"
	"testing"

	"pgregory.net/rapid"

	"weir/internal/record"
)

func TestRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		e := record.Envelope{
			Dialect: record.Dialect(rapid.Byte().Draw(t, "dialect")), Priority: rapid.Byte().Draw(t, "priority"),
			Timestamp: rapid.Int64().Draw(t, "timestamp"), Expiry: rapid.Int64().Draw(t, "expiry"), Due: rapid.Int64().Draw(t, "due"),
			Count: rapid.Uint32Range(1, 1<<32-1).Draw(t, "count"), Body: rapid.Uint32().Draw(t, "body"),
		}
		if rapid.Bool().Draw(t, "dedup") {
			e.Dedup = record.DedupID{1, 15: rapid.Byte().Draw(t, "id")}
		}
		if rapid.Bool().Draw(t, "producer") {
			e.Producer = record.Producer{
				ID: record.ProducerID(rapid.Uint64().Draw(t, "pid")), Epoch: rapid.Uint16().Draw(t, "epoch"),
				Sequence: rapid.Uint32().Draw(t, "sequence"), Part: record.Part(rapid.IntRange(1, 4).Draw(t, "part")),
			}
		}
		native := rapid.SliceOf(rapid.Byte()).Draw(t, "native")
		rest := rapid.SliceOf(rapid.Byte()).Draw(t, "rest")
		cut := rapid.IntRange(0, len(native)).Draw(t, "cut")
		b := record.Append(nil, &e, native[:cut], native[cut:])
		var got record.Envelope
		n, err := record.Decode(append(b, rest...), &got)
		if err != nil || got != e || !bytes.Equal(n, native) {
			t.Fatalf("%v %+v, not %+v", err, got, e)
		}
		for short := range len(b) {
			if _, err := record.Decode(b[:short], &got); err == nil {
				t.Fatalf("decoded from %d of %d bytes", short, len(b))
			}
		}
	})
}

func FuzzDecode(f *testing.F) {
	e := record.Envelope{Timestamp: 1, Expiry: 2, Due: 3, Dedup: record.DedupID{4}, Count: 5, Body: 6, Producer: record.Producer{ID: 7, Epoch: 8, Sequence: 9, Part: record.PartAbort}}
	f.Add(record.Append(nil, &e, []byte("native")))
	f.Add([]byte{255, 255, 255, 127, 0, 0, 0, 0})
	f.Fuzz(func(t *testing.T, b []byte) {
		var e record.Envelope
		var native []byte
		var err error
		if n := testing.AllocsPerRun(1, func() { native, err = record.Decode(b, &e) }); n > 0 {
			t.Fatalf("%v allocations", n)
		}
		if err != nil {
			return
		}
		size, err := record.Size(b)
		if err != nil || size > len(b) || len(native) > size {
			t.Fatalf("%d bytes of %d, %d native: %v", size, len(b), len(native), err)
		}
		var again record.Envelope
		if _, err := record.Decode(record.Append(nil, &e, native), &again); err != nil || again != e {
			t.Fatalf("%+v becomes %+v: %v", e, again, err)
		}
	})
}
