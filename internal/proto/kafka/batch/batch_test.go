package batch_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
	"pgregory.net/rapid"

	"weir/internal/frugal"
	"weir/internal/proto/kafka/batch"
	"weir/internal/record"
)

const budget = 1 << 20

// build makes a batch by the definitions of another library.
func build(t interface{ Fatal(...any) }, codec batch.Codec, first int64, messages []record.Message) batch.Batch {
	var records []byte
	newest := int64(-1)
	for i, m := range messages {
		r := kmsg.NewRecord()
		r.TimestampDelta64, r.OffsetDelta = m.Timestamp-first, int32(m.Delta)
		r.Key, r.Value = m.Key, m.Value
		for _, h := range m.Headers {
			r.Headers = append(r.Headers, kmsg.Header{Key: string(h.Name), Value: h.Value})
		}
		body := r.AppendTo(nil)[1:] // its length is 0
		records = binary.AppendVarint(records, int64(len(body)))
		records = append(records, body...)
		newest = max(newest, messages[i].Timestamp)
	}
	packed, err := batch.Compress(codec, batch.LevelDefault, records)
	if err != nil {
		t.Fatal(err)
	}
	b := kmsg.NewRecordBatch()
	b.Magic, b.Attributes, b.FirstTimestamp, b.MaxTimestamp = 2, int16(codec), first, newest
	b.LastOffsetDelta, b.NumRecords, b.Records = int32(len(messages)-1), int32(len(messages)), packed
	b.ProducerID = -1
	out := batch.Batch(b.AppendTo(nil))
	out.Seal()
	return out
}

func nullable(t *rapid.T, name string) []byte {
	if rapid.Bool().Draw(t, name+" is null") {
		return nil
	}
	return rapid.SliceOf(rapid.Byte()).Draw(t, name)
}

func drawn(t *rapid.T) []record.Message {
	var all []record.Message
	for i := range rapid.IntRange(1, 20).Draw(t, "messages") {
		m := record.Message{Delta: uint32(i), Timestamp: rapid.Int64Range(0, 1<<40).Draw(t, "time"), Key: nullable(t, "key"), Value: nullable(t, "value")}
		for range rapid.IntRange(0, 3).Draw(t, "headers") {
			m.Headers = append(m.Headers, record.Header{Name: rapid.SliceOfN(rapid.ByteRange('a', 'z'), 0, 5).Draw(t, "name"), Value: nullable(t, "header")})
		}
		all = append(all, m)
	}
	return all
}

func same(a, b *record.Message) bool {
	if a.Delta != b.Delta || a.Timestamp != b.Timestamp || len(a.Headers) != len(b.Headers) {
		return false
	}
	alike := func(x, y []byte) bool { return (x == nil) == (y == nil) && bytes.Equal(x, y) }
	for i := range a.Headers {
		if !bytes.Equal(a.Headers[i].Name, b.Headers[i].Name) || !alike(a.Headers[i].Value, b.Headers[i].Value) {
			return false
		}
	}
	return alike(a.Key, b.Key) && alike(a.Value, b.Value)
}

func TestOpenAndKeep(t *testing.T) {
	for codec := batch.None; codec <= batch.Zstd; codec++ {
		t.Run(fmt.Sprint(codec), func(t *testing.T) {
			rapid.Check(t, func(t *rapid.T) {
				messages := drawn(t)
				b := build(t, codec, rapid.Int64Range(0, 1<<40).Draw(t, "first"), messages)
				expect(t, b, messages)
				wanted := rapid.SliceOfN(rapid.Bool(), len(messages), len(messages)).Draw(t, "wanted")
				kept, err := batch.Opener{}.Keep(b, budget, func(m *record.Message) bool { return wanted[m.Delta] })
				if err != nil || !batch.Batch(kept).Sound() || batch.Batch(kept).LastDelta() != b.LastDelta() {
					t.Fatalf("%v: %v", kept, err)
				}
				var rest []record.Message
				for i := range messages {
					if wanted[i] {
						rest = append(rest, messages[i])
					}
				}
				expect(t, kept, rest)
				if f, err := batch.Batch(kept).Check(budget); err != nil || f.Dense != !slices.Contains(wanted, false) {
					t.Fatalf("%+v %v", f, err)
				}
			})
		})
	}
}

func expect(t *rapid.T, native []byte, want []record.Message) {
	err := batch.Opener{}.Open(native, budget, func(m *record.Message) bool {
		if len(want) == 0 || !same(m, &want[0]) {
			t.Fatalf("%+v where %+v is due", m, want)
		}
		want = want[1:]
		return true
	})
	if err != nil || len(want) > 0 {
		t.Fatalf("%v, %d missing", err, len(want))
	}
}

func TestCheck(t *testing.T) {
	messages := []record.Message{{Timestamp: 5, Key: []byte("a")}, {Delta: 1, Timestamp: 9}, {Delta: 2, Timestamp: 9, Key: []byte{}}}
	f, err := build(t, batch.LZ4, 3, messages).Check(budget)
	if want := (batch.Facts{MinTime: 5, MaxTime: 9, MaxDelta: 1, Keyless: 1, Bytes: f.Bytes, Dense: true}); err != nil || f != want {
		t.Fatalf("%+v, not %+v: %v", f, want, err)
	}
	keyless := []record.Message{{}, {Delta: 1, Key: []byte("a")}, {Delta: 2}, {Delta: 3}}
	if bad, err := build(t, batch.Zstd, 4, keyless).WithoutKey(budget, 10); err != nil || !slices.Equal(bad, []uint32{0, 2, 3}) {
		t.Errorf("%d have no key: %v", bad, err)
	}
	if bad, err := build(t, batch.None, 4, keyless).WithoutKey(budget, 2); err != nil || !slices.Equal(bad, []uint32{0, 2}) {
		t.Errorf("the first two of %d: %v", bad, err)
	}
	for name, change := range map[string]func(b batch.Batch){
		"too many records": func(b batch.Batch) { binary.BigEndian.PutUint32(b[57:], 4); binary.BigEndian.PutUint32(b[23:], 3) },
		"too few records":  func(b batch.Batch) { binary.BigEndian.PutUint32(b[57:], 2); binary.BigEndian.PutUint32(b[23:], 1) },
		"another codec":    func(b batch.Batch) { binary.BigEndian.PutUint16(b[21:], uint16(batch.Zstd)) },
		"no codec":         func(b batch.Batch) { binary.BigEndian.PutUint16(b[21:], 5) },
		"beyond its end":   func(b batch.Batch) { binary.BigEndian.PutUint32(b[23:], 1) },
	} {
		b := build(t, batch.LZ4, 3, messages)
		change(b)
		if _, err := b.Check(budget); !errors.Is(err, record.ErrMalformed) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestChanges(t *testing.T) {
	messages := []record.Message{{Timestamp: 5, Key: []byte("a")}, {Delta: 1, Timestamp: 9}}
	b := build(t, batch.LZ4, 3, messages)
	for codec := batch.None; codec <= batch.Zstd; codec++ {
		other, err := b.Recompress(codec, batch.LevelDefault, budget)
		if err != nil || other.Codec() != codec || !other.Sound() {
			t.Fatal(codec, err)
		}
		f, err := other.Check(budget)
		if want := (batch.Facts{MinTime: 5, MaxTime: 9, MaxDelta: 1, Keyless: 1, Bytes: f.Bytes, Dense: true}); err != nil || f != want {
			t.Fatalf("%+v, not %+v: %v", f, want, err)
		}
		other.SetTime(77)
		if f, err := other.Check(budget); err != nil || !other.Sound() || f.MinTime != 77 || f.MaxTime != 77 {
			t.Fatalf("%+v: %v", f, err)
		}
		other.SetCreateTime(9)
		if f, err := other.Check(budget); err != nil || !other.Sound() || f.MinTime != 5 {
			t.Fatalf("%+v: %v", f, err)
		}
	}
}

func TestBombs(t *testing.T) {
	for codec := batch.Gzip; codec <= batch.Zstd; codec++ {
		b := build(t, codec, 0, []record.Message{{Value: make([]byte, 32<<20)}})
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err := b.Check(budget)
		runtime.ReadMemStats(&after)
		if !errors.Is(err, record.ErrBudget) {
			t.Errorf("codec %d: %v", codec, err)
		}
		if got := after.TotalAlloc - before.TotalAlloc; got > 16<<20 {
			t.Errorf("codec %d: %d bytes allocated", codec, got)
		}
	}
}

// What a batch unpacks to, up to the budget, takes memory and time whatever its
// size; so do the tables and windows of a decompressor.
const (
	unpackedBytes = 24 << 20
	unpackingTime = 200 * time.Millisecond
)

func FuzzOpen(f *testing.F) {
	messages := []record.Message{{Timestamp: 5, Key: []byte("a"), Headers: []record.Header{{Name: []byte("h")}}}, {Delta: 1, Timestamp: 9}}
	for codec := batch.None; codec <= batch.Zstd; codec++ {
		f.Add([]byte(build(f, codec, 3, messages)))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if head, _, err := batch.Read(b); err == nil {
			head.Seal()
		}
		n := 0
		var err error
		frugal.CheckWithin(t, len(b), unpackedBytes, unpackingTime, func() {
			n = 0
			err = batch.Opener{}.Open(b, budget, func(m *record.Message) bool { n++; return true })
		})
		if err != nil {
			return
		}
		half, err := batch.Opener{}.Keep(b, budget, func(m *record.Message) bool { return m.Delta%2 == 0 })
		if err != nil {
			t.Fatal(err)
		}
		left := 0
		if err := (batch.Opener{}).Open(half, budget, func(*record.Message) bool { left++; return true }); err != nil || left > n {
			t.Fatalf("%d of %d: %v", left, n, err)
		}
	})
}

// TestLargeBatchesAreCheckedAsSmallOnes compares the check of what passes through
// with that of what is unpacked as a whole.
func TestLargeBatchesAreCheckedAsSmallOnes(t *testing.T) {
	var messages []record.Message
	for i := range 6000 {
		messages = append(messages, record.Message{
			Delta: uint32(i), Timestamp: int64(i%100 + 1), Key: []byte("k"), Value: make([]byte, 1000),
			Headers: []record.Header{{Name: []byte("h"), Value: nil}},
		})
	}
	messages[77].Key = nil
	whole, err := build(t, batch.None, 6000, messages).Check(1 << 30)
	if err != nil || whole.Keyless != 77 || whole.Bytes < 6_000_000 {
		t.Fatalf("%+v %v", whole, err)
	}
	for _, codec := range []batch.Codec{batch.Gzip, batch.Snappy, batch.LZ4, batch.Zstd} {
		b := build(t, codec, 6000, messages)
		if f, err := b.Check(1 << 30); err != nil || f != whole {
			t.Errorf("%d: %+v, not %+v: %v", codec, f, whole, err)
		}
		if _, err := b.Check(5 << 20); !errors.Is(err, record.ErrBudget) {
			t.Errorf("%d: beyond the budget: %v", codec, err)
		}
		for name, change := range map[string]func(b batch.Batch){
			"too many": func(b batch.Batch) {
				binary.BigEndian.PutUint32(b[57:], 6001)
				binary.BigEndian.PutUint32(b[23:], 6000)
			},
			"too few": func(b batch.Batch) {
				binary.BigEndian.PutUint32(b[57:], 5999)
				binary.BigEndian.PutUint32(b[23:], 5998)
			},
		} {
			b := build(t, codec, 6000, messages)
			change(b)
			if _, err := b.Check(1 << 30); !errors.Is(err, record.ErrMalformed) {
				t.Errorf("%d, %s: %v", codec, name, err)
			}
		}
	}
}
