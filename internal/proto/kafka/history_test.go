package kafka_test

import (
	"context"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/kversion"

	"weir/internal/history"
)

const (
	historyClients = 4
	historySteps   = 40
	historyLives   = 2
)

// historyClient is a real client of partition 0 of the topic "t", and of the
// position in it of the group "g". It sends every request once.
type historyClient struct {
	b     *kgo.Broker
	ctx   context.Context
	begun int64 // batches say by their time after it which message they are
}

func newHistoryClient(t *testing.T, address string, begun int64) historyClient {
	t.Helper()
	v := kversion.Stable() // those that know topics by name
	for key, version := range map[kmsg.Key]int16{kmsg.Produce: 12, kmsg.Fetch: 12, kmsg.OffsetCommit: 9, kmsg.OffsetFetch: 9} {
		v.SetMaxKeyVersion(key.Int16(), version)
	}
	c, ctx := client(t, address, kgo.MaxVersions(v))
	if err := c.Ping(ctx); err != nil {
		t.Fatal(err)
	}
	return historyClient{c.DiscoveredBrokers()[0], ctx, begun}
}

func (c historyClient) Append(message uint32, count int) (int64, error) {
	m := kmsg.NewPtrProduceRequest()
	t, p := kmsg.NewProduceRequestTopic(), kmsg.NewProduceRequestTopicPartition()
	p.Records = batch(int32(count), func(b []byte) {
		binary.BigEndian.PutUint64(b[27:], uint64(c.begun+int64(message)))
		binary.BigEndian.PutUint64(b[35:], uint64(c.begun+int64(message)))
	})
	t.Topic, t.Partitions = "t", append(t.Partitions, p)
	m.Acks, m.TimeoutMillis = -1, 10_000
	m.Topics = append(m.Topics, t)
	r, err := c.b.Request(c.ctx, m)
	if err != nil {
		return 0, err
	}
	told := r.(*kmsg.ProduceResponse).Topics[0].Partitions[0]
	return told.BaseOffset, kerr.ErrorForCode(told.ErrorCode)
}

func (c historyClient) Read(from int64) (history.LogOutput, error) {
	m := kmsg.NewPtrFetchRequest()
	t, p := kmsg.NewFetchRequestTopic(), kmsg.NewFetchRequestTopicPartition()
	p.FetchOffset, p.PartitionMaxBytes = from, 300
	t.Topic, t.Partitions = "t", append(t.Partitions, p)
	m.MaxBytes, m.SessionEpoch = 300, -1
	m.Topics = append(m.Topics, t)
	r, err := c.b.Request(c.ctx, m)
	if err != nil {
		return history.LogOutput{}, err
	}
	told := r.(*kmsg.FetchResponse).Topics[0].Partitions[0]
	if err := kerr.ErrorForCode(told.ErrorCode); err != nil {
		return history.LogOutput{}, err
	}
	out := history.LogOutput{First: told.HighWatermark}
	for b := told.RecordBatches; len(b) > 0; {
		var one kmsg.RecordBatch
		if err := one.ReadFrom(b); err != nil {
			return out, err
		}
		b = b[12+one.Length:]
		for i := range one.NumRecords {
			if one.FirstOffset+int64(i) >= from {
				out.Messages = append(out.Messages, uint32(one.FirstTimestamp-c.begun))
			}
		}
	}
	return out, nil
}

func (c historyClient) End() (int64, error) {
	m := kmsg.NewPtrListOffsetsRequest()
	t, p := kmsg.NewListOffsetsRequestTopic(), kmsg.NewListOffsetsRequestTopicPartition()
	p.Timestamp = -1
	t.Topic, t.Partitions = "t", append(t.Partitions, p)
	m.Topics = append(m.Topics, t)
	r, err := c.b.Request(c.ctx, m)
	if err != nil {
		return 0, err
	}
	told := r.(*kmsg.ListOffsetsResponse).Topics[0].Partitions[0]
	return told.Offset, kerr.ErrorForCode(told.ErrorCode)
}

func (c historyClient) Write(value int64) error {
	m := kmsg.NewPtrOffsetCommitRequest()
	t, p := kmsg.NewOffsetCommitRequestTopic(), kmsg.NewOffsetCommitRequestTopicPartition()
	p.Offset = value
	t.Topic, t.Partitions = "t", append(t.Partitions, p)
	m.Group = "g"
	m.Topics = append(m.Topics, t)
	r, err := c.b.Request(c.ctx, m)
	if err != nil {
		return err
	}
	return kerr.ErrorForCode(r.(*kmsg.OffsetCommitResponse).Topics[0].Partitions[0].ErrorCode)
}

func (c historyClient) Load() (int64, error) {
	m := kmsg.NewPtrOffsetFetchRequest()
	g, t := kmsg.NewOffsetFetchRequestGroup(), kmsg.NewOffsetFetchRequestGroupTopic()
	t.Topic, t.Partitions = "t", []int32{0}
	g.Group = "g"
	g.Topics = append(g.Topics, t)
	m.Groups = append(m.Groups, g)
	r, err := c.b.Request(c.ctx, m)
	if err != nil {
		return 0, err
	}
	told := r.(*kmsg.OffsetFetchResponse).Groups[0].Topics[0].Partitions[0]
	return told.Offset, kerr.ErrorForCode(told.ErrorCode)
}

// TestLogAndPositionAreLinearizable: what real clients are told of a partition,
// and of a group's position in it, over a power cut is what a list and a number
// would have told them.
func TestLogAndPositionAreLinearizable(t *testing.T) {
	for seed := range uint64(3) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) { checkHistories(t, seed) })
	}
}

func checkHistories(t *testing.T, seed uint64) {
	t.Helper()
	h, positions := history.New(), history.New()
	logs := &history.LogRun{History: h, Log: "t", Seed: seed}
	group := &history.RegisterRun{History: positions, Register: "g", Seed: seed}
	power := history.NewPower(h, seed)
	begun := time.Now().UnixMilli()
	address, stop := start(t, power.FS())
	newTopic(t, address)
	for life := range historyLives {
		var readers []history.LogClient
		var members []history.RegisterClient
		for range historyClients {
			c := newHistoryClient(t, address, begun)
			readers, members = append(readers, c), append(members, c)
		}
		if err := group.Live(members, historySteps); err != nil {
			t.Fatal(err)
		}
		if life < historyLives-1 {
			power.CutAfter(2 * historySteps)
		}
		if err := logs.Live(readers, historySteps); err != nil {
			t.Fatal(err)
		}
		power.Reboot()
		stop()
		address, stop = start(t, power.FS())
		if err := group.Restarted(newHistoryClient(t, address, begun)); err != nil {
			t.Fatal(err)
		}
	}
	if err := logs.Drain(newHistoryClient(t, address, begun)); err != nil {
		t.Fatal(err)
	}
	stop()
	name := filepath.Join(os.TempDir(), "weir-"+strings.ReplaceAll(t.Name(), "/", "-"))
	if err := h.Check(history.Log(), name+"-log.html"); err != nil {
		t.Error(err)
	}
	if err := positions.Check(history.Register(-1), name+"-position.html"); err != nil {
		t.Error(err)
	}
}

func newTopic(t *testing.T, address string) {
	t.Helper()
	c, ctx := client(t, address)
	m := kmsg.NewPtrCreateTopicsRequest()
	topic := kmsg.NewCreateTopicsRequestTopic()
	topic.Topic, topic.NumPartitions, topic.ReplicationFactor = "t", 1, 1
	m.Topics = append(m.Topics, topic)
	r, err := m.RequestWith(ctx, c)
	if err == nil {
		err = kerr.ErrorForCode(r.Topics[0].ErrorCode)
	}
	if err != nil {
		t.Fatal(err)
	}
}
