package kafka_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"weir/internal/vfs"
)

// TestSettingsAreEnforced has a message each that a setting allows and one that it
// does not.
func TestSettingsAreEnforced(t *testing.T) {
	address, stop := start(t, vfs.NewMem())
	defer stop()
	a := newAdmin(t, address)
	p, ctx := client(t, address, kgo.ProducerBatchCompression(kgo.NoCompression()))
	good := func() *kgo.Record { return &kgo.Record{Key: []byte("k"), Value: []byte("v")} }
	for name, row := range map[string]struct {
		setting, value string
		bad            *kgo.Record
		want           error
	}{
		"size":   {"max.message.bytes", "200", &kgo.Record{Key: []byte("k"), Value: []byte(strings.Repeat("x", 200))}, kerr.MessageTooLarge},
		"key":    {"cleanup.policy", "compact", &kgo.Record{Value: []byte("v")}, kerr.InvalidRecord},
		"past":   {"message.timestamp.before.max.ms", "60000", &kgo.Record{Timestamp: time.Now().Add(-time.Hour)}, kerr.InvalidTimestamp},
		"future": {"message.timestamp.after.max.ms", "60000", &kgo.Record{Timestamp: time.Now().Add(time.Hour)}, kerr.InvalidTimestamp},
	} {
		t.Run(name, func(t *testing.T) {
			a.mustCreate(name, 1, row.setting, row.value)
			ok := good()
			ok.Topic, row.bad.Topic = name, name
			if err := p.ProduceSync(ctx, ok).FirstErr(); err != nil {
				t.Fatal(err)
			}
			if err := p.ProduceSync(ctx, row.bad).FirstErr(); !errors.Is(err, row.want) {
				t.Fatal(err)
			}
			if err := a.set(name, row.setting, kmsg.IncrementalAlterConfigOpDelete, nil); err != nil {
				t.Fatal(err)
			}
			again := *row.bad
			if err := p.ProduceSync(ctx, &again).FirstErr(); err != nil {
				t.Fatalf("after the setting went: %v", err)
			}
		})
	}
}

func TestMinInSync(t *testing.T) {
	address, stop := start(t, vfs.NewMem())
	defer stop()
	a := newAdmin(t, address)
	a.mustCreate("t", 1, "min.insync.replicas", "2")
	leader, ctx := client(t, address, kgo.RequiredAcks(kgo.LeaderAck()), kgo.DisableIdempotentWrite())
	if err := leader.ProduceSync(ctx, &kgo.Record{Topic: "t", Value: []byte("x")}).FirstErr(); err != nil {
		t.Fatal(err)
	}
	all, _ := client(t, address, kgo.RecordRetries(1), kgo.RetryBackoffFn(func(int) time.Duration { return time.Millisecond }))
	if err := all.ProduceSync(ctx, &kgo.Record{Topic: "t", Value: []byte("x")}).FirstErr(); !errors.Is(err, kerr.NotEnoughReplicas) {
		t.Fatal(err)
	}
}

func TestAppendTime(t *testing.T) {
	address, stop := start(t, vfs.NewMem())
	defer stop()
	a := newAdmin(t, address)
	a.mustCreate("t", 1, "message.timestamp.type", "LogAppendTime")
	p, ctx := client(t, address)
	before := time.Now().Truncate(time.Millisecond)
	sent := &kgo.Record{Topic: "t", Value: []byte("x"), Timestamp: time.Unix(1, 0)}
	if err := p.ProduceSync(ctx, sent).FirstErr(); err != nil {
		t.Fatal(err)
	}
	c, ctx := client(t, address, kgo.ConsumeTopics("t"), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	r := c.PollFetches(ctx).Records()
	if len(r) != 1 || r[0].Timestamp.Before(before) || r[0].Attrs.TimestampType() != 1 {
		t.Fatalf("%+v", r)
	}
}

func TestRecompression(t *testing.T) {
	address, stop := start(t, vfs.NewMem())
	defer stop()
	a := newAdmin(t, address)
	for codec, name := range []string{"uncompressed", "gzip", "snappy", "lz4", "zstd", "producer"} {
		a.mustCreate(name, 1, "compression.type", name)
		p, ctx := client(t, address, kgo.ProducerBatchCompression(kgo.SnappyCompression()))
		var records []*kgo.Record
		for i := range 100 {
			records = append(records, &kgo.Record{Topic: name, Key: []byte(fmt.Sprint(i)), Value: []byte(strings.Repeat("x", 100))})
		}
		if err := p.ProduceSync(ctx, records...).FirstErr(); err != nil {
			t.Fatal(name, err)
		}
		c, ctx := client(t, address, kgo.ConsumeTopics(name), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
		for n := 0; n < len(records); {
			for _, r := range c.PollFetches(ctx).Records() {
				if string(r.Key) != fmt.Sprint(n) || name != "producer" && int(r.Attrs.CompressionType()) != codec {
					t.Fatalf("%s: %+v", name, r)
				}
				n++
			}
		}
	}
}
