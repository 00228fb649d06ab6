package kafka_test

import (
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"weir/internal/broker"
	"weir/internal/proto/kafka"
	records "weir/internal/proto/kafka/batch"
	"weir/internal/record"
	"weir/internal/vfs"
)

var converters = record.Converters{record.DialectKafka: records.Converter{}, record.DialectAMQP091: bare{}}

// bare reads bytes that are a message's body, of a time long ago.
type bare struct{}

const bareTime = 5000

func (bare) Unpack(_ *record.Envelope, native []byte, _ int64, yield func(uint32, *record.Common) bool) error {
	yield(0, &record.Common{Body: native, Timestamp: bareTime})
	return nil
}

func (bare) Pack(c *record.Common, _ *record.Envelope) []byte { return c.Body }

func TestTimesOfOtherDialects(t *testing.T) {
	var b *broker.Broker
	address, stop := start(t, vfs.NewMem(), func(o *kafka.Options) { b = o.Broker })
	defer stop()
	c, ctx := client(t, address)
	begun := time.Now().Add(-time.Second)
	for _, kind := range []string{"CreateTime", "LogAppendTime"} {
		m := kmsg.NewPtrCreateTopicsRequest()
		topic := kmsg.NewCreateTopicsRequestTopic()
		topic.Topic, topic.NumPartitions, topic.ReplicationFactor = kind, 1, 1
		topic.Configs = append(topic.Configs,
			kmsg.CreateTopicsRequestTopicConfig{Name: "message.timestamp.type", Value: &kind},
			kmsg.CreateTopicsRequestTopicConfig{Name: "max.message.bytes", Value: kmsg.StringPtr("200")})
		m.Topics = append(m.Topics, topic)
		if answer, err := m.RequestWith(ctx, c); err != nil || answer.Topics[0].ErrorCode != 0 {
			t.Fatal(answer, err)
		}
		s := administrator(t, b)
		defer s.Close()
		done := make(chan broker.Completion, 2)
		p := s.Publisher(func(c broker.Completion) { done <- c })
		for _, size := range []int{5, 201} {
			out := &broker.Outgoing{Key: []byte(kind), TTL: -1, Dialect: record.DialectAMQP091, Native: [3][]byte{nil, nil, make([]byte, size)}}
			if n, err := p.Publish(out); err != nil || n != 1 {
				t.Fatal(n, err)
			}
		}
		s.Flush()
		if done := <-done; len(done.Refused) != 1 || done.Refused[0].Sequence != 2 {
			t.Fatalf("%+v", done)
		}
		r, _ := client(t, address, kgo.ConsumeTopics(kind), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
		f := r.PollFetches(ctx)
		if err := f.Err(); err != nil || f.NumRecords() != 1 {
			t.Fatal(err, f.NumRecords())
		}
		got := f.Records()[0]
		if appended := kind == "LogAppendTime"; appended && got.Timestamp.Before(begun) || !appended && got.Timestamp.UnixMilli() != bareTime ||
			got.Attrs.TimestampType() == 1 != appended {
			t.Errorf("%s: %v, type %d", kind, got.Timestamp, got.Attrs.TimestampType())
		}
	}
}
