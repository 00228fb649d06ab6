package kafka_test

import (
	"context"
	"fmt"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"weir/internal/broker"
	"weir/internal/proto/kafka"
	records "weir/internal/proto/kafka/batch"
	"weir/internal/record"
	"weir/internal/vfs"
)

const patience = 20 * time.Second

var openers = map[record.Dialect]record.Opener{record.DialectKafka: records.Opener{}}

func start(t testing.TB, disk vfs.FS, change ...func(o *kafka.Options)) (address string, stop func()) {
	t.Helper()
	return startSized(t, disk, 4<<20, change...)
}

// startSized has log files of so many bytes.
func startSized(t testing.TB, disk vfs.FS, walFileBytes int64, change ...func(o *kafka.Options)) (address string, stop func()) {
	t.Helper()
	b, err := broker.Open(broker.Options{FS: disk, Dir: "data", WALFileBytes: walFileBytes, Openers: openers, Converters: converters, DeadTopic: records.GivenUp, DeadTopicAs: record.DialectKafka, Fatal: func(err error) { t.Errorf("fatal: %v", err) }})
	if err != nil {
		t.Fatal(err)
	}
	o := kafka.Options{Broker: b}
	for _, f := range change {
		f(&o)
	}
	s, err := kafka.New(o)
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var serving sync.WaitGroup
	serving.Go(func() {
		for {
			nc, err := l.Accept()
			if err != nil {
				return
			}
			serving.Go(func() { s.Serve(nc, nil) })
		}
	})
	return l.Addr().String(), func() {
		_ = l.Close()
		s.Drain()
		s.Close()
		serving.Wait()
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	}
}

func client(t testing.TB, address string, o ...kgo.Opt) (*kgo.Client, context.Context) {
	t.Helper()
	c, err := kgo.NewClient(append([]kgo.Opt{kgo.FetchMaxWait(100 * time.Millisecond), kgo.SeedBrokers(address), kgo.AllowAutoTopicCreation()}, o...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return c, ctx
}

func TestProduceAndConsume(t *testing.T) {
	for name, codec := range map[string]kgo.CompressionCodec{
		"none": kgo.NoCompression(), "gzip": kgo.GzipCompression(), "snappy": kgo.SnappyCompression(),
		"lz4": kgo.Lz4Compression(), "zstd": kgo.ZstdCompression(),
	} {
		t.Run(name, func(t *testing.T) {
			disk := vfs.NewMem()
			address, stop := start(t, disk)
			p, ctx := client(t, address, kgo.ProducerBatchCompression(codec), kgo.DefaultProduceTopic("t"))
			const n = 2000
			for i := range n {
				p.Produce(ctx, &kgo.Record{
					Key: []byte(fmt.Sprint(i)), Value: []byte(fmt.Sprintf("value %d of a message that compresses well", i)),
					Headers: []kgo.RecordHeader{{Key: "n", Value: []byte{byte(i)}}, {Key: "nil"}},
				}, func(r *kgo.Record, err error) {
					if err != nil {
						t.Error(err)
					}
				})
			}
			if err := p.Flush(ctx); err != nil {
				t.Fatal(err)
			}
			readBack(t, address, n)
			stop()
			address, stop = start(t, disk)
			defer stop()
			readBack(t, address, n)
		})
	}
}

func readBack(t *testing.T, address string, n int) {
	t.Helper()
	c, ctx := client(t, address, kgo.ConsumeTopics("t"), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	for next := 0; next < n; {
		fetches := c.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			t.Fatal(err)
		}
		fetches.EachRecord(func(r *kgo.Record) {
			if r.Offset != int64(next) || string(r.Key) != fmt.Sprint(next) || len(r.Headers) != 2 || r.Headers[1].Value != nil {
				t.Fatalf("%+v where %d is due", r, next)
			}
			next++
		})
	}
}

func TestTopics(t *testing.T) {
	address, stop := start(t, vfs.NewMem())
	defer stop()
	c, ctx := client(t, address)
	create := func(name string, partitions int32, replicas int16) error {
		m := kmsg.NewPtrCreateTopicsRequest()
		topic := kmsg.NewCreateTopicsRequestTopic()
		topic.Topic, topic.NumPartitions, topic.ReplicationFactor = name, partitions, replicas
		m.Topics = append(m.Topics, topic)
		answer, err := m.RequestWith(ctx, c)
		if err != nil {
			t.Fatal(err)
		}
		return kerr.ErrorForCode(answer.Topics[0].ErrorCode)
	}
	for _, row := range []struct {
		name       string
		partitions int32
		replicas   int16
		want       error
	}{
		{"a", 3, 1, nil}, {"a", 3, 1, kerr.TopicAlreadyExists}, {"b", -1, -1, nil}, {"c", 0, 1, kerr.InvalidPartitions},
		{"d/e", 1, 1, kerr.InvalidTopicException}, {"f", 1, 3, kerr.InvalidReplicationFactor},
	} {
		if err := create(row.name, row.partitions, row.replicas); err != row.want {
			t.Errorf("%s: %v, not %v", row.name, err, row.want)
		}
	}
	m := kmsg.NewPtrMetadataRequest()
	answer, err := m.RequestWith(ctx, c)
	if err != nil || len(answer.Topics) != 2 || len(answer.Topics[0].Partitions) != 3 {
		t.Fatal(answer, err)
	}
}
