package server_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"weir/internal/server"
)

const patience = 20 * time.Second

// both is a node with an AMQP channel and what a Kafka client needs.
type both struct {
	t     *testing.T
	ctx   context.Context
	amqp  *amqp.Channel
	kafka string
	url   string
}

func startBoth(t *testing.T, dir string) (*both, func()) {
	t.Helper()
	c := server.Default()
	c.Data, c.Listen.AMQP, c.Listen.Kafka, c.Listen.HTTP, c.Listen.AMQPS = dir, "127.0.0.1:0", "127.0.0.1:0", "off", "off"
	c.Log.Level = "error"
	s, err := server.Start(c)
	if err != nil {
		t.Fatal(err)
	}
	url := "amqp://guest:guest@" + s.Addr("amqp").String() + "/"
	conn, err := amqp.Dial(url)
	if err != nil {
		t.Fatal(err)
	}
	ch, err := conn.Channel()
	if err != nil {
		t.Fatal(err)
	}
	if err := ch.Confirm(false); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	b := &both{t, ctx, ch, s.Addr("kafka").String(), url}
	return b, func() {
		cancel()
		_ = conn.Close()
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
}

func (b *both) client(o ...kgo.Opt) *kgo.Client {
	b.t.Helper()
	c, err := kgo.NewClient(append(o, kgo.SeedBrokers(b.kafka), kgo.AllowAutoTopicCreation())...)
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(c.Close)
	return c
}

func (b *both) produce(c *kgo.Client, r *kgo.Record) {
	b.t.Helper()
	if err := c.ProduceSync(b.ctx, r).FirstErr(); err != nil {
		b.t.Fatal(err)
	}
}

func (b *both) publish(exchange, key string, m amqp.Publishing) {
	b.t.Helper()
	confirm, err := b.amqp.PublishWithDeferredConfirmWithContext(b.ctx, exchange, key, true, false, m)
	if err != nil {
		b.t.Fatal(err)
	}
	if ok, err := confirm.WaitContext(b.ctx); !ok || err != nil {
		b.t.Fatal(ok, err)
	}
}

func (b *both) consume(queue, tag string, arguments amqp.Table) <-chan amqp.Delivery {
	b.t.Helper()
	ds, err := b.amqp.Consume(queue, tag, false, false, false, false, arguments)
	if err != nil {
		b.t.Fatal(err)
	}
	return ds
}

func (b *both) next(ds <-chan amqp.Delivery) amqp.Delivery {
	b.t.Helper()
	select {
	case d, ok := <-ds:
		if !ok {
			b.t.Fatal("the consumer has ended")
		}
		return d
	case <-b.ctx.Done():
		b.t.Fatal("no delivery")
	}
	panic("unreachable")
}

// records reads n records of a topic from its start.
func (b *both) records(topic string, n int) []*kgo.Record {
	b.t.Helper()
	c := b.client(kgo.ConsumeTopics(topic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	var all []*kgo.Record
	for len(all) < n {
		fetches := c.PollFetches(b.ctx)
		if err := fetches.Err(); err != nil {
			b.t.Fatal(err)
		}
		all = append(all, fetches.Records()...)
	}
	return all
}

// TestAMQPConsumesATopic acks, returns and rejects messages of a Kafka topic.
func TestAMQPConsumesATopic(t *testing.T) {
	dir := t.TempDir()
	b, stop := startBoth(t, dir)
	p := b.client(kgo.DefaultProduceTopic("t"))
	at := time.UnixMilli(1_700_000_000_123)
	b.produce(p, &kgo.Record{Value: []byte("before")})
	if _, err := b.amqp.QueueDeclare("t::late", true, false, false, false, nil); err != nil {
		t.Fatal(err)
	}
	if err := b.amqp.Qos(10, 0, false); err != nil {
		t.Fatal(err)
	}
	early := b.consume("t::early", "early", amqp.Table{"x-stream-offset": "first"})
	b.produce(p, &kgo.Record{Key: []byte("k"), Value: []byte("one"), Timestamp: at, Headers: []kgo.RecordHeader{
		{Key: "correlation-id", Value: []byte("c")}, {Key: "reply-to", Value: []byte("r")}, {Key: "content-type", Value: []byte("text/plain")}, {Key: "h", Value: []byte("v")},
	}})
	if d := b.next(early); string(d.Body) != "before" || d.Ack(false) != nil {
		t.Fatalf("%+v", d)
	}
	d := b.next(early)
	if string(d.Body) != "one" || d.CorrelationId != "c" || d.ReplyTo != "r" || d.ContentType != "text/plain" || d.RoutingKey != "k" ||
		d.Headers["h"] != "v" || d.Headers["x-record-key"] != "k" || !d.Timestamp.Equal(at.Truncate(time.Second)) || d.Headers["timestamp_in_ms"] != at.UnixMilli() {
		t.Fatalf("%+v", d)
	}
	if err := d.Nack(false, true); err != nil {
		t.Fatal(err)
	}
	if d = b.next(early); string(d.Body) != "one" || !d.Redelivered || d.Headers["x-delivery-count"] != int64(1) || d.Ack(false) != nil {
		t.Fatalf("%+v", d)
	}
	late := b.consume("t::late", "late", nil)
	if d := b.next(late); string(d.Body) != "one" || d.Ack(false) != nil {
		t.Fatalf("%+v", d)
	}
	for _, tag := range []string{"late", "early"} {
		if err := b.amqp.Cancel(tag, false); err != nil {
			t.Fatal(err)
		}
	}
	b.produce(p, &kgo.Record{Value: []byte("two")})
	stop()

	b, stop = startBoth(t, dir)
	defer stop()
	q, err := b.amqp.QueueDeclarePassive("t::early", true, false, false, false, nil)
	if err != nil || q.Messages != 1 {
		t.Fatal(q, err)
	}
	if d, ok, err := b.amqp.Get("t::early", true); string(d.Body) != "two" || !ok || err != nil {
		t.Fatal(d, ok, err)
	}
	if n, err := b.amqp.QueuePurge("t::late", false); n != 1 || err != nil {
		t.Fatal(n, err)
	}
	if _, err := b.amqp.QueueDelete("t::late", false, false, false); err != nil {
		t.Fatal(err)
	}
	if all := b.records("t", 3); len(all) != 3 {
		t.Fatal(all)
	}
}

// TestManyMessagesOfATopic goes through compressed batches of several partitions.
func TestManyMessagesOfATopic(t *testing.T) {
	b, stop := startBoth(t, t.TempDir())
	defer stop()
	if err := b.amqp.ExchangeDeclare("dead", "fanout", true, false, false, false, nil); err != nil {
		t.Fatal(err)
	}
	if _, err := b.amqp.QueueDeclare("dead", true, false, false, false, nil); err != nil {
		t.Fatal(err)
	}
	if err := b.amqp.QueueBind("dead", "", "dead", false, nil); err != nil {
		t.Fatal(err)
	}
	const n = 5000
	p := b.client(kgo.DefaultProduceTopic("many"), kgo.ProducerLinger(5*time.Millisecond))
	b.produce(p, &kgo.Record{Value: []byte("0")})
	if _, err := b.amqp.QueueDeclare("many::c", true, false, false, false, amqp.Table{
		"x-stream-offset": "first", "x-dead-letter-exchange": "dead", "x-queue-type": "quorum",
	}); err != nil {
		t.Fatal(err)
	}
	for i := 1; i < n; i++ {
		p.Produce(b.ctx, &kgo.Record{Key: fmt.Append(nil, i), Value: fmt.Append(nil, i)}, func(_ *kgo.Record, err error) {
			if err != nil {
				t.Error(err)
			}
		})
	}
	if err := p.Flush(b.ctx); err != nil {
		t.Fatal(err)
	}
	if err := b.amqp.Qos(100, 0, false); err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	ds := b.consume("many::c", "c", nil)
	rejected := 0
	for len(seen) < n {
		d := b.next(ds)
		seen[string(d.Body)] = true
		if len(d.Body) == 2 {
			rejected++
			if err := d.Reject(false); err != nil {
				t.Fatal(err)
			}
		} else if err := d.Ack(false); err != nil {
			t.Fatal(err)
		}
	}
	dead := b.consume("dead", "d", nil)
	for range rejected {
		d := b.next(dead)
		deaths, _ := d.Headers["x-death"].([]any)
		if len(d.Body) != 2 || len(deaths) != 1 || deaths[0].(amqp.Table)["queue"] != "many::c" || d.Headers["x-record-key"] != string(d.Body) {
			t.Fatalf("%+v", d)
		}
		if err := d.Ack(false); err != nil {
			t.Fatal(err)
		}
	}
}

// TestKafkaReadsWhatAMQPPublished through an exchange, and what is in a queue.
func TestKafkaReadsWhatAMQPPublished(t *testing.T) {
	b, stop := startBoth(t, t.TempDir())
	defer stop()
	p := b.client(kgo.DefaultProduceTopic("t"))
	b.produce(p, &kgo.Record{Value: []byte("kafka")})
	if err := b.amqp.QueueBind("t", "a.#", "amq.topic", false, nil); err != nil {
		t.Fatal(err)
	}
	b.publish("amq.topic", "a.b", amqp.Publishing{
		Body: []byte("amqp"), ContentType: "text/plain", CorrelationId: "c", ReplyTo: "r", Timestamp: time.Unix(1_700_000_000, 0), Headers: amqp.Table{"h": "v", "n": int32(5)},
	})
	b.publish("", "t", amqp.Publishing{Body: []byte("straight"), Headers: amqp.Table{"x-record-key": "k"}})
	all := b.records("t", 3)
	r := all[1]
	headers := map[string]string{}
	for _, h := range r.Headers {
		headers[h.Key] = string(h.Value)
	}
	if string(r.Value) != "amqp" || string(r.Key) != "a.b" || r.Offset != 1 || r.Timestamp.Unix() != 1_700_000_000 ||
		headers["content-type"] != "text/plain" || headers["correlation-id"] != "c" || headers["reply-to"] != "r" || headers["h"] != "v" || headers["n"] != "5" {
		t.Fatalf("%+v", r)
	}
	if r := all[2]; string(r.Value) != "straight" || string(r.Key) != "k" {
		t.Fatalf("%+v", r)
	}

	if _, err := b.amqp.QueueDeclare("q", true, false, false, false, nil); err != nil {
		t.Fatal(err)
	}
	for i := range 3 {
		b.publish("", "q", amqp.Publishing{Body: fmt.Append(nil, i)})
	}
	if got := b.records("q", 3); string(got[2].Value) != "2" || got[2].Key != nil {
		t.Fatalf("%+v", got[2])
	}
	if d, ok, err := b.amqp.Get("q", true); !ok || err != nil || string(d.Body) != "0" { // reading took nothing
		t.Fatal(d, ok, err)
	}
	b.produce(p, &kgo.Record{Topic: "q", Key: []byte("k"), Value: []byte("from kafka")})
	if got := b.records("q", 3); string(got[0].Value) != "1" || got[0].Offset != 1 || string(got[2].Value) != "from kafka" {
		t.Fatalf("%+v", got)
	}
	for _, want := range []string{"1", "2", "from kafka"} {
		if d, ok, err := b.amqp.Get("q", true); !ok || err != nil || string(d.Body) != want {
			t.Fatal(d, ok, err)
		}
	}
}

// TestTransactionsOverATopic moves messages of a topic to a queue, each in one
// transaction with its acknowledgement.
func TestTransactionsOverATopic(t *testing.T) {
	b, stop := startBoth(t, t.TempDir())
	defer stop()
	p := b.client(kgo.DefaultProduceTopic("t"), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	m := kmsg.NewPtrCreateTopicsRequest()
	topic := kmsg.NewCreateTopicsRequestTopic()
	topic.Topic, topic.NumPartitions, topic.ReplicationFactor = "t", 3, 1
	m.Topics = append(m.Topics, topic)
	if answer, err := m.RequestWith(b.ctx, p); err != nil || answer.Topics[0].ErrorCode != 0 {
		t.Fatal(answer, err)
	}
	conn, err := amqp.Dial(b.url)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	ch, err := conn.Channel()
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"t::c", "out"} {
		if _, err := ch.QueueDeclare(name, true, false, false, false, nil); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 9 {
		b.produce(p, &kgo.Record{Partition: int32(i % 3), Value: fmt.Append(nil, i)})
	}
	if err := errors.Join(ch.Tx(), ch.Qos(4, 0, false)); err != nil {
		t.Fatal(err)
	}
	ds, err := ch.Consume("t::c", "c", false, false, false, false, nil)
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for i := range 9 {
		d := b.next(ds)
		move := func() error {
			return errors.Join(ch.PublishWithContext(b.ctx, "", "out", false, false, amqp.Publishing{Body: d.Body}), d.Ack(false))
		}
		if err := errors.Join(move(), ch.TxRollback(), move(), ch.TxCommit()); err != nil {
			t.Fatal(i, err)
		}
		seen[string(d.Body)] = true
	}
	left, err := b.amqp.QueueDeclarePassive("t::c", true, false, false, false, nil)
	out, err2 := b.amqp.QueueDeclarePassive("out", true, false, false, false, nil)
	if err != nil || err2 != nil || left.Messages != 0 || out.Messages != 9 || len(seen) != 9 {
		t.Fatal(left, out, seen, err, err2)
	}
}

// TestViewsOfACompactedTopic consumes what compaction has left of messages of both
// dialects.
func TestViewsOfACompactedTopic(t *testing.T) {
	b, stop := startBoth(t, t.TempDir())
	defer stop()
	p := b.client(kgo.DefaultProduceTopic("t"))
	m := kmsg.NewPtrCreateTopicsRequest()
	topic := kmsg.NewCreateTopicsRequestTopic()
	topic.Topic, topic.NumPartitions, topic.ReplicationFactor = "t", 1, 1
	for name, value := range map[string]string{"cleanup.policy": "compact", "segment.ms": "1", "min.cleanable.dirty.ratio": "0.01"} {
		k := kmsg.NewCreateTopicsRequestTopicConfig()
		k.Name, k.Value = name, &value
		topic.Configs = append(topic.Configs, k)
	}
	m.Topics = append(m.Topics, topic)
	if answer, err := m.RequestWith(b.ctx, p); err != nil || answer.Topics[0].ErrorCode != 0 {
		t.Fatal(answer, err)
	}
	if _, err := b.amqp.QueueDeclare("t::c", true, false, false, false, nil); err != nil {
		t.Fatal(err)
	}
	last := map[string]string{}
	for i := range 300 {
		key, value := fmt.Sprint("k", i%7), fmt.Sprint("v", i)
		last[key] = value
		if i%2 == 0 {
			b.publish("", "t", amqp.Publishing{Body: []byte(value), Headers: amqp.Table{"x-record-key": key}})
			continue
		}
		b.produce(p, &kgo.Record{Key: []byte(key), Value: []byte(value)})
	}
	for n := 1 << 30; n > len(last)+1; { // until it is compacted
		b.produce(p, &kgo.Record{Key: []byte("end"), Value: []byte("end")})
		n = b.countTo("t", "end")
	}
	got := map[string]string{}
	for ds := b.consume("t::c", "c", nil); got["end"] == ""; {
		d := b.next(ds)
		key, _ := d.Headers["x-record-key"].(string)
		if got[key] != "" && key != "end" || d.Headers["x-unreadable"] != nil {
			t.Fatalf("%s again: %s, %v", key, d.Body, d.Headers)
		}
		if got[key] = string(d.Body); d.Ack(false) != nil {
			t.Fatal("no ack")
		}
	}
	delete(got, "end")
	if !maps.Equal(got, last) {
		t.Fatalf("%v, not %v", got, last)
	}
}

// countTo counts the records of a topic up to the last one there is, whose key is
// known.
func (b *both) countTo(topic, key string) (n int) {
	b.t.Helper()
	c := b.client(kgo.ConsumeTopics(topic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	defer c.Close()
	for ended := false; !ended; {
		fetches := c.PollFetches(b.ctx)
		if err := fetches.Err(); err != nil {
			b.t.Fatal(err)
		}
		fetches.EachRecord(func(r *kgo.Record) {
			n++
			ended = ended || string(r.Key) == key
		})
	}
	return n
}

// TestProducersOfAQueue: who looks through all topics finds nobody in a queue, and
// not that it is missing.
func TestProducersOfAQueue(t *testing.T) {
	b, stop := startBoth(t, t.TempDir())
	defer stop()
	if _, err := b.amqp.QueueDeclare("q", true, false, false, false, nil); err != nil {
		t.Fatal(err)
	}
	m := kmsg.NewPtrDescribeProducersRequest()
	topic := kmsg.NewDescribeProducersRequestTopic()
	topic.Topic, topic.Partitions = "q", []int32{0}
	m.Topics = append(m.Topics, topic)
	answer, err := m.RequestWith(b.ctx, b.client())
	if err != nil || answer.Topics[0].Partitions[0].ErrorCode != 0 || len(answer.Topics[0].Partitions[0].ActiveProducers) != 0 {
		t.Fatalf("%+v %v", answer, err)
	}
}
