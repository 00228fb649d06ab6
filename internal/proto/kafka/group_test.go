package kafka_test

import (
	"context"
	"fmt"
	"net"
	"slices"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"weir/internal/vfs"
)

// topicOf makes a topic with n records in each of its partitions.
func topicOf(t *testing.T, address, topic string, partitions int, n int) {
	t.Helper()
	c, ctx := client(t, address, kgo.RecordPartitioner(kgo.ManualPartitioner()))
	createTopic(t, c, ctx, topic, partitions)
	for i := range partitions * n {
		c.Produce(ctx, &kgo.Record{Topic: topic, Partition: int32(i % partitions), Value: fmt.Append(nil, i)}, nil)
	}
	if err := c.Flush(ctx); err != nil {
		t.Fatal(err)
	}
}

// poll reads until n records are there.
func poll(t *testing.T, ctx context.Context, c *kgo.Client, n int) (values []string) {
	t.Helper()
	for len(values) < n {
		fs := c.PollFetches(ctx)
		if err := fs.Err(); err != nil {
			t.Fatalf("%d of %d: %v", len(values), n, err)
		}
		fs.EachRecord(func(r *kgo.Record) { values = append(values, string(r.Value)) })
	}
	slices.Sort(values)
	return values
}

func TestGroupsOfEveryBalancer(t *testing.T) {
	address, stop := start(t, vfs.NewMem())
	defer stop()
	for _, balancer := range []kgo.GroupBalancer{
		kgo.RangeBalancer(), kgo.RoundRobinBalancer(), kgo.StickyBalancer(), kgo.CooperativeStickyBalancer(),
	} {
		t.Run(balancer.ProtocolName(), func(t *testing.T) {
			topic := balancer.ProtocolName()
			topicOf(t, address, topic, 6, 5)
			options := []kgo.Opt{
				kgo.ConsumerGroup(topic), kgo.ConsumeTopics(topic), kgo.Balancers(balancer), kgo.HeartbeatInterval(100 * time.Millisecond),
				kgo.DisableAutoCommit(),
			}
			a, ctx := client(t, address, options...)
			if got := poll(t, ctx, a, 30); len(slices.Compact(got)) != 30 {
				t.Fatal(got)
			}
			if err := a.CommitUncommittedOffsets(ctx); err != nil {
				t.Fatal(err)
			}
			a.Close()
			b, _ := client(t, address, options...)
			topicMore(t, address, topic, 6)
			if got := poll(t, ctx, b, 6); len(got) != 6 {
				t.Fatalf("%v: only what came after the commit", got)
			}
			b.Close()
		})
	}
}

func topicMore(t *testing.T, address, topic string, partitions int) {
	t.Helper()
	c, ctx := client(t, address, kgo.RecordPartitioner(kgo.ManualPartitioner()))
	for i := range partitions {
		if err := c.ProduceSync(ctx, &kgo.Record{Topic: topic, Partition: int32(i), Value: fmt.Append(nil, "more ", i)}).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
}

func createTopic(t *testing.T, c *kgo.Client, ctx context.Context, name string, partitions int) {
	t.Helper()
	m := kmsg.NewPtrCreateTopicsRequest()
	topic := kmsg.NewCreateTopicsRequestTopic()
	topic.Topic, topic.NumPartitions, topic.ReplicationFactor = name, int32(partitions), 1
	m.Topics = append(m.Topics, topic)
	answer, err := m.RequestWith(ctx, c)
	if err == nil {
		err = kerr.ErrorForCode(answer.Topics[0].ErrorCode)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func TestGroupsShareAndSurviveRestart(t *testing.T) {
	disk := vfs.NewMem()
	address, stop := start(t, disk)
	topicOf(t, address, "t", 4, 1)
	join := func(instance string) (*kgo.Client, context.Context) {
		return client(t, address, kgo.ConsumerGroup("g"), kgo.ConsumeTopics("t"), kgo.InstanceID(instance),
			kgo.HeartbeatInterval(50*time.Millisecond), kgo.DisableAutoCommit())
	}
	a, ctx := join("a")
	b, _ := join("b")
	describe := func(c *kgo.Client) kmsg.DescribeGroupsResponseGroup {
		t.Helper()
		m := kmsg.NewPtrDescribeGroupsRequest()
		m.Groups = []string{"g"}
		answer, err := m.RequestWith(ctx, c)
		if err != nil {
			t.Fatal(err)
		}
		return answer.Groups[0]
	}
	read := map[string]bool{}
	for len(read) < 4 {
		for _, c := range []*kgo.Client{a, b} {
			short, cancel := context.WithTimeout(ctx, 100*time.Millisecond)
			c.PollFetches(short).EachRecord(func(r *kgo.Record) { read[string(r.Value)] = true })
			cancel()
		}
		if ctx.Err() != nil {
			t.Fatal("not all read", read)
		}
	}
	if err := a.CommitUncommittedOffsets(ctx); err != nil {
		t.Fatal(err)
	}
	if g := describe(a); g.State != "Stable" || len(g.Members) != 2 || g.Protocol != "cooperative-sticky" {
		t.Fatalf("%+v", g)
	}
	a.Close() // static members do not leave
	b.Close()
	stop()
	address, stop = start(t, disk)
	defer stop()
	c, ctx := client(t, address)
	if g := describe(c); g.State != "Stable" || len(g.Members) != 2 || g.Members[0].InstanceID == nil {
		t.Fatalf("%+v", g)
	}
	leave := kmsg.NewPtrLeaveGroupRequest()
	leave.Group = "g"
	for _, instance := range []string{"a", "b", "c"} {
		m := kmsg.NewLeaveGroupRequestMember()
		m.InstanceID = &instance
		leave.Members = append(leave.Members, m)
	}
	answer, err := leave.RequestWith(ctx, c)
	if err != nil || answer.Members[1].ErrorCode != 0 || answer.Members[2].ErrorCode != kerr.UnknownMemberID.Code {
		t.Fatalf("%+v %v", answer, err)
	}
	if g := describe(c); g.State != "Empty" {
		t.Fatalf("%+v", g)
	}
}

func TestNextGenerationGroups(t *testing.T) {
	disk := vfs.NewMem()
	address, stop := start(t, disk)
	topicOf(t, address, "t", 4, 5)
	join := func(options ...kgo.Opt) (*kgo.Client, context.Context) {
		return client(t, address, append(options, kgo.ServerSideBalancer(), kgo.ConsumerGroup("g"), kgo.DisableAutoCommit())...)
	}
	a, ctx := join(kgo.ConsumeTopics("t"))
	if got := poll(t, ctx, a, 20); len(slices.Compact(got)) != 20 {
		t.Fatal(got)
	}
	if err := a.CommitUncommittedOffsets(ctx); err != nil {
		t.Fatal(err)
	}
	describe := func() kmsg.ConsumerGroupDescribeResponseGroup {
		t.Helper()
		c, ctx := client(t, address)
		m := kmsg.NewPtrConsumerGroupDescribeRequest()
		m.Groups = []string{"g"}
		answer, err := m.RequestWith(ctx, c)
		if err != nil {
			t.Fatal(err)
		}
		return answer.Groups[0]
	}
	g := describe()
	if g.State != "Stable" || len(g.Members) != 1 || g.Members[0].MemberType != 1 || g.AssignorName != "range" && g.AssignorName != "uniform" {
		t.Fatalf("%+v", g)
	}
	a.Close()
	stop()
	address, stop = start(t, disk)
	defer stop()
	before := g.Epoch
	if g = describe(); g.Epoch <= before || g.State != "Empty" {
		t.Fatalf("%+v", g)
	}
	b, ctx := join(kgo.ConsumeTopics("t"))
	topicMore(t, address, "t", 4)
	c, _ := join(kgo.ConsumeTopics("t"))
	defer b.Close()
	defer c.Close()
	got := map[string]bool{}
	for len(got) < 2 {
		short, cancel := context.WithTimeout(ctx, 100*time.Millisecond)
		b.PollFetches(short).EachRecord(func(r *kgo.Record) { got[string(r.Value)] = true })
		c.PollFetches(short).EachRecord(func(r *kgo.Record) { got[string(r.Value)] = true })
		cancel()
		if ctx.Err() != nil {
			t.Fatal(got, describe())
		}
	}
	for value := range got {
		if value[:4] != "more" {
			t.Fatal(got, "was committed before")
		}
	}
}

func TestShareGroupsHaveMembers(t *testing.T) {
	address, stop := start(t, vfs.NewMem())
	defer stop()
	topicOf(t, address, "t", 3, 1)
	c, ctx := client(t, address)
	beat := func(member string, epoch int32) *kmsg.ShareGroupHeartbeatResponse {
		t.Helper()
		m := kmsg.NewPtrShareGroupHeartbeatRequest()
		m.GroupID, m.MemberID, m.MemberEpoch = "s", member, epoch
		if epoch == 0 {
			m.SubscribedTopicNames = []string{"t"}
		}
		answer, err := m.RequestWith(ctx, c)
		if err != nil {
			t.Fatal(err)
		}
		return answer
	}
	for i := range 5 {
		answer := beat(fmt.Sprint("m", i), 0)
		if answer.ErrorCode != 0 || answer.Assignment == nil || len(answer.Assignment.TopicPartitions[0].Partitions) == 0 {
			t.Fatalf("%+v", answer)
		}
	}
	if answer := beat("m0", 99); answer.ErrorCode != kerr.FencedMemberEpoch.Code {
		t.Fatalf("%+v", answer)
	}
	m := kmsg.NewPtrShareGroupDescribeRequest()
	m.GroupIDs = []string{"s", "none"}
	answer, err := m.RequestWith(ctx, c)
	if err != nil || len(answer.Groups[0].Members) != 5 || answer.Groups[0].GroupState != "Stable" || answer.Groups[1].ErrorCode != kerr.GroupIDNotFound.Code {
		t.Fatalf("%+v %v", answer, err)
	}
	j := kmsg.NewPtrJoinGroupRequest()
	j.Group, j.SessionTimeoutMillis, j.ProtocolType = "s", 10_000, "consumer"
	j.Protocols = []kmsg.JoinGroupRequestProtocol{{Name: "range", Metadata: []byte{0}}}
	if answer, err := j.RequestWith(ctx, c); err != nil || answer.ErrorCode != kerr.InconsistentGroupProtocol.Code {
		t.Fatalf("%+v %v", answer, err)
	}
	if answer := beat("m0", -1); answer.ErrorCode != 0 || answer.MemberEpoch != -1 {
		t.Fatalf("%+v", answer)
	}
}

func TestClientThatDiesWhileItJoins(t *testing.T) {
	address, stop := start(t, vfs.NewMem())
	defer stop()
	topicOf(t, address, "t", 2, 1)
	a, ctx := client(t, address, kgo.ConsumerGroup("g"), kgo.ConsumeTopics("t"), kgo.Balancers(kgo.RangeBalancer()),
		kgo.HeartbeatInterval(50*time.Millisecond), kgo.RebalanceTimeout(time.Minute))
	poll(t, ctx, a, 2)
	c, _ := client(t, address)
	describe := kmsg.NewPtrDescribeGroupsRequest()
	describe.Groups = []string{"g"}
	members := func() int {
		answer, err := describe.RequestWith(ctx, c)
		if err != nil {
			t.Fatal(err)
		}
		return len(answer.Groups[0].Members)
	}
	ghost, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	m := kmsg.NewPtrJoinGroupRequest()
	m.Version, m.Group, m.SessionTimeoutMillis, m.RebalanceTimeoutMillis, m.ProtocolType = 2, "g", 30_000, 60_000, "consumer"
	m.Protocols = []kmsg.JoinGroupRequestProtocol{{Name: "range", Metadata: []byte{0, 0, 0, 0, 0, 0, 255, 255, 255, 255}}}
	frame := kmsg.NewRequestFormatter().AppendRequest(nil, m, 1)
	if _, err := ghost.Write(frame); err != nil {
		t.Fatal(err)
	}
	_ = ghost.Close()
	for deadline := time.Now().Add(patience); members() != 1; {
		if time.Now().After(deadline) {
			t.Fatal("a client that has gone is a member still")
		}
	}
	topicMore(t, address, "t", 2)
	poll(t, ctx, a, 2)
}
