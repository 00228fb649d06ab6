package kafka_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"weir/internal/vfs"
)

// sharer is a member of a share group, on a connection of its own.
type sharer struct {
	t      *testing.T
	ctx    context.Context
	client *kgo.Client
	group  string
	member string
	epoch  int32
	topic  [16]byte
}

func newSharer(t *testing.T, address, group, member string, topic [16]byte) *sharer {
	c, ctx := client(t, address)
	return &sharer{t, ctx, c, group, member, 0, topic}
}

type ack struct {
	first, last int64
	kind        int8
}

// fetch acknowledges and fetches partition 0.
func (s *sharer) fetch(most int32, wait time.Duration, acks ...ack) (*kmsg.ShareFetchResponse, []int64) {
	s.t.Helper()
	m := kmsg.NewPtrShareFetchRequest()
	m.GroupID, m.MemberID, m.ShareSessionEpoch = &s.group, &s.member, s.epoch
	m.MaxWaitMillis, m.MinBytes, m.MaxBytes, m.MaxRecords = int32(wait.Milliseconds()), 1, 1<<20, most
	topic := kmsg.NewShareFetchRequestTopic()
	topic.TopicID = s.topic
	p := kmsg.NewShareFetchRequestTopicPartition()
	for _, a := range acks {
		b := kmsg.NewShareFetchRequestTopicPartitionAcknowledgementBatch()
		b.FirstOffset, b.LastOffset, b.AcknowledgeTypes = a.first, a.last, []int8{a.kind}
		p.AcknowledgementBatches = append(p.AcknowledgementBatches, b)
	}
	topic.Partitions = append(topic.Partitions, p)
	m.Topics = append(m.Topics, topic)
	answer, err := m.RequestWith(s.ctx, s.client)
	if err != nil {
		s.t.Fatal(err)
	}
	s.epoch++
	var got []int64
	for _, t := range answer.Topics {
		for _, p := range t.Partitions {
			for _, a := range p.AcquiredRecords {
				for o := a.FirstOffset; o <= a.LastOffset; o++ {
					got = append(got, o)
				}
			}
		}
	}
	return answer, got
}

// acknowledge sends an acknowledgement alone and returns its error.
func (s *sharer) acknowledge(acks ...ack) error {
	s.t.Helper()
	m := kmsg.NewPtrShareAcknowledgeRequest()
	m.GroupID, m.MemberID, m.ShareSessionEpoch = &s.group, &s.member, s.epoch
	topic := kmsg.NewShareAcknowledgeRequestTopic()
	topic.TopicID = s.topic
	p := kmsg.NewShareAcknowledgeRequestTopicPartition()
	for _, a := range acks {
		b := kmsg.NewShareAcknowledgeRequestTopicPartitionAcknowledgementBatch()
		b.FirstOffset, b.LastOffset, b.AcknowledgeTypes = a.first, a.last, []int8{a.kind}
		p.AcknowledgementBatches = append(p.AcknowledgementBatches, b)
		m.IsRenewAck = m.IsRenewAck || a.kind == 4
	}
	topic.Partitions = append(topic.Partitions, p)
	m.Topics = append(m.Topics, topic)
	answer, err := m.RequestWith(s.ctx, s.client)
	if err != nil {
		s.t.Fatal(err)
	}
	s.epoch++
	if answer.ErrorCode != 0 {
		return kerr.ErrorForCode(answer.ErrorCode)
	}
	return kerr.ErrorForCode(answer.Topics[0].Partitions[0].ErrorCode)
}

// topicWith makes a topic with n messages in it, and has the group begin at its
// start.
func topicWith(t *testing.T, address, name, group string, n int) [16]byte {
	t.Helper()
	c, ctx := client(t, address, kgo.DefaultProduceTopic(name))
	for i := range n {
		c.Produce(ctx, &kgo.Record{Value: fmt.Append(nil, i)}, func(_ *kgo.Record, err error) {
			if err != nil {
				t.Error(err)
			}
		})
	}
	if err := c.Flush(ctx); err != nil {
		t.Fatal(err)
	}
	if err := setGroup(t, ctx, c, group, "share.auto.offset.reset", "earliest"); err != nil {
		t.Fatal(err)
	}
	m := kmsg.NewPtrMetadataRequest()
	asked := kmsg.NewMetadataRequestTopic()
	asked.Topic = &name
	m.Topics = append(m.Topics, asked)
	answer, err := m.RequestWith(ctx, c)
	if err != nil {
		t.Fatal(err)
	}
	return answer.Topics[0].TopicID
}

func setGroup(t *testing.T, ctx context.Context, c *kgo.Client, group, name, value string) error {
	t.Helper()
	m := kmsg.NewPtrIncrementalAlterConfigsRequest()
	r := kmsg.NewIncrementalAlterConfigsRequestResource()
	r.ResourceType, r.ResourceName = kmsg.ConfigResourceTypeGroupConfig, group
	k := kmsg.NewIncrementalAlterConfigsRequestResourceConfig()
	k.Name, k.Value = name, &value
	r.Configs = append(r.Configs, k)
	m.Resources = append(m.Resources, r)
	answer, err := m.RequestWith(ctx, c)
	if err != nil {
		t.Fatal(err)
	}
	return kerr.ErrorForCode(answer.Resources[0].ErrorCode)
}

func offsets(from, to int64) (all []int64) {
	for o := from; o < to; o++ {
		all = append(all, o)
	}
	return all
}

func TestShareGroupsTakeMessagesInTurn(t *testing.T) {
	disk := vfs.NewMem()
	address, stop := start(t, disk)
	topic := topicWith(t, address, "t", "g", 100)
	a, b := newSharer(t, address, "g", "a", topic), newSharer(t, address, "g", "b", topic)
	answer, got := a.fetch(30, 0)
	if !slices.Equal(got, offsets(0, 30)) || answer.AcquisitionLockTimeoutMillis != 30_000 {
		t.Fatal(got, answer)
	}
	if _, got = b.fetch(30, 0); !slices.Equal(got, offsets(30, 60)) {
		t.Fatal(got)
	}
	if err := b.acknowledge(ack{10, 12, 1}); err != kerr.InvalidRecordState {
		t.Fatal("acknowledged what is another's:", err)
	}
	// Accepted, returned, rejected; what is returned comes first again.
	if _, got = a.fetch(100, 0, ack{0, 9, 1}, ack{10, 14, 2}, ack{15, 19, 3}); !slices.Equal(got, append(offsets(10, 15), offsets(60, 100)...)) {
		t.Fatal(got)
	}
	if err := a.acknowledge(ack{10, 14, 1}, ack{20, 29, 1}); err != nil {
		t.Fatal(err)
	}
	if err := a.acknowledge(ack{10, 14, 1}); err != kerr.InvalidRecordState {
		t.Fatal("acknowledged twice:", err)
	}
	if err := a.acknowledge(ack{60, 61, 4}); err != nil {
		t.Fatal("renewing:", err)
	}
	a.epoch += 7
	if err := a.acknowledge(ack{60, 61, 1}); err != kerr.InvalidShareSessionEpoch {
		t.Fatal(err)
	}
	a.epoch = -1
	if err := a.acknowledge(); err != nil {
		t.Fatal(err)
	}
	a.epoch = 5
	if err := a.acknowledge(); err != kerr.ShareSessionNotFound {
		t.Fatal(err)
	}
	answer, got = b.fetch(100, 0) // what a had
	if !slices.Equal(got, offsets(60, 100)) || answer.Topics[0].Partitions[0].AcquiredRecords[0].DeliveryCount != 2 {
		t.Fatal(got, answer)
	}
	if err := b.acknowledge(ack{30, 59, 1}); err != nil {
		t.Fatal(err)
	}
	stop()

	address, stop = start(t, disk)
	defer stop()
	c := newSharer(t, address, "g", "c", topic)
	if _, got = c.fetch(1000, 0); !slices.Equal(got, offsets(60, 100)) {
		t.Fatal("after a restart", got)
	}
}

func TestShareFetchWaits(t *testing.T) {
	address, stop := start(t, vfs.NewMem())
	defer stop()
	topic := topicWith(t, address, "t", "g", 1)
	a, b := newSharer(t, address, "g", "a", topic), newSharer(t, address, "g", "b", topic)
	if _, got := a.fetch(10, 0); len(got) != 1 {
		t.Fatal(got)
	}
	if _, got := b.fetch(10, 0); len(got) != 0 {
		t.Fatal(got)
	}
	waited := make(chan []int64)
	go func() {
		_, got := b.fetch(10, patience)
		waited <- got
	}()
	if err := a.acknowledge(ack{0, 0, 2}); err != nil {
		t.Fatal(err)
	}
	if got := <-waited; !slices.Equal(got, []int64{0}) {
		t.Fatal(got)
	}
	go func() {
		_, got := a.fetch(10, patience)
		waited <- got
	}()
	c, ctx := client(t, address, kgo.DefaultProduceTopic("t"))
	if err := c.ProduceSync(ctx, &kgo.Record{Value: []byte("more")}).FirstErr(); err != nil {
		t.Fatal(err)
	}
	if got := <-waited; !slices.Equal(got, []int64{1}) {
		t.Fatal(got)
	}
}

func TestShareGivesUpAMessage(t *testing.T) {
	address, stop := start(t, vfs.NewMem())
	defer stop()
	topic := topicWith(t, address, "t", "g", 2)
	a := newSharer(t, address, "g", "a", topic)
	for i := range 5 {
		answer, got := a.fetch(1, 0)
		if !slices.Equal(got, []int64{0}) || answer.Topics[0].Partitions[0].AcquiredRecords[0].DeliveryCount != int16(i+1) {
			t.Fatal(i, got)
		}
		if err := a.acknowledge(ack{0, 0, 2}); err != nil {
			t.Fatal(err)
		}
	}
	if _, got := a.fetch(1, 0); !slices.Equal(got, []int64{1}) {
		t.Fatal(got)
	}
}

func TestGroupSettings(t *testing.T) {
	address, stop := start(t, vfs.NewMem())
	defer stop()
	c, ctx := client(t, address)
	for _, row := range []struct {
		name, value string
		want        error
	}{
		{"share.auto.offset.reset", "earliest", nil},
		{"share.auto.offset.reset", "by_duration:P1DT2H3.5S", nil},
		{"share.auto.offset.reset", "by_duration:1h", kerr.InvalidConfig},
		{"share.auto.offset.reset", "by_duration:PT", kerr.InvalidConfig},
		{"share.auto.offset.reset", "sometimes", kerr.InvalidConfig},
		{"share.record.lock.duration.ms", "15000", nil},
		{"share.record.lock.duration.ms", "14999", kerr.InvalidConfig},
		{"share.isolation.level", "read_committed", nil},
		{"share.isolation.level", "serializable", kerr.InvalidConfig},
		{"consumer.session.timeout.ms", "60000", nil},
		{"consumer.session.timeout.ms", "44999", kerr.InvalidConfig},
		{"consumer.heartbeat.interval.ms", "15000", nil},
		{"consumer.heartbeat.interval.ms", "15001", kerr.InvalidConfig},
		{"share.session.timeout.ms", "x", kerr.InvalidConfig},
		{"share.heartbeat.interval.ms", "6000", nil},
		{"share.unknown", "1", kerr.InvalidConfig},
	} {
		if err := setGroup(t, ctx, c, "g", row.name, row.value); err != row.want {
			t.Errorf("%s=%s: %v, not %v", row.name, row.value, err, row.want)
		}
	}
	m := kmsg.NewPtrDescribeConfigsRequest()
	r := kmsg.NewDescribeConfigsRequestResource()
	r.ResourceType, r.ResourceName = kmsg.ConfigResourceTypeGroupConfig, "g"
	m.Resources = append(m.Resources, r)
	answer, err := m.RequestWith(ctx, c)
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, k := range answer.Resources[0].Configs {
		got[k.Name] = fmt.Sprint(*k.Value, " ", k.Source)
	}
	want := "map[consumer.heartbeat.interval.ms:15000 GROUP_CONFIG consumer.session.timeout.ms:60000 GROUP_CONFIG errors.deadletterqueue.copy.record.enable:false DEFAULT_CONFIG errors.deadletterqueue.topic.name: DEFAULT_CONFIG share.auto.offset.reset:by_duration:P1DT2H3.5S GROUP_CONFIG share.heartbeat.interval.ms:6000 GROUP_CONFIG share.isolation.level:read_committed GROUP_CONFIG share.record.lock.duration.ms:15000 GROUP_CONFIG share.session.timeout.ms:45000 DEFAULT_CONFIG]"
	if fmt.Sprint(got) != want {
		t.Errorf("%v, not %s", got, want)
	}
	beat := kmsg.NewPtrConsumerGroupHeartbeatRequest()
	beat.Group, beat.MemberID, beat.RebalanceTimeoutMillis = "g", "m", 1000
	beat.SubscribedTopicNames, beat.Topics = []string{"t"}, []kmsg.ConsumerGroupHeartbeatRequestTopic{}
	for beat.MemberEpoch == 0 {
		beaten, err := beat.RequestWith(ctx, c)
		if err != nil || beaten.ErrorCode != 0 || beaten.HeartbeatIntervalMillis != 15_000 {
			t.Fatal(beaten, err)
		}
		beat.MemberEpoch = beaten.MemberEpoch
	}
}

// shareFrom has share group g begin at an offset of topic t.
func shareFrom(t *testing.T, c *kgo.Client, offset int64) {
	t.Helper()
	m := kmsg.NewPtrAlterShareGroupOffsetsRequest()
	m.GroupID = "g"
	asked := kmsg.NewAlterShareGroupOffsetsRequestTopic()
	asked.Topic = "t"
	p := kmsg.NewAlterShareGroupOffsetsRequestTopicPartition()
	p.StartOffset = offset
	asked.Partitions = append(asked.Partitions, p)
	m.Topics = append(m.Topics, asked)
	answer, err := m.RequestWith(t.Context(), c)
	if err != nil || answer.ErrorCode != 0 || answer.Topics[0].Partitions[0].ErrorCode != 0 {
		t.Fatal(answer, err)
	}
}

// TestRightsOnShareGroups: what may be known of a share group's offsets, and who may
// delete them.
func TestRightsOnShareGroups(t *testing.T) {
	address, stop := start(t, vfs.NewMem())
	defer stop()
	topicWith(t, address, "t", "g", 1)
	root, ctx := client(t, address)
	shareFrom(t, root, 0)
	c, grant := somebody(t, address, root)
	describe := func(named bool, want error, topics int) {
		t.Helper()
		m := kmsg.NewPtrDescribeShareGroupOffsetsRequest()
		g := kmsg.NewDescribeShareGroupOffsetsRequestGroup()
		if g.GroupID = "g"; named {
			g.Topics = []kmsg.DescribeShareGroupOffsetsRequestGroupTopic{{Topic: "t", Partitions: []int32{0}}}
		}
		m.Groups = append(m.Groups, g)
		answer, err := m.RequestWith(ctx, c) // the client makes an error of the group's code
		if err == nil {
			all := answer.Groups[0].Topics
			if len(all) != topics {
				t.Fatalf("%d topics", len(all))
			}
			if topics > 0 {
				err = kerr.ErrorForCode(all[0].Partitions[0].ErrorCode)
			}
		}
		if !errors.Is(err, want) {
			t.Errorf("%v, not %v", err, want)
		}
	}
	remove := func(want error) {
		t.Helper()
		m := kmsg.NewPtrDeleteShareGroupOffsetsRequest()
		m.GroupID, m.Topics = "g", []kmsg.DeleteShareGroupOffsetsRequestTopic{{Topic: "t"}}
		answer, err := m.RequestWith(ctx, c)
		if err == nil {
			err = kerr.ErrorForCode(answer.ErrorCode)
		}
		if err == nil {
			err = kerr.ErrorForCode(answer.Topics[0].ErrorCode)
		}
		if !errors.Is(err, want) {
			t.Errorf("%v, not %v", err, want)
		}
	}
	const allow = kmsg.ACLPermissionTypeAllow
	grant(kmsg.ACLResourceTypeGroup, "other", kmsg.ACLOperationDescribe, allow)
	describe(false, kerr.GroupAuthorizationFailed, 0)
	grant(kmsg.ACLResourceTypeGroup, "g", kmsg.ACLOperationDescribe, allow)
	describe(false, nil, 0)
	describe(true, kerr.TopicAuthorizationFailed, 1)
	grant(kmsg.ACLResourceTypeTopic, "t", kmsg.ACLOperationDescribe, allow)
	describe(false, nil, 1)
	describe(true, nil, 1)
	remove(kerr.GroupAuthorizationFailed)
	grant(kmsg.ACLResourceTypeGroup, "g", kmsg.ACLOperationDelete, allow)
	remove(kerr.TopicAuthorizationFailed)
	grant(kmsg.ACLResourceTypeTopic, "t", kmsg.ACLOperationRead, allow)
	remove(nil)
	describe(false, nil, 0)
}

func TestShareGroupOffsets(t *testing.T) {
	disk := vfs.NewMem()
	address, stop := start(t, disk)
	topic := topicWith(t, address, "t", "g", 100)
	c, ctx := client(t, address)
	alter := func(to int64) { shareFrom(t, c, to) }
	describe := func() (all []int64) {
		t.Helper()
		m := kmsg.NewPtrDescribeShareGroupOffsetsRequest()
		g := kmsg.NewDescribeShareGroupOffsetsRequestGroup()
		g.GroupID = "g"
		m.Groups = append(m.Groups, g)
		answer, err := m.RequestWith(ctx, c)
		if err != nil || answer.Groups[0].ErrorCode != 0 {
			t.Fatal(answer, err)
		}
		for _, t := range answer.Groups[0].Topics {
			for _, p := range t.Partitions {
				all = append(all, p.StartOffset, p.Lag)
			}
		}
		return all
	}
	alter(40)
	if got := describe(); !slices.Equal(got, []int64{40, 60}) {
		t.Fatal(got)
	}
	a := newSharer(t, address, "g", "a", topic)
	if _, got := a.fetch(10, 0); !slices.Equal(got, offsets(40, 50)) {
		t.Fatal(got)
	}
	if err := a.acknowledge(ack{45, 49, 1}, ack{40, 44, 2}); err == nil {
		t.Fatal("out of order")
	}
	if err := a.acknowledge(ack{40, 44, 2}, ack{45, 49, 1}); err != nil {
		t.Fatal(err)
	}
	if got := describe(); !slices.Equal(got, []int64{40, 55}) {
		t.Fatal(got)
	}
	alter(10) // and everything from there on comes again
	if got := describe(); !slices.Equal(got, []int64{10, 90}) {
		t.Fatal(got)
	}
	m := kmsg.NewPtrDeleteShareGroupOffsetsRequest()
	m.GroupID = "g"
	asked := kmsg.NewDeleteShareGroupOffsetsRequestTopic()
	asked.Topic = "t"
	m.Topics = append(m.Topics, asked)
	if answer, err := m.RequestWith(ctx, c); err != nil || answer.ErrorCode != 0 || answer.Topics[0].ErrorCode != 0 {
		t.Fatal(answer, err)
	}
	if got := describe(); got != nil {
		t.Fatal(got)
	}
	stop()
	address, stop = start(t, disk)
	defer stop()
	b := newSharer(t, address, "g", "b", topic)
	if _, got := b.fetch(100, 0); !slices.Equal(got, offsets(0, 100)) {
		t.Fatal("begun anew", got)
	}
}
