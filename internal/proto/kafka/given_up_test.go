package kafka_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"weir/internal/vfs"
)

// deadTopic makes a topic that groups may send to what they give up, or may not.
func deadTopic(t *testing.T, ctx context.Context, c *kgo.Client, name, enable string, partitions int32) {
	t.Helper()
	m := kmsg.NewPtrCreateTopicsRequest()
	topic := kmsg.NewCreateTopicsRequestTopic()
	topic.Topic, topic.NumPartitions, topic.ReplicationFactor = name, partitions, 1
	topic.Configs = append(topic.Configs, kmsg.CreateTopicsRequestTopicConfig{Name: "errors.deadletterqueue.group.enable", Value: &enable})
	m.Topics = append(m.Topics, topic)
	answer, err := m.RequestWith(ctx, c)
	if err != nil || answer.Topics[0].ErrorCode != 0 {
		t.Fatal(err, answer)
	}
}

// dead reads n records of a dead-letter topic by the offset they had.
func dead(ctx context.Context, t *testing.T, address, topic string, n int) map[string]*kgo.Record {
	t.Helper()
	c, _ := client(t, address, kgo.ConsumeTopics(topic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	defer c.Close()
	all := map[string]*kgo.Record{}
	for count := 0; count < n; {
		f := c.PollFetches(ctx)
		if err := f.Err(); err != nil {
			t.Fatalf("%v after %v", err, all)
		}
		f.EachRecord(func(r *kgo.Record) { all[deadHeader(r, "offset")] = r; count++ })
	}
	return all
}

func deadHeader(r *kgo.Record, name string) string {
	for _, h := range r.Headers {
		if h.Key == "__dlq.errors."+name {
			return string(h.Value)
		}
	}
	return "none"
}

func TestShareDeadLetters(t *testing.T) {
	disk := vfs.NewMem()
	address, stop := start(t, disk)
	topic := topicWith(t, address, "t", "g", 6)
	c, ctx := client(t, address)
	deadTopic(t, ctx, c, "dlq.t", "true", 2)
	deadTopic(t, ctx, c, "dlq.closed", "false", 1)
	for _, row := range []struct {
		name, value string
		want        error
	}{
		{"errors.deadletterqueue.topic.name", "t", kerr.InvalidConfig},
		{"errors.deadletterqueue.copy.record.enable", "perhaps", kerr.InvalidConfig},
		{"errors.deadletterqueue.topic.name", "dlq.t", nil},
	} {
		if err := setGroup(t, ctx, c, "g", row.name, row.value); err != row.want {
			t.Errorf("%s=%s: %v", row.name, row.value, err)
		}
	}
	a := newSharer(t, address, "g", "a", topic)
	if _, got := a.fetch(2, 0); len(got) != 2 {
		t.Fatal(got)
	}
	if err := a.acknowledge(ack{0, 0, 3}, ack{1, 1, 1}); err != nil {
		t.Fatal(err)
	}
	all := dead(ctx, t, address, "dlq.t", 1)
	r := all["0"]
	if r == nil || r.Key != nil || r.Value != nil || r.Partition != 0 {
		t.Fatalf("%+v", r)
	}
	for name, want := range map[string]string{
		"topic": "t", "partition": "0", "group": "g", "delivery.count": "1", "message": "Offset rejected by client.",
	} {
		if got := deadHeader(r, name); got != want {
			t.Errorf("%s is %q", name, got)
		}
	}
	// With the record, and what was delivered too often.
	if err := setGroup(t, ctx, c, "g", "errors.deadletterqueue.copy.record.enable", "true"); err != nil {
		t.Fatal(err)
	}
	for range 5 {
		if _, got := a.fetch(1, 0); len(got) != 1 || got[0] != 2 {
			t.Fatal(got)
		}
		if err := a.acknowledge(ack{2, 2, 2}); err != nil {
			t.Fatal(err)
		}
	}
	all = dead(ctx, t, address, "dlq.t", 2)
	if r := all["2"]; r == nil || string(r.Value) != "2" || deadHeader(r, "delivery.count") != "5" || deadHeader(r, "message") != "Offset delivery count exceeded the threshold." {
		t.Fatalf("%+v", r)
	}
	// A topic that is not made for it gets nothing, and holds nothing up.
	if err := setGroup(t, ctx, c, "g", "errors.deadletterqueue.topic.name", "dlq.closed"); err != nil {
		t.Fatal(err)
	}
	if _, got := a.fetch(1, 0); len(got) != 1 || got[0] != 3 {
		t.Fatal(got)
	}
	if err := a.acknowledge(ack{3, 3, 3}); err != nil {
		t.Fatal(err)
	}
	c.Close()
	stop()
	address, stop = start(t, disk)
	defer stop()
	b := newSharer(t, address, "g", "b", topic)
	if _, got := b.fetch(9, 0); fmt.Sprint(got) != "[4 5]" {
		t.Fatal("after a restart", got)
	}
	if all = dead(b.ctx, t, address, "dlq.t", 2); len(all) != 2 {
		t.Fatal(all)
	}
}
