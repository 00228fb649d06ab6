package server_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"weir/internal/frugal"
	"weir/internal/proto/amqp091/codec"
	"weir/internal/proto/amqp091/native"
	"weir/internal/proto/kafka/batch"
	"weir/internal/record"
)

var converters = record.Converters{record.DialectAMQP091: native.Converter{}, record.DialectKafka: batch.Converter{}}

// there converts a record to another dialect.
func there(t *rapid.T, rec []byte, index uint32, to record.Dialect) []byte {
	out, err := converters.Convert(rec, index, to)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// message is a Kafka record, out of whatever holds it.
func message(t *rapid.T, rec []byte) record.Message {
	var e record.Envelope
	nativeBytes, err := record.Decode(rec, &e)
	if err != nil || e.Dialect != record.DialectKafka {
		t.Fatal(e, err)
	}
	if b, rest, err := batch.Read(nativeBytes); err != nil || len(rest) > 0 || !b.Sound() {
		t.Fatal("no sound batch", err)
	}
	var got record.Message
	err = batch.Opener{}.Open(nativeBytes, 1<<30, func(m *record.Message) bool {
		got = record.Message{Delta: m.Delta, Timestamp: m.Timestamp, Key: bytes.Clone(m.Key), Value: bytes.Clone(m.Value)}
		for _, h := range m.Headers {
			got.Headers = append(got.Headers, record.Header{Name: bytes.Clone(h.Name), Value: bytes.Clone(h.Value)})
		}
		return true
	})
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// letter is an AMQP message, out of whatever holds it.
func letter(t *rapid.T, rec []byte) (native.Message, codec.Properties) {
	m, err := native.OpenRecord(rec)
	if err != nil {
		t.Fatal(err)
	}
	var p codec.Properties
	if err := m.Properties(&p); err != nil {
		t.Fatal(err)
	}
	return m, p
}

func blobOf(t *rapid.T, c *record.Common) []byte {
	e := record.Envelope{Dialect: record.DialectKafka, Timestamp: 1}
	packed := batch.Converter{}.Pack(c, &e)
	return record.Append(nil, &e, packed)
}

func drawBytes(t *rapid.T, what string, most int) []byte {
	if rapid.IntRange(0, 3).Draw(t, what+" null") == 0 {
		return nil
	}
	return rapid.SliceOfN(rapid.Byte(), 0, most).Draw(t, what)
}

// same tells null from empty.
func same(a, b []byte) bool { return bytes.Equal(a, b) && (a == nil) == (b == nil) }

// TestKafkaToAMQPAndBack holds every cell of the table that says "yes".
func TestKafkaToAMQPAndBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := &record.Common{Key: drawBytes(t, "key", 400), Timestamp: rapid.Int64Range(1, 1<<42).Draw(t, "at")}
		c.Body = drawBytes(t, "value", 50)
		c.NoBody = c.Body == nil
		names := rapid.SampledFrom([]string{"a", "b", "content-type", "correlation-id", "reply-to", "user-id", "priority", "", "timestamp", "CC"})
		for range rapid.IntRange(0, 6).Draw(t, "headers") {
			var v any
			if b := drawBytes(t, "header", 300); b != nil {
				v = b
			}
			c.Headers = append(c.Headers, record.Field{Name: names.Draw(t, "name"), Value: v})
		}
		rec := blobOf(t, c)
		want := message(t, rec)
		got := message(t, there(t, there(t, rec, 0, record.DialectAMQP091), 0, record.DialectKafka))
		if !same(got.Key, want.Key) || !same(got.Value, want.Value) || got.Timestamp != want.Timestamp {
			t.Fatalf("%+v, not %+v", got, want)
		}
		// Of each name the values and their order; names may change places. An
		// address comes with what was AMQP's once.
		a, b := byName(got.Headers), byName(want.Headers)
		if len(a["x-exchange"]) != 1 || len(a["x-routing-key"]) != 1 {
			t.Fatalf("headers %q", a)
		}
		delete(a, "x-exchange")
		delete(a, "x-routing-key")
		if !reflect.DeepEqual(a, b) {
			t.Fatalf("headers %q, not %q", a, b)
		}
	})
}

func byName(headers []record.Header) map[string][]string {
	m := map[string][]string{}
	for _, h := range headers {
		v := "null"
		if h.Value != nil {
			v = "=" + string(h.Value)
		}
		m[string(h.Name)] = append(m[string(h.Name)], v)
	}
	return m
}

// TestAMQPToKafkaAndBack likewise the other way.
func TestAMQPToKafkaAndBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		short := rapid.SliceOfN(rapid.Byte(), 0, 255)
		p := codec.Properties{Flags: codec.FlagDeliveryMode, DeliveryMode: rapid.Byte().Draw(t, "mode")}
		for _, f := range []struct {
			flag uint16
			to   *[]byte
		}{
			{codec.FlagContentType, &p.ContentType},
			{codec.FlagContentEncoding, &p.ContentEncoding},
			{codec.FlagCorrelationID, &p.CorrelationID},
			{codec.FlagReplyTo, &p.ReplyTo},
			{codec.FlagExpiration, &p.Expiration},
			{codec.FlagMessageID, &p.MessageID},
			{codec.FlagType, &p.Type},
			{codec.FlagAppID, &p.AppID},
			{codec.FlagClusterID, &p.ClusterID},
		} {
			if rapid.Bool().Draw(t, "set") {
				p.Flags |= f.flag
				*f.to = short.Draw(t, "property")
			}
		}
		if rapid.Bool().Draw(t, "priority") {
			p.Flags |= codec.FlagPriority
			p.Priority = rapid.Byte().Draw(t, "value")
		}
		p.Flags |= codec.FlagTimestamp
		p.Timestamp = rapid.Uint64Range(1, 1<<40).Draw(t, "at")
		for i := range rapid.IntRange(0, 5).Draw(t, "headers") {
			var v any = string(rapid.SliceOfN(rapid.Byte(), 0, 300).Draw(t, "value"))
			switch rapid.IntRange(0, 3).Draw(t, "kind") {
			case 0:
				v = []any{"one", "two"}
			case 1:
				v = nil
			}
			p.Headers = codec.AppendField(p.Headers, fmt.Sprint("h", i), v)
		}
		if len(p.Headers) > 0 {
			p.Flags |= codec.FlagHeaders
		}
		body := rapid.SliceOfN(rapid.Byte(), 0, 50).Draw(t, "body")
		parts := native.Parts(rapid.SampledFrom([]string{"", "amq.topic"}).Draw(t, "exchange"), string(short.Draw(t, "key")), 0, &p, body)
		rec := record.Append(nil, &record.Envelope{Dialect: record.DialectAMQP091, Timestamp: 5}, parts[0], parts[1], parts[2])
		back, q := letter(t, there(t, there(t, rec, 0, record.DialectKafka), 0, record.DialectAMQP091))
		m, _ := letter(t, rec)
		if !bytes.Equal(m.Address, back.Address) || !bytes.Equal(m.Body, back.Body) {
			t.Fatalf("%+v, not %+v", back, m)
		}
		if a, b := p.Append(nil), q.Append(nil); !bytes.Equal(a, b) {
			t.Fatalf("properties %q, not %q", b, a)
		}
	})
}

// TestAMQPTypesInKafka has what becomes of values that Kafka knows no type for.
func TestAMQPTypesInKafka(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.Int64().Draw(t, "number")
		p := codec.Properties{Flags: codec.FlagHeaders | codec.FlagUserID, UserID: []byte("guest")}
		for name, v := range map[string]any{
			"number": n, "true": true, "float": 1.5, "table": map[string]any{"a": int64(1)}, "list": []any{int64(1), "x"},
			"time": codec.Timestamp(7), "nothing": nil, native.OrderHeader: "k",
		} {
			p.Headers = codec.AppendField(p.Headers, name, v)
		}
		parts := native.Parts("x", "routing", 0, &p, []byte("body"))
		rec := record.Append(nil, &record.Envelope{Dialect: record.DialectAMQP091, Timestamp: 77}, parts[0], parts[1], parts[2])
		m := message(t, there(t, rec, 0, record.DialectKafka))
		want := map[string][]string{
			"number": {"=" + strconv.FormatInt(n, 10)}, "true": {"=true"}, "float": {"=1.5"}, "table": {`={"a":1}`},
			"list": {`=[1,"x"]`}, "time": {"=7"}, "nothing": {"null"}, "user-id": {"=guest"}, "x-exchange": {"=x"}, "x-routing-key": {"=routing"},
		}
		if got := byName(m.Headers); !reflect.DeepEqual(got, want) || string(m.Key) != "k" || m.Timestamp != 77 {
			t.Fatalf("%q %q %d, not %q", got, m.Key, m.Timestamp, want)
		}
	})
}

// TestKafkaKeysInAMQP has where a key goes.
func TestKafkaKeysInAMQP(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		key := drawBytes(t, "key", 400)
		m, p := letter(t, there(t, blobOf(t, &record.Common{Key: key, Body: []byte("b"), Timestamp: 1234}), 0, record.DialectAMQP091))
		v, has := p.Headers.Lookup(native.OrderHeader)
		if has != (key != nil) || !bytes.Equal(v.Bytes, key) {
			t.Fatalf("%q has key %q, not %q", p.Headers, v.Bytes, key)
		}
		if want := key; len(key) <= 255 && !bytes.Equal(m.Key, want) || len(key) > 255 && len(m.Key) > 0 || len(m.Exchange) > 0 {
			t.Fatalf("routing key %q of key %q", m.Key, key)
		}
		if p.Timestamp != 1 || p.DeliveryMode != 2 {
			t.Fatalf("%+v", p)
		}
	})
}

// TestHeadersThatDoNotFit are left out, and the message says so.
func TestHeadersThatDoNotFit(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := &record.Common{Body: []byte("b"), Timestamp: 1, Headers: []record.Field{
			{Name: "small", Value: []byte("s")}, {Name: "large", Value: make([]byte, 200<<10)}, {Name: strings.Repeat("n", 256), Value: []byte("s")},
			{Name: "last", Value: []byte("l")},
		}}
		_, p := letter(t, there(t, blobOf(t, c), 0, record.DialectAMQP091))
		if len(p.Headers) > 100<<10 {
			t.Fatal(len(p.Headers))
		}
		for name, want := range map[string]bool{"small": true, "large": false, "last": true, "x-headers-cut": true} {
			if _, has := p.Headers.Lookup(name); has != want {
				t.Fatal(name, has)
			}
		}
	})
}

// TestReaderGoesThroughABatch takes the messages of a batch in any order.
func TestReaderGoesThroughABatch(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		const n = 50
		rec := batchOf(n)
		r := converters.NewReader(record.DialectAMQP091)
		defer r.Close()
		for range 100 {
			i := rapid.Uint32Range(0, n).Draw(t, "index")
			for ; i <= n && rapid.IntRange(0, 3).Draw(t, "on") > 0; i++ {
				out, err := r.Message(rec, i)
				if i == n {
					if err == nil {
						t.Fatal("a message behind the last")
					}
					break
				}
				if err != nil {
					t.Fatal(err)
				}
				if m, _ := letter(t, out); string(m.Body) != fmt.Sprint("value ", i) {
					t.Fatalf("%d is %q", i, m.Body)
				}
			}
		}
	})
}

// batchOf is a record with a batch of n messages, uncompressed.
func batchOf(n int) []byte {
	return batchWith(n, func(i int) []byte { return fmt.Append(nil, "value ", i) })
}

// batchWith is one with these values.
func batchWith(n int, value func(i int) []byte) []byte {
	varint := binary.AppendVarint
	var records []byte
	for i := range n {
		v := value(i)
		one := varint(varint([]byte{0}, 0), int64(i))
		one = append(varint(varint(one, -1), int64(len(v))), v...)
		one = varint(one, 0)
		records = append(varint(records, int64(len(one))), one...)
	}
	b := make(batch.Batch, 61, 61+len(records))
	b[16] = 2
	binary.BigEndian.PutUint32(b[23:], uint32(n-1))
	binary.BigEndian.PutUint32(b[57:], uint32(n))
	b = append(b, records...)
	b.Seal()
	return record.Append(nil, &record.Envelope{Dialect: record.DialectKafka, Count: uint32(n), Timestamp: 1}, b)
}

// TestWhatWasTakenOut is a message for nobody.
func TestWhatWasTakenOut(t *testing.T) {
	parts := native.Parts("amq.topic", "k", 0, &codec.Properties{}, []byte("body"))
	stored := bytes.Join(parts[:], nil)
	o := native.Opener{}
	if kept, err := o.Keep(stored, 1<<20, func(m *record.Message) bool { return string(m.Key) == "k" }); err != nil || !bytes.Equal(kept, stored) || o.Sparse(kept) {
		t.Fatal(kept, err)
	}
	kept, err := o.Keep(stored, 1<<20, func(*record.Message) bool { return false })
	if err != nil || !o.Sparse(kept) || o.Open(kept, 1<<20, func(*record.Message) bool { return false }) != nil {
		t.Fatal(kept, err)
	}
	rec := record.Append(nil, &record.Envelope{Dialect: record.DialectAMQP091}, kept)
	if _, err := converters.Convert(rec, 0, record.DialectKafka); !errors.Is(err, record.ErrNoMessage) {
		t.Fatal(err)
	}
	empty := batch.Empty()
	if !empty.Sound() || !(batch.Opener{}).Sparse(empty) || (batch.Opener{}).Open(empty, 1<<20, func(*record.Message) bool { t.Error("a message"); return false }) != nil {
		t.Fatal("the empty batch is not")
	}
}

// FuzzConvert turns whatever is stored into messages of the other dialect.
func FuzzConvert(f *testing.F) {
	parts := native.Parts("amq.topic", "k", 0, &codec.Properties{Flags: codec.FlagHeaders, Headers: codec.AppendField(nil, "h", []any{"a", nil})}, []byte("body"))
	f.Add(byte(record.DialectAMQP091), bytes.Join(parts[:], nil))
	var e record.Envelope
	stored, _ := record.Decode(batchOf(3), &e)
	f.Add(byte(record.DialectKafka), stored)
	f.Fuzz(func(t *testing.T, dialect byte, stored []byte) {
		// What is unpacked is larger than what is stored, up to the budget of a reader.
		frugal.CheckWithin(t, len(stored), 64<<20, time.Second, func() { convertBothWays(t, record.Dialect(dialect%2+1), stored) })
	})
}

func convertBothWays(t *testing.T, from record.Dialect, stored []byte) {
	rec := record.Append(nil, &record.Envelope{Dialect: from, Timestamp: 1}, stored)
	for i := range uint32(3) {
		out, err := converters.Convert(rec, i, 3-from)
		if err != nil {
			continue
		}
		back, err := converters.Convert(out, 0, from)
		if err != nil {
			t.Fatalf("what was converted cannot be converted back: %v", err)
		}
		if _, err := converters.Convert(back, 0, 3-from); err != nil {
			t.Fatal(err)
		}
	}
}

// TestReaderOfLargeBatches unpacks more than it keeps open, and gives it up.
func TestReaderOfLargeBatches(t *testing.T) {
	value := make([]byte, 1<<20)
	rec := batchWith(8, func(i int) []byte { value[0] = byte(i); return value })
	r := converters.NewReader(record.DialectAMQP091)
	defer r.Close()
	for i := range uint32(8) {
		out, err := r.Message(rec, i)
		if err != nil {
			t.Fatal(err)
		}
		if m, err := native.OpenRecord(out); err != nil || len(m.Body) != 1<<20 || m.Body[0] != byte(i) {
			t.Fatal(i, err)
		}
		if i%3 == 0 {
			r.Rest()
		}
	}
}
