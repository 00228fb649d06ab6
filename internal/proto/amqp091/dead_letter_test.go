package amqp091

import (
	"reflect"
	"slices"
	"testing"

	"weir/internal/broker"
	"weir/internal/frugal"
	"weir/internal/proto/amqp091/codec"
	"weir/internal/proto/amqp091/native"
	"weir/internal/record"
)

// stored is a message as publish has it stored.
func stored(exchange, key string, p *codec.Properties, body []byte) []byte {
	parts := native.Parts(exchange, key, 0, p, body)
	return slices.Concat(parts[0], parts[1], parts[2])
}

// FuzzStored: what opens can die and be delivered.
func FuzzStored(f *testing.F) {
	f.Add(stored("e", "k", &codec.Properties{}, []byte("body")))
	f.Fuzz(func(t *testing.T, b []byte) {
		frugal.Check(t, len(b), 0, func() {
			_, _ = DeadLetter(b, broker.DeadLetterContext{Queue: "q", Why: broker.DeadExpired, Exchange: "x"})
			rec := record.Append(nil, &record.Envelope{Dialect: record.DialectAMQP091}, b)
			e := encoder{frameMax: 4096}
			e.delivery(&item{kind: itemDelivery, channel: 1, tag: 1, count: 2, data: rec})
		})
	})
}

func TestDeliveryCountReplacesOneTheClientSent(t *testing.T) {
	p := codec.Properties{
		Flags:   codec.FlagHeaders,
		Headers: codec.AppendMap(nil, map[string]any{"a": "b", "x-delivery-count": int64(9)}),
	}
	var q codec.Properties
	if err := codec.DecodeProperties(withHeader(append(make([]byte, 8), p.Append(nil)...), "x-delivery-count", 2)[8:], &q); err != nil {
		t.Fatal(err)
	}
	if want := map[string]any{"a": "b", "x-delivery-count": int64(2)}; !reflect.DeepEqual(q.Headers.Map(), want) {
		t.Fatalf("%v", q.Headers.Map())
	}
}

func text255(s string) *string { return &s }

func die(t *testing.T, b []byte, c broker.DeadLetterContext) (broker.DeadLettered, native.Message, codec.Properties) {
	t.Helper()
	out, err := DeadLetter(b, c)
	if err != nil {
		t.Fatal(err)
	}
	m, err := native.Open(slices.Concat(out.Native[0], out.Native[1], out.Native[2]))
	if err != nil {
		t.Fatal(err)
	}
	var p codec.Properties
	if err := m.Properties(&p); err != nil {
		t.Fatal(err)
	}
	return out, m, p
}

func whole(out broker.DeadLettered) []byte {
	return slices.Concat(out.Native[0], out.Native[1], out.Native[2])
}

func TestDeadLetterWritesDeathsAsRabbitMQDoes(t *testing.T) {
	p := codec.Properties{
		Flags: codec.FlagHeaders | codec.FlagExpiration | codec.FlagPriority, Expiration: []byte("50"),
		Priority: 3, Headers: codec.AppendMap(nil, map[string]any{"CC": []any{"c1"}, "z": true, "x-death": "mine"}),
	}
	out, m, q := die(t, stored("ex", "key", &p, []byte("body")), broker.DeadLetterContext{
		Queue: "q1",
		Why:   broker.DeadExpired, UnixMillis: 5_500, Exchange: "dlx",
	})
	if !slices.Equal(out.Keys, []string{"key", "c1"}) || string(m.Exchange) != "dlx" || string(m.Key) != "key" ||
		string(m.Body) != "body" || q.Has(codec.FlagExpiration) || q.Priority != 3 {
		t.Fatalf("%v %+v", out.Keys, m)
	}
	death := map[string]any{
		"original-expiration": "50", "count": int64(1), "reason": "expired", "queue": "q1",
		"time": int64(5), "exchange": "ex", "routing-keys": []any{"key", "c1"},
	}
	want := map[string]any{
		"CC": []any{"c1"}, "z": true, "x-death": []any{death},
		"x-first-death-exchange": "ex", "x-first-death-queue": "q1", "x-first-death-reason": "expired",
		"x-last-death-exchange": "ex", "x-last-death-queue": "q1", "x-last-death-reason": "expired",
	}
	if got := q.Headers.Map(); !reflect.DeepEqual(got, want) {
		t.Fatalf("got  %v\nwant %v", got, want)
	}
	var names []string
	for rest := q.Headers; ; {
		name, _, next, ok := rest.Next()
		if !ok {
			break
		}
		names, rest = append(names, string(name)), next
	}
	if !slices.IsSorted(names) {
		t.Fatalf("headers are not in RabbitMQ's order: %v", names)
	}
}

func TestDeathsAreCountedPerQueueAndReasonNewestFirst(t *testing.T) {
	b := stored("ex", "key", &codec.Properties{}, nil)
	for _, d := range []broker.DeadLetterContext{
		{Queue: "q1", Why: broker.DeadRejected, UnixMillis: 1000, Exchange: "dlx", Key: text255("again")},
		{Queue: "q2", Why: broker.DeadExpired, UnixMillis: 2000, Exchange: "", Key: text255("q1")},
		{Queue: "q1", Why: broker.DeadRejected, UnixMillis: 3000, Exchange: "dlx", Key: text255("again")},
	} {
		out, _, _ := die(t, b, d)
		b = whole(out)
	}
	m, _ := native.Open(b)
	var p codec.Properties
	_ = m.Properties(&p)
	h := p.Headers.Map()
	deaths := h["x-death"].([]any)
	if len(deaths) != 2 {
		t.Fatalf("%v", deaths)
	}
	first, second := deaths[0].(map[string]any), deaths[1].(map[string]any)
	if first["queue"] != "q1" || first["count"] != int64(2) || first["time"] != int64(1) || first["exchange"] != "ex" {
		t.Fatalf("newest: %v", first)
	}
	if second["queue"] != "q2" || second["reason"] != "expired" || second["count"] != int64(1) ||
		!reflect.DeepEqual(second["routing-keys"], []any{"again"}) {
		t.Fatalf("older: %v", second)
	}
	if h["x-first-death-exchange"] != "ex" || h["x-last-death-exchange"] != "" || h["x-last-death-queue"] != "q1" {
		t.Fatalf("%v", h)
	}
}

func TestDeadLetterKeyReplacesCC(t *testing.T) {
	p := codec.Properties{Flags: codec.FlagHeaders, Headers: codec.AppendMap(nil, map[string]any{"CC": []any{"c1"}})}
	out, m, _ := die(t, stored("ex", "key", &p, nil), broker.DeadLetterContext{
		Queue: "q1", Why: broker.DeadMaxLength,
		Exchange: "dlx", Key: text255("dead"),
	})
	if !slices.Equal(out.Keys, []string{"dead"}) || string(m.Key) != "dead" {
		t.Fatalf("%v", out.Keys)
	}
	out, _, _ = die(t, whole(out), broker.DeadLetterContext{Queue: "q2", Why: broker.DeadRejected, Exchange: "y"})
	if !slices.Equal(out.Keys, []string{"dead"}) {
		t.Fatalf("CC came back: %v", out.Keys)
	}
}

func TestCyclesEndUnlessSomebodyRejected(t *testing.T) {
	start := stored("ex", "key", &codec.Properties{}, nil)
	expired := func(b []byte, queue string, why broker.DeadReason) broker.DeadLettered {
		out, _, _ := die(t, b, broker.DeadLetterContext{Queue: queue, Why: why, Exchange: "dlx"})
		return out
	}
	one := expired(start, "q1", broker.DeadExpired)
	if one.Cycled("q2") || !one.Cycled("q1") {
		t.Fatal("one automatic death")
	}
	two := expired(whole(one), "q2", broker.DeadMaxLength)
	if !two.Cycled("q1") || !two.Cycled("q2") || two.Cycled("q3") {
		t.Fatal("two automatic deaths")
	}
	rejected := expired(whole(one), "q2", broker.DeadRejected)
	if rejected.Cycled("q1") || rejected.Cycled("q2") {
		t.Fatal("a rejection on the way makes it no cycle")
	}
	rejectedFirst := expired(whole(expired(start, "q1", broker.DeadRejected)), "q2", broker.DeadExpired)
	if rejectedFirst.Cycled("q1") || !rejectedFirst.Cycled("q2") {
		t.Fatal("only the deaths since the queue count")
	}
}

func TestDeliveriesDoNotShowMarks(t *testing.T) {
	out := die2(t)
	rec := record.Append(nil, &record.Envelope{Dialect: record.DialectAMQP091}, whole(out))
	e := encoder{frameMax: 131072}
	e.delivery(&item{kind: itemDelivery, channel: 1, tag: 1, data: rec})
	var f codec.Frame
	n, _ := codec.ReadFrame(e.buf, &f)
	if n, _ = codec.ReadFrame(e.buf[n:], &f); n == 0 || f.Type != codec.FrameHeader {
		t.Fatal("no header frame")
	}
	var h codec.Header
	if codec.DecodeHeader(f.Payload, &h) != nil || h.BodyBytes != 4 {
		t.Fatalf("body size %d", h.BodyBytes)
	}
}

func die2(t *testing.T) broker.DeadLettered {
	out, _, _ := die(t, stored("ex", "key", &codec.Properties{}, []byte("body")), broker.DeadLetterContext{
		Queue: "q",
		Why:   broker.DeadExpired, Exchange: "dlx", Key: text255("k"),
	})
	return out
}
