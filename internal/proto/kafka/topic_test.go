package kafka_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"weir/internal/vfs"
)

// admin asks a server what kgo's clients do not.
type admin struct {
	*testing.T
	c   *kgo.Client
	ctx context.Context
}

func newAdmin(t *testing.T, address string) *admin {
	c, ctx := client(t, address)
	return &admin{t, c, ctx}
}

func ask[R kmsg.Response](a *admin, m kmsg.Request) R {
	a.Helper()
	answer, err := a.c.Request(a.ctx, m)
	if err != nil {
		a.Fatal(err)
	}
	return answer.(R)
}

// create makes a topic with settings given in pairs.
func (a *admin) create(name string, partitions int32, settings ...string) (kmsg.CreateTopicsResponseTopic, error) {
	a.Helper()
	m := kmsg.NewPtrCreateTopicsRequest()
	topic := kmsg.NewCreateTopicsRequestTopic()
	topic.Topic, topic.NumPartitions, topic.ReplicationFactor = name, partitions, 1
	for i := 0; i < len(settings); i += 2 {
		topic.Configs = append(topic.Configs, kmsg.CreateTopicsRequestTopicConfig{Name: settings[i], Value: &settings[i+1]})
	}
	m.Topics = append(m.Topics, topic)
	out := ask[*kmsg.CreateTopicsResponse](a, m).Topics[0]
	return out, kerr.ErrorForCode(out.ErrorCode)
}

func (a *admin) mustCreate(name string, partitions int32, settings ...string) {
	a.Helper()
	if out, err := a.create(name, partitions, settings...); err != nil {
		a.Fatal(err, *out.ErrorMessage)
	}
}

// set changes one setting of a topic.
func (a *admin) set(topic, name string, op kmsg.IncrementalAlterConfigOp, value *string) error {
	a.Helper()
	m := kmsg.NewPtrIncrementalAlterConfigsRequest()
	m.Resources = []kmsg.IncrementalAlterConfigsRequestResource{{
		ResourceType: kmsg.ConfigResourceTypeTopic, ResourceName: topic,
		Configs: []kmsg.IncrementalAlterConfigsRequestResourceConfig{{Name: name, Op: op, Value: value}},
	}}
	return kerr.ErrorForCode(ask[*kmsg.IncrementalAlterConfigsResponse](a, m).Resources[0].ErrorCode)
}

// config returns a topic's setting.
func (a *admin) config(topic, name string) kmsg.DescribeConfigsResponseResourceConfig {
	a.Helper()
	m := kmsg.NewPtrDescribeConfigsRequest()
	m.IncludeSynonyms = true
	m.Resources = []kmsg.DescribeConfigsRequestResource{{ResourceType: kmsg.ConfigResourceTypeTopic, ResourceName: topic, ConfigNames: []string{name}}}
	r := ask[*kmsg.DescribeConfigsResponse](a, m).Resources[0]
	if r.ErrorCode != 0 || len(r.Configs) != 1 {
		a.Fatalf("%+v", r)
	}
	return r.Configs[0]
}

func TestTopicConfigs(t *testing.T) {
	disk := vfs.NewMem()
	address, stop := start(t, disk)
	a := newAdmin(t, address)
	out, err := a.create("t", 2, "retention.ms", "1000", "cleanup.policy", "delete")
	if err != nil || len(out.Configs) < 30 || out.NumPartitions != 2 {
		t.Fatalf("%+v %v", out, err)
	}
	for _, row := range [][2]string{{"no.such", "1"}, {"retention.ms", "x"}, {"remote.storage.enable", "true"}} {
		if out, err := a.create("u", 1, row[0], row[1]); err != kerr.InvalidConfig || out.ErrorMessage == nil {
			t.Errorf("%v: %v", row, err)
		}
		if err := a.set("t", row[0], kmsg.IncrementalAlterConfigOpSet, &row[1]); err != kerr.InvalidConfig {
			t.Errorf("%v: %v", row, err)
		}
	}
	compact := "compact"
	if err := a.set("t", "cleanup.policy", kmsg.IncrementalAlterConfigOpAppend, &compact); err != nil {
		t.Fatal(err)
	}
	if err := a.set("t", "retention.ms", kmsg.IncrementalAlterConfigOpAppend, &compact); err != kerr.InvalidConfig {
		t.Fatal(err)
	}
	if err := a.set("none", "retention.ms", kmsg.IncrementalAlterConfigOpDelete, nil); err != kerr.UnknownTopicOrPartition {
		t.Fatal(err)
	}
	if err := a.set("t", "retention.ms", kmsg.IncrementalAlterConfigOpDelete, nil); err != nil {
		t.Fatal(err)
	}
	a.c.Close()
	stop()
	address, stop = start(t, disk)
	defer stop()
	a = newAdmin(t, address)
	if k := a.config("t", "cleanup.policy"); *k.Value != "delete,compact" || k.Source != kmsg.ConfigSourceDynamicTopicConfig || len(k.ConfigSynonyms) != 2 {
		t.Fatalf("%+v", k)
	}
	if k := a.config("t", "retention.ms"); *k.Value != "604800000" || k.Source != kmsg.ConfigSourceDefaultConfig {
		t.Fatalf("%+v", k)
	}
}

func TestLegacyAlterReplacesAll(t *testing.T) {
	address, stop := start(t, vfs.NewMem())
	defer stop()
	a := newAdmin(t, address)
	a.mustCreate("t", 1, "retention.ms", "1000", "retention.bytes", "5")
	m := kmsg.NewPtrAlterConfigsRequest()
	m.Resources = []kmsg.AlterConfigsRequestResource{{
		ResourceType: kmsg.ConfigResourceTypeTopic, ResourceName: "t",
		Configs: []kmsg.AlterConfigsRequestResourceConfig{{Name: "retention.ms", Value: kmsg.StringPtr("7")}},
	}}
	for _, only := range []bool{true, false} {
		before := *a.config("t", "retention.bytes").Value
		m.ValidateOnly = only
		if r := ask[*kmsg.AlterConfigsResponse](a, m); r.Resources[0].ErrorCode != 0 {
			t.Fatalf("%+v", r)
		}
		if only && *a.config("t", "retention.bytes").Value != before {
			t.Fatal("only validated, and changed")
		}
	}
	if ms, bytes := *a.config("t", "retention.ms").Value, *a.config("t", "retention.bytes").Value; ms != "7" || bytes != "-1" {
		t.Fatal(ms, bytes)
	}
}

func TestPartitionsAreAdded(t *testing.T) {
	address, stop := start(t, vfs.NewMem())
	defer stop()
	a := newAdmin(t, address)
	a.mustCreate("t", 2)
	for _, row := range []struct {
		topic string
		count int32
		want  error
	}{{"t", 2, kerr.InvalidPartitions}, {"t", 1, kerr.InvalidPartitions}, {"t", 5, nil}, {"u", 5, kerr.UnknownTopicOrPartition}} {
		m := kmsg.NewPtrCreatePartitionsRequest()
		m.Topics = []kmsg.CreatePartitionsRequestTopic{{Topic: row.topic, Count: row.count}}
		if err := kerr.ErrorForCode(ask[*kmsg.CreatePartitionsResponse](a, m).Topics[0].ErrorCode); err != row.want {
			t.Errorf("%+v: %v", row, err)
		}
	}
	p, ctx := client(t, address, kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err := p.ProduceSync(ctx, &kgo.Record{Topic: "t", Partition: 4, Value: []byte("x")}).FirstErr(); err != nil {
		t.Fatal(err)
	}
}

func TestTopicsAreDeletedByID(t *testing.T) {
	address, stop := start(t, vfs.NewMem())
	defer stop()
	a := newAdmin(t, address)
	out, err := a.create("t", 2)
	if err != nil {
		t.Fatal(err)
	}
	m := kmsg.NewPtrDeleteTopicsRequest()
	m.Topics = []kmsg.DeleteTopicsRequestTopic{{TopicID: out.TopicID}, {TopicID: [16]byte{1}}, {Topic: kmsg.StringPtr("none")}}
	r := ask[*kmsg.DeleteTopicsResponse](a, m)
	for i, want := range []error{nil, kerr.UnknownTopicID, kerr.UnknownTopicOrPartition} {
		if err := kerr.ErrorForCode(r.Topics[i].ErrorCode); err != want {
			t.Errorf("%d: %v", i, err)
		}
	}
	if *r.Topics[0].Topic != "t" {
		t.Error(r.Topics[0])
	}
}

// Java's administrators send an empty name next to the id.
func TestTopicsAreDescribedByID(t *testing.T) {
	address, stop := start(t, vfs.NewMem())
	defer stop()
	a := newAdmin(t, address)
	out, err := a.create("t", 2)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []*string{nil, kmsg.StringPtr("")} {
		m := kmsg.NewPtrMetadataRequest()
		m.Topics = []kmsg.MetadataRequestTopic{{TopicID: out.TopicID, Topic: name}, {TopicID: [16]byte{1}, Topic: name}}
		for _, topic := range ask[*kmsg.MetadataResponse](a, m).Topics {
			err := kerr.ErrorForCode(topic.ErrorCode)
			if there := topic.TopicID == out.TopicID; there && (err != nil || *topic.Topic != "t") || !there && (err != kerr.UnknownTopicID || topic.Topic != nil) {
				t.Errorf("%v: %+v", err, topic)
			}
		}
	}
}

func TestManyTopicsOfOneRequest(t *testing.T) {
	address, stop := start(t, vfs.NewMem())
	defer stop()
	a := newAdmin(t, address)
	m := kmsg.NewPtrCreateTopicsRequest()
	for i := range 10_000 {
		topic := kmsg.NewCreateTopicsRequestTopic()
		topic.Topic, topic.NumPartitions, topic.ReplicationFactor = fmt.Sprintf("t%d", i), 1, 1
		m.Topics = append(m.Topics, topic)
	}
	begin := time.Now()
	for _, topic := range ask[*kmsg.CreateTopicsResponse](a, m).Topics {
		if topic.ErrorCode != 0 {
			t.Fatal(topic.Topic, topic.ErrorCode)
		}
	}
	if took := time.Since(begin); took > 8*time.Second {
		t.Fatalf("%v", took)
	}
	topic := kmsg.NewCreateTopicsRequestTopic()
	topic.Topic, topic.NumPartitions, topic.ReplicationFactor = "wide", 10_001, 1
	m.Topics = []kmsg.CreateTopicsRequestTopic{topic}
	if r := ask[*kmsg.CreateTopicsResponse](a, m); kerr.ErrorForCode(r.Topics[0].ErrorCode) != kerr.PolicyViolation {
		t.Fatalf("%+v", r.Topics[0])
	}
	a.mustCreate("wide", 9_999)
}

// offset asks where something is in partition 0.
func (a *admin) offset(topic string, timestamp int64) int64 {
	a.Helper()
	m := kmsg.NewPtrListOffsetsRequest()
	asked := kmsg.NewListOffsetsRequestTopic()
	part := kmsg.NewListOffsetsRequestTopicPartition()
	asked.Topic, part.Timestamp = topic, timestamp
	asked.Partitions = append(asked.Partitions, part)
	m.Topics = append(m.Topics, asked)
	return ask[*kmsg.ListOffsetsResponse](a, m).Topics[0].Partitions[0].Offset
}

func TestRecordsAreDeleted(t *testing.T) {
	disk := vfs.NewMem()
	address, stop := start(t, disk)
	a := newAdmin(t, address)
	a.mustCreate("t", 1)
	p, ctx := client(t, address)
	for range 2 {
		var batch []*kgo.Record
		for range 5 {
			batch = append(batch, &kgo.Record{Topic: "t", Value: []byte("x")})
		}
		if err := p.ProduceSync(ctx, batch...).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
	remove := func(below, want int64, code error) {
		t.Helper()
		m := kmsg.NewPtrDeleteRecordsRequest()
		m.Topics = []kmsg.DeleteRecordsRequestTopic{{Topic: "t", Partitions: []kmsg.DeleteRecordsRequestTopicPartition{{Offset: below}}}}
		r := ask[*kmsg.DeleteRecordsResponse](a, m).Topics[0].Partitions[0]
		if r.LowWatermark != want || kerr.ErrorForCode(r.ErrorCode) != code {
			t.Fatalf("below %d: %+v", below, r)
		}
	}
	remove(3, 3, nil) // inside of a batch
	remove(2, 3, nil)
	remove(11, -1, kerr.OffsetOutOfRange)
	if first := a.offset("t", -2); first != 3 {
		t.Fatal(first)
	}
	produce := kmsg.NewPtrProduceRequest()
	part := kmsg.NewProduceRequestTopicPartition()
	part.Records = batch(1, nil)
	topic := kmsg.NewProduceRequestTopic()
	topic.Topic, topic.TopicID, topic.Partitions = "t", topicID(t, p, "t"), append(topic.Partitions, part)
	produce.Acks, produce.Topics = -1, append(produce.Topics, topic)
	if r := ask[*kmsg.ProduceResponse](a, produce).Topics[0].Partitions[0]; r.BaseOffset != 10 || r.LogStartOffset != 3 {
		t.Errorf("%+v", r)
	}
	a.c.Close()
	p.Close()
	stop()
	address, stop = start(t, disk)
	defer stop()
	a = newAdmin(t, address)
	if first := a.offset("t", -2); first != 3 {
		t.Fatal(first)
	}
	c, ctx := client(t, address, kgo.ConsumeTopics("t"), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	for next := int64(3); next < 11; {
		for _, r := range c.PollFetches(ctx).Records() {
			if r.Offset != next {
				t.Fatalf("%d where %d is due", r.Offset, next)
			}
			next++
		}
	}
	remove(-1, 11, nil)
	if first := a.offset("t", -2); first != 11 {
		t.Fatal(first)
	}
}

// TestRetention has messages in memory that go by size and by age.
func TestRetention(t *testing.T) {
	address, stop := start(t, vfs.NewMem())
	defer stop()
	a := newAdmin(t, address)
	a.mustCreate("size", 1, "retention.bytes", "5000")
	a.mustCreate("age", 1, "retention.ms", "60000")
	a.mustCreate("compact", 1, "retention.ms", "1", "cleanup.policy", "compact")
	p, ctx := client(t, address, kgo.ProducerBatchCompression(kgo.NoCompression()))
	for i := range 20 {
		for _, topic := range []string{"size", "age", "compact"} {
			r := &kgo.Record{Topic: topic, Key: []byte("k"), Value: make([]byte, 1000), Timestamp: time.Now()}
			if topic == "age" && i < 10 {
				r.Timestamp = r.Timestamp.Add(-time.Hour)
			}
			if err := p.ProduceSync(ctx, r).FirstErr(); err != nil {
				t.Fatal(err)
			}
		}
	}
	for deadline := time.Now().Add(patience); a.offset("size", -2) != 15 || a.offset("age", -2) != 10; {
		if time.Now().After(deadline) {
			t.Fatal(a.offset("size", -2), a.offset("age", -2))
		}
	}
	if first := a.offset("compact", -2); first != 0 {
		t.Fatal(first)
	}
}

func TestClusterAnswers(t *testing.T) {
	address, stop := start(t, vfs.NewMem())
	defer stop()
	a := newAdmin(t, address)
	a.mustCreate("a", 3)
	a.mustCreate("b", 2)
	p, ctx := client(t, address, kgo.ProducerBatchCompression(kgo.NoCompression()))
	if err := p.ProduceSync(ctx, &kgo.Record{Topic: "b", Value: make([]byte, 5000)}).FirstErr(); err != nil {
		t.Fatal(err)
	}
	if r := ask[*kmsg.DescribeClusterResponse](a, kmsg.NewPtrDescribeClusterRequest()); len(r.Brokers) != 1 || r.ControllerID != r.Brokers[0].NodeID {
		t.Errorf("%+v", r)
	}
	dirs := ask[*kmsg.DescribeLogDirsResponse](a, kmsg.NewPtrDescribeLogDirsRequest())
	sizes := int64(0)
	for _, topic := range dirs.Dirs[0].Topics {
		for _, part := range topic.Partitions {
			sizes += part.Size
		}
	}
	if len(dirs.Dirs[0].Topics) != 2 || sizes < 5000 || sizes > 6000 {
		t.Errorf("%+v", dirs)
	}
	raw := call(t, address)
	move := func(dir, topic string, number int32) error {
		m := kmsg.NewPtrAlterReplicaLogDirsRequest()
		part := kmsg.AlterReplicaLogDirsRequestDirTopic{Topic: topic, Partitions: []int32{number}}
		m.Dirs = []kmsg.AlterReplicaLogDirsRequestDir{{Dir: dir, Topics: []kmsg.AlterReplicaLogDirsRequestDirTopic{part}}}
		return kerr.ErrorForCode(in[*kmsg.AlterReplicaLogDirsResponse](raw, m, 2, 2).Topics[0].Partitions[0].ErrorCode)
	}
	here := dirs.Dirs[0].Dir
	for _, row := range []struct{ got, want error }{
		{move(here, "a", 2), nil},
		{move(here+"/other", "a", 2), kerr.LogDirNotFound},
		{move(here, "a", 3), kerr.UnknownTopicOrPartition},
		{move(here, "none", 0), kerr.UnknownTopicOrPartition},
	} {
		if !errors.Is(row.got, row.want) {
			t.Errorf("%v, not %v", row.got, row.want)
		}
	}
	seen := ""
	d := kmsg.NewPtrDescribeTopicPartitionsRequest()
	d.ResponsePartitionLimit = 2
	for {
		r := ask[*kmsg.DescribeTopicPartitionsResponse](a, d)
		for _, topic := range r.Topics {
			for _, part := range topic.Partitions {
				seen += fmt.Sprint(*topic.Topic, part.Partition, " ")
			}
		}
		if r.NextCursor == nil {
			break
		}
		next := kmsg.NewDescribeTopicPartitionsRequestCursor()
		next.Topic, next.Partition = r.NextCursor.Topic, r.NextCursor.Partition
		d.Cursor = &next
	}
	if seen != "a0 a1 a2 b0 b1 " {
		t.Error(seen)
	}
	q := kmsg.NewPtrDescribeQuorumRequest()
	q.Topics = []kmsg.DescribeQuorumRequestTopic{{Topic: "__cluster_metadata", Partitions: []kmsg.DescribeQuorumRequestTopicPartition{{}}}}
	if part := ask[*kmsg.DescribeQuorumResponse](a, q).Topics[0].Partitions[0]; part.LeaderID != 1 || part.HighWatermark == 0 || len(part.CurrentVoters) != 1 {
		t.Errorf("%+v", part)
	}
	e := kmsg.NewPtrElectLeadersRequest()
	e.Topics = []kmsg.ElectLeadersRequestTopic{{Topic: "a", Partitions: []int32{0, 3}}}
	if r := ask[*kmsg.ElectLeadersResponse](a, e).Topics[0].Partitions; kerr.ErrorForCode(r[0].ErrorCode) != kerr.ElectionNotNeeded || kerr.ErrorForCode(r[1].ErrorCode) != kerr.UnknownTopicOrPartition {
		t.Errorf("%+v", r)
	}
	for replicas, want := range map[*[]int32]error{{}: kerr.NoReassignmentInProgress, {1}: nil, {2}: kerr.InvalidReplicaAssignment, {1, 1}: kerr.InvalidReplicaAssignment} {
		m := kmsg.NewPtrAlterPartitionAssignmentsRequest()
		part := kmsg.NewAlterPartitionAssignmentsRequestTopicPartition()
		if part.Replicas = *replicas; len(*replicas) == 0 {
			part.Replicas = nil
		}
		m.Topics = []kmsg.AlterPartitionAssignmentsRequestTopic{{Topic: "a", Partitions: []kmsg.AlterPartitionAssignmentsRequestTopicPartition{part}}}
		if r := ask[*kmsg.AlterPartitionAssignmentsResponse](a, m).Topics[0].Partitions[0]; kerr.ErrorForCode(r.ErrorCode) != want {
			t.Errorf("%v: %+v", *replicas, r)
		}
	}
}
