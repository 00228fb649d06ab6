package kafka_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/kversion"
	"github.com/twmb/franz-go/pkg/sasl/scram"

	"weir/internal/vfs"
)

// pinned is a client that speaks one version of a key.
func pinned(t *testing.T, address string, key, version int16) *kgo.Client {
	t.Helper()
	v := kversion.Stable()
	v.SetMaxKeyVersion(key, version)
	c, _ := client(t, address, kgo.MaxVersions(v))
	return c
}

func topicID(t *testing.T, c *kgo.Client, name string) [16]byte {
	t.Helper()
	m := kmsg.NewPtrMetadataRequest()
	topic := kmsg.NewMetadataRequestTopic()
	topic.Topic = &name
	m.Topics = append(m.Topics, topic)
	answer, err := m.RequestWith(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	return answer.Topics[0].TopicID
}

func commitRequest(group string, id [16]byte, offset int64) *kmsg.OffsetCommitRequest {
	m := kmsg.NewPtrOffsetCommitRequest()
	m.Group = group
	topic, part := kmsg.NewOffsetCommitRequestTopic(), kmsg.NewOffsetCommitRequestTopicPartition()
	part.Offset, part.LeaderEpoch, part.Metadata = offset, 0, kmsg.StringPtr("mine")
	topic.Topic, topic.TopicID, topic.Partitions = "t", id, append(topic.Partitions, part)
	m.Topics = append(m.Topics, topic)
	return m
}

func TestOffsetsInEveryVersion(t *testing.T) {
	address, stop := start(t, vfs.NewMem())
	defer stop()
	topicOf(t, address, "t", 2, 1)
	c, ctx := client(t, address)
	id := topicID(t, c, "t")
	for version := int16(2); version <= 10; version++ {
		answer, err := commitRequest("g", id, int64(version)).RequestWith(ctx, pinned(t, address, 8, version))
		if err != nil || answer.Topics[0].Partitions[0].ErrorCode != 0 {
			t.Fatalf("version %d: %+v %v", version, answer, err)
		}
	}
	for version := int16(1); version <= 10; version++ {
		m := kmsg.NewPtrOffsetFetchRequest()
		if version < 8 {
			m.Group = "g"
			topic := kmsg.NewOffsetFetchRequestTopic()
			topic.Topic, topic.Partitions = "t", []int32{0, 1}
			m.Topics = append(m.Topics, topic)
		} else {
			g, topic := kmsg.NewOffsetFetchRequestGroup(), kmsg.NewOffsetFetchRequestGroupTopic()
			topic.Topic, topic.TopicID, topic.Partitions = "t", id, []int32{0, 1}
			g.Group, g.Topics = "g", append(g.Topics, topic)
			all := kmsg.NewOffsetFetchRequestGroup()
			all.Group = "g"
			m.Groups = append(m.Groups, g, all)
		}
		r, err := pinned(t, address, 9, version).Request(ctx, m)
		if err != nil {
			t.Fatalf("version %d: %v", version, err)
		}
		answer := r.(*kmsg.OffsetFetchResponse)
		var got []string
		for _, topic := range answer.Topics {
			for _, p := range topic.Partitions {
				got = append(got, fmt.Sprintf("%d %d %s %d", p.Partition, p.Offset, *p.Metadata, p.ErrorCode))
			}
		}
		for _, g := range answer.Groups {
			if version < 8 {
				break // the client has copied it there
			}
			for _, p := range g.Topics[0].Partitions {
				got = append(got, fmt.Sprintf("%d %d %s %d", p.Partition, p.Offset, *p.Metadata, p.ErrorCode))
			}
		}
		want := []string{"0 10 mine 0", "1 -1  0"}
		if version >= 8 {
			want = append(want, want[0])
		}
		if !slices.Equal(got, want) || answer.ErrorCode != 0 {
			t.Fatalf("version %d: %q", version, got)
		}
	}
}

func TestCommitsThatAreRefused(t *testing.T) {
	address, stop := start(t, vfs.NewMem())
	defer stop()
	topicOf(t, address, "t", 1, 1)
	c, ctx := client(t, address)
	id := topicID(t, c, "t")
	member, _ := client(t, address, kgo.ConsumerGroup("busy"), kgo.ConsumeTopics("t"), kgo.DisableAutoCommit())
	poll(t, ctx, member, 1)
	for name, row := range map[string]struct {
		change  func(m *kmsg.OffsetCommitRequest)
		version int16
		want    error
	}{
		"simple":             {func(*kmsg.OffsetCommitRequest) {}, 10, nil},
		"no group":           {func(m *kmsg.OffsetCommitRequest) { m.Group = "" }, 10, kerr.InvalidGroupID},
		"unknown generation": {func(m *kmsg.OffsetCommitRequest) { m.Generation = 3 }, 10, kerr.GroupIDNotFound},
		"and older":          {func(m *kmsg.OffsetCommitRequest) { m.Generation = 3 }, 8, kerr.IllegalGeneration},
		"unknown topic":      {func(m *kmsg.OffsetCommitRequest) { m.Topics[0].Topic = "none" }, 9, kerr.UnknownTopicOrPartition},
		"unknown id":         {func(m *kmsg.OffsetCommitRequest) { m.Topics[0].TopicID[0]++ }, 10, kerr.UnknownTopicID},
		"no such partition":  {func(m *kmsg.OffsetCommitRequest) { m.Topics[0].Partitions[0].Partition = 1 }, 10, kerr.UnknownTopicOrPartition},
		"long text": {func(m *kmsg.OffsetCommitRequest) {
			m.Topics[0].Partitions[0].Metadata = kmsg.StringPtr(string(make([]byte, 5000)))
		}, 10, kerr.OffsetMetadataTooLarge},
		"of a stranger": {func(m *kmsg.OffsetCommitRequest) { m.Group = "busy" }, 10, kerr.UnknownMemberID},
		"of nobody":     {func(m *kmsg.OffsetCommitRequest) { m.Group, m.MemberID, m.Generation = "busy", "x", 1 }, 10, kerr.UnknownMemberID},
	} {
		m := commitRequest("g", id, 1)
		row.change(m)
		answer, err := m.RequestWith(ctx, pinned(t, address, 8, row.version))
		if err != nil {
			t.Fatal(name, err)
		}
		if got := kerr.ErrorForCode(answer.Topics[0].Partitions[0].ErrorCode); !errors.Is(got, row.want) {
			t.Errorf("%s: %v, not %v", name, got, row.want)
		}
	}
}

func TestGroupsAreListedAndDeleted(t *testing.T) {
	address, stop := start(t, vfs.NewMem())
	defer stop()
	topicOf(t, address, "t", 1, 1)
	c, ctx := client(t, address)
	id := topicID(t, c, "t")
	if _, err := commitRequest("simple", id, 1).RequestWith(ctx, c); err != nil {
		t.Fatal(err)
	}
	member, _ := client(t, address, kgo.ConsumerGroup("busy"), kgo.ConsumeTopics("t"), kgo.HeartbeatInterval(50*time.Millisecond))
	poll(t, ctx, member, 1)
	if err := member.CommitUncommittedOffsets(ctx); err != nil {
		t.Fatal(err)
	}
	list := func(version int16, states, types []string) []string {
		t.Helper()
		m := kmsg.NewPtrListGroupsRequest()
		m.StatesFilter, m.TypesFilter = states, types
		answer, err := m.RequestWith(ctx, pinned(t, address, 16, version))
		if err != nil {
			t.Fatal(err)
		}
		var names []string
		for _, g := range answer.Groups {
			names = append(names, g.Group)
		}
		return names
	}
	for version := int16(0); version <= 5; version++ {
		if got := list(version, nil, nil); !slices.Equal(got, []string{"busy", "simple"}) {
			t.Fatal(version, got)
		}
	}
	if got := list(4, []string{"stable"}, nil); !slices.Equal(got, []string{"busy"}) {
		t.Fatal(got)
	}
	if got := list(5, nil, []string{"consumer"}); len(got) != 0 {
		t.Fatal(got)
	}
	drop := func(group string) int16 {
		t.Helper()
		m := kmsg.NewPtrOffsetDeleteRequest()
		m.Group = group
		topic, part := kmsg.NewOffsetDeleteRequestTopic(), kmsg.NewOffsetDeleteRequestTopicPartition()
		topic.Topic, topic.Partitions = "t", append(topic.Partitions, part)
		m.Topics = append(m.Topics, topic)
		answer, err := m.RequestWith(ctx, c)
		if err != nil {
			t.Fatal(err)
		}
		if answer.ErrorCode != 0 {
			return answer.ErrorCode
		}
		return answer.Topics[0].Partitions[0].ErrorCode
	}
	for _, row := range []struct {
		group string
		want  int16
	}{{"busy", kerr.GroupSubscribedToTopic.Code}, {"simple", 0}, {"simple", kerr.GroupIDNotFound.Code}} {
		if got := drop(row.group); got != row.want {
			t.Errorf("%s: %d, not %d", row.group, got, row.want)
		}
	}
	remove := func(version int16) []int16 {
		t.Helper()
		m := kmsg.NewPtrDeleteGroupsRequest()
		m.Groups = []string{"busy", "none"}
		answer, err := m.RequestWith(ctx, pinned(t, address, 42, version))
		if err != nil {
			t.Fatal(err)
		}
		return []int16{answer.Groups[0].ErrorCode, answer.Groups[1].ErrorCode}
	}
	for version := int16(0); version <= 2; version++ {
		if got := remove(version); got[0] != kerr.NonEmptyGroup.Code || got[1] != kerr.GroupIDNotFound.Code {
			t.Fatal(version, got)
		}
	}
	member.Close()
	if got := remove(2); got[0] != 0 {
		t.Fatal(got)
	}
	if got := list(5, nil, nil); len(got) != 0 {
		t.Fatal(got)
	}
}

func TestGroupsOfOlderClients(t *testing.T) {
	address, stop := start(t, vfs.NewMem())
	defer stop()
	for i, v := range []*kversion.Versions{kversion.V2_1_0(), kversion.V2_4_0(), kversion.V2_8_0(), kversion.V3_0_0(), kversion.V3_6_0(), kversion.V4_0_0()} {
		topic := fmt.Sprint("t", i)
		topicOf(t, address, topic, 2, 3)
		c, ctx := client(t, address, kgo.MaxVersions(v), kgo.ConsumerGroup(topic), kgo.ConsumeTopics(topic), kgo.DisableAutoCommit())
		if got := poll(t, ctx, c, 6); len(slices.Compact(got)) != 6 {
			t.Fatal(i, got)
		}
		if err := c.CommitUncommittedOffsets(ctx); err != nil {
			t.Fatal(i, err)
		}
		c.Close()
	}
}

// somebody is a client of a user who may do only what is granted.
func somebody(t *testing.T, address string, root *kgo.Client) (c *kgo.Client, grant func(kmsg.ACLResourceType, string, kmsg.ACLOperation, kmsg.ACLPermissionType)) {
	t.Helper()
	alter := kmsg.NewPtrAlterUserSCRAMCredentialsRequest()
	up := kmsg.NewAlterUserSCRAMCredentialsRequestUpsertion()
	up.Name, up.Mechanism, up.Iterations, up.Salt = "ben", 1, 4096, []byte("salt")
	up.SaltedPassword = salted(t, "secret", up.Salt, 4096)
	alter.Upsertions = append(alter.Upsertions, up)
	if answer, err := alter.RequestWith(t.Context(), root); err != nil || answer.Results[0].ErrorCode != 0 {
		t.Fatal(answer, err)
	}
	c, _ = client(t, address, kgo.SASL(scram.Auth{User: "ben", Pass: "secret"}.AsSha256Mechanism()))
	return c, func(resource kmsg.ACLResourceType, name string, operation kmsg.ACLOperation, permission kmsg.ACLPermissionType) {
		t.Helper()
		m := kmsg.NewPtrCreateACLsRequest()
		x := kmsg.NewCreateACLsRequestCreation()
		x.ResourceType, x.ResourceName, x.ResourcePatternType = resource, name, kmsg.ACLResourcePatternTypeLiteral
		x.Principal, x.Host, x.Operation, x.PermissionType = "User:ben", "*", operation, permission
		m.Creations = append(m.Creations, x)
		answer, err := m.RequestWith(t.Context(), root)
		if err != nil || answer.Results[0].ErrorCode != 0 {
			t.Fatal(answer, err)
		}
	}
}

func TestRightsOnGroups(t *testing.T) {
	address, stop := start(t, vfs.NewMem())
	defer stop()
	topicOf(t, address, "t", 1, 1)
	root, ctx := client(t, address)
	id := topicID(t, root, "t")
	c, grant := somebody(t, address, root)
	grant(kmsg.ACLResourceTypeGroup, "mine", kmsg.ACLOperationRead, kmsg.ACLPermissionTypeAllow)
	commit := func(group string, want error) {
		t.Helper()
		m := commitRequest(group, id, 1)
		answer, err := m.RequestWith(ctx, c)
		if err == nil {
			err = kerr.ErrorForCode(answer.Topics[0].Partitions[0].ErrorCode)
		}
		if !errors.Is(err, want) {
			t.Errorf("%s: %v, not %v", group, err, want)
		}
	}
	commit("other", kerr.GroupAuthorizationFailed)
	commit("mine", kerr.TopicAuthorizationFailed)
	beat := kmsg.NewPtrConsumerGroupHeartbeatRequest()
	beat.Group, beat.MemberID, beat.RebalanceTimeoutMillis = "mine", "m", 1000
	beat.SubscribedTopicNames, beat.Topics = []string{"t"}, []kmsg.ConsumerGroupHeartbeatRequestTopic{}
	if answer, err := beat.RequestWith(ctx, c); err != nil || answer.ErrorCode != kerr.TopicAuthorizationFailed.Code {
		t.Errorf("%+v %v", answer, err)
	}
	expression := ".*"
	beat.SubscribedTopicNames, beat.SubscribedTopicRegex = nil, &expression
	if answer, err := beat.RequestWith(ctx, c); err != nil || answer.ErrorCode != 0 || len(answer.Assignment.Topics) != 0 {
		t.Errorf("an expression matches what may not be read: %+v %v", answer, err)
	}
	offsets := func(name *string) (known int, err error) {
		t.Helper()
		m := kmsg.NewPtrOffsetFetchRequest()
		g := kmsg.NewOffsetFetchRequestGroup()
		if g.Group = "mine"; name != nil {
			topic := kmsg.NewOffsetFetchRequestGroupTopic()
			topic.Topic, topic.TopicID, topic.Partitions = *name, id, []int32{0}
			g.Topics = append(g.Topics, topic)
		}
		m.Groups = append(m.Groups, g)
		answer, err := m.RequestWith(ctx, c)
		if err != nil || answer.Groups[0].ErrorCode != 0 {
			t.Fatal(answer, err)
		}
		for _, topic := range answer.Groups[0].Topics {
			err, known = kerr.ErrorForCode(topic.Partitions[0].ErrorCode), known+1
		}
		return known, err
	}
	describe := kmsg.NewPtrConsumerGroupDescribeRequest()
	describe.Groups = []string{"mine"}
	described := func(want int16, members int) {
		t.Helper()
		answer, err := describe.RequestWith(ctx, c)
		if err != nil || answer.Groups[0].ErrorCode != want || len(answer.Groups[0].Members) != members {
			t.Errorf("%+v %v", answer, err)
		}
	}
	theirs := commitRequest("mine", id, 1)
	if answer, err := theirs.RequestWith(ctx, root); err != nil || answer.Topics[0].Partitions[0].ErrorCode != kerr.UnknownMemberID.Code {
		t.Fatal(answer, err)
	}
	name := "t"
	if _, err := offsets(&name); !errors.Is(err, kerr.TopicAuthorizationFailed) {
		t.Errorf("offsets of a topic that may not be seen: %v", err)
	}
	grant(kmsg.ACLResourceTypeTopic, "t", kmsg.ACLOperationDescribe, kmsg.ACLPermissionTypeAllow)
	if _, err := offsets(&name); err != nil {
		t.Errorf("offsets of a topic that may be seen, not read: %v", err)
	}
	commit("mine", kerr.TopicAuthorizationFailed)
	grant(kmsg.ACLResourceTypeTopic, "t", kmsg.ACLOperationRead, kmsg.ACLPermissionTypeAllow)
	if answer, err := beat.RequestWith(ctx, c); err != nil || answer.ErrorCode != 0 || len(answer.Assignment.Topics) != 1 {
		t.Errorf("%+v %v", answer, err)
	}
	described(0, 1)
	beat.MemberEpoch = -1
	if answer, err := beat.RequestWith(ctx, c); err != nil || answer.ErrorCode != 0 {
		t.Errorf("%+v %v", answer, err)
	}
	commit("mine", nil)
	if n, err := offsets(nil); n != 1 || err != nil {
		t.Error(n, err)
	}
	beat.MemberEpoch, beat.MemberID = 0, "n"
	beat.SubscribedTopicNames, beat.SubscribedTopicRegex = []string{"t"}, nil
	if answer, err := beat.RequestWith(ctx, root); err != nil || answer.ErrorCode != 0 {
		t.Fatalf("%+v %v", answer, err)
	}
	grant(kmsg.ACLResourceTypeTopic, "t", kmsg.ACLOperationDescribe, kmsg.ACLPermissionTypeDeny)
	described(kerr.TopicAuthorizationFailed.Code, 0)
	if n, err := offsets(nil); n != 0 || err != nil {
		t.Errorf("all offsets of a group name a topic that may not be seen: %d %v", n, err)
	}
}
