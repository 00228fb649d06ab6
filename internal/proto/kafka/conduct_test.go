package kafka_test

import (
	"encoding/binary"
	"io"
	"net"
	"slices"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"weir/internal/vfs"
)

// caller sends requests in versions that it chooses itself.
type caller struct {
	*testing.T
	net net.Conn
}

func call(t *testing.T, address string) *caller {
	t.Helper()
	nc, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = nc.Close() })
	_ = nc.SetDeadline(time.Now().Add(patience))
	return &caller{t, nc}
}

// in sends a request in a version and reads the answer as one of the version read.
func in[R kmsg.Response](c *caller, m kmsg.Request, version, read int16) R {
	c.Helper()
	m.SetVersion(version)
	b := binary.BigEndian.AppendUint16(make([]byte, 4), uint16(m.Key()))
	b = binary.BigEndian.AppendUint16(b, uint16(version))
	b = append(b, 0, 0, 0, 7, 0, 1, 't')
	if m.IsFlexible() {
		b = append(b, 0)
	}
	b = m.AppendTo(b)
	binary.BigEndian.PutUint32(b, uint32(len(b)-4))
	if _, err := c.net.Write(b); err != nil {
		c.Fatal(err)
	}
	var size [4]byte
	if _, err := io.ReadFull(c.net, size[:]); err != nil {
		c.Fatal(err)
	}
	answer := m.ResponseKind()
	answer.SetVersion(read)
	b = make([]byte, binary.BigEndian.Uint32(size[:]))
	if _, err := io.ReadFull(c.net, b); err != nil {
		c.Fatal(err)
	}
	b = b[4:]
	if answer.IsFlexible() && m.Key() != int16(kmsg.ApiVersions) {
		b = b[1:]
	}
	if err := answer.ReadFrom(b); err != nil {
		c.Fatal(err)
	}
	return answer.(R)
}

func (c *caller) wants(what string, code int16, want *kerr.Error) {
	c.Helper()
	if want == nil && code != 0 || want != nil && code != want.Code {
		c.Errorf("%s: code %d, not %v", what, code, want)
	}
}

func TestVersionsAreToldToClientsWithNames(t *testing.T) {
	address, stop := start(t, vfs.NewMem())
	defer stop()
	c := call(t, address)
	for name, want := range map[string]*kerr.Error{
		"a": nil, "a.b-c": nil, "": kerr.InvalidRequest, "-a": kerr.InvalidRequest, "a.": kerr.InvalidRequest, "a b": kerr.InvalidRequest, "é": kerr.InvalidRequest,
	} {
		m := kmsg.NewPtrApiVersionsRequest()
		m.ClientSoftwareName, m.ClientSoftwareVersion = name, "1"
		answer := in[*kmsg.ApiVersionsResponse](c, m, 3, 3)
		if c.wants(name, answer.ErrorCode, want); (want == nil) != (len(answer.ApiKeys) > 1) {
			t.Errorf("software %q: %d keys", name, len(answer.ApiKeys))
		}
		if want == nil && !slices.ContainsFunc(answer.FinalizedFeatures, func(f kmsg.ApiVersionsResponseFinalizedFeature) bool {
			return f.Name == "metadata.version" && f.MaxVersionLevel == 29
		}) {
			t.Error("no metadata.version: ", answer.FinalizedFeatures)
		}
	}
	answer := in[*kmsg.ApiVersionsResponse](c, kmsg.NewPtrApiVersionsRequest(), 99, 0)
	c.wants("version 99", answer.ErrorCode, kerr.UnsupportedVersion)
	if len(answer.ApiKeys) != 1 || answer.ApiKeys[0].ApiKey != 18 || answer.ApiKeys[0].MaxVersion != 4 {
		t.Error(answer.ApiKeys)
	}
}

func TestWhatIsNamedTwiceIsAnsweredOnce(t *testing.T) {
	address, stop := start(t, vfs.NewMem())
	defer stop()
	c := call(t, address)
	create := kmsg.NewPtrCreateTopicsRequest()
	topic := kmsg.NewCreateTopicsRequestTopic()
	topic.Topic, topic.NumPartitions, topic.ReplicationFactor = "a", 1, 1
	create.Topics = []kmsg.CreateTopicsRequestTopic{topic, topic}
	created := in[*kmsg.CreateTopicsResponse](c, create, 7, 7)
	if c.wants("create", created.Topics[0].ErrorCode, kerr.InvalidRequest); len(created.Topics) != 1 {
		t.Error(created.Topics)
	}
	create.Topics = []kmsg.CreateTopicsRequestTopic{topic, topic}
	create.Topics[1].Topic = "__cluster_metadata"
	created = in[*kmsg.CreateTopicsResponse](c, create, 7, 7)
	c.wants("create", created.Topics[0].ErrorCode, nil)
	c.wants("create", created.Topics[1].ErrorCode, kerr.InvalidRequest)

	ask := kmsg.NewPtrMetadataRequest()
	named := kmsg.NewMetadataRequestTopic()
	named.Topic = &topic.Topic
	ask.Topics = []kmsg.MetadataRequestTopic{named, named}
	if told := in[*kmsg.MetadataResponse](c, ask, 12, 12); len(told.Topics) != 1 || told.Topics[0].ErrorCode != 0 {
		t.Error(told.Topics)
	}
	ask.Topics = []kmsg.MetadataRequestTopic{{TopicID: created.Topics[0].TopicID}}
	c.wants("by id", in[*kmsg.MetadataResponse](c, ask, 12, 12).Topics[0].ErrorCode, nil)
	c.wants("by id of version 11", in[*kmsg.MetadataResponse](c, ask, 11, 11).Topics[0].ErrorCode, kerr.InvalidRequest)

	grow := kmsg.NewPtrCreatePartitionsRequest()
	grow.Topics = []kmsg.CreatePartitionsRequestTopic{{Topic: "a", Count: 2}, {Topic: "a", Count: 3}}
	grown := in[*kmsg.CreatePartitionsResponse](c, grow, 3, 3)
	if c.wants("partitions", grown.Topics[0].ErrorCode, kerr.InvalidRequest); len(grown.Topics) != 1 {
		t.Error(grown.Topics)
	}

	remove := kmsg.NewPtrDeleteTopicsRequest()
	remove.TopicNames = []string{"a", "a"}
	removed := in[*kmsg.DeleteTopicsResponse](c, remove, 5, 5)
	if c.wants("delete", removed.Topics[0].ErrorCode, kerr.InvalidRequest); len(removed.Topics) != 1 {
		t.Error(removed.Topics)
	}
	remove.Topics = []kmsg.DeleteTopicsRequestTopic{{}}
	c.wants("delete nothing", in[*kmsg.DeleteTopicsResponse](c, remove, 6, 6).Topics[0].ErrorCode, kerr.InvalidRequest)
	remove.TopicNames = []string{"a"}
	c.wants("delete once", in[*kmsg.DeleteTopicsResponse](c, remove, 5, 5).Topics[0].ErrorCode, nil)
}

func TestProducersAreRefusedInWordsOfTheirVersion(t *testing.T) {
	address, stop := start(t, vfs.NewMem())
	defer stop()
	c := call(t, address)
	begin := func(version int16, id *string, producer int64, epoch int16) *kmsg.InitProducerIDResponse {
		m := kmsg.NewPtrInitProducerIDRequest()
		m.TransactionalID, m.TransactionTimeoutMillis, m.ProducerID, m.ProducerEpoch = id, 60_000, producer, epoch
		return in[*kmsg.InitProducerIDResponse](c, m, version, version)
	}
	name := "t"
	first := begin(4, &name, -1, -1)
	c.wants("first", first.ErrorCode, nil)
	c.wants("id without epoch", begin(4, nil, 5, -1).ErrorCode, kerr.InvalidRequest)
	c.wants("epoch without id", begin(4, &name, -1, 3).ErrorCode, kerr.InvalidRequest)
	c.wants("no such id", begin(4, &name, -5, -5).ErrorCode, kerr.ProducerFenced)
	c.wants("fenced", begin(4, &name, first.ProducerID, first.ProducerEpoch+3).ErrorCode, kerr.ProducerFenced)
	c.wants("fenced of version 3", begin(3, &name, first.ProducerID, first.ProducerEpoch+3).ErrorCode, kerr.InvalidProducerEpoch)

	end := kmsg.NewPtrEndTxnRequest()
	end.TransactionalID, end.ProducerID, end.ProducerEpoch = name, first.ProducerID, first.ProducerEpoch+3
	c.wants("end", in[*kmsg.EndTxnResponse](c, end, 2, 2).ErrorCode, kerr.ProducerFenced)
	c.wants("end of version 1", in[*kmsg.EndTxnResponse](c, end, 1, 1).ErrorCode, kerr.InvalidProducerEpoch)

	create := kmsg.NewPtrCreateTopicsRequest()
	topic := kmsg.NewCreateTopicsRequestTopic()
	topic.Topic, topic.NumPartitions, topic.ReplicationFactor = "a", 1, 1
	create.Topics = append(create.Topics, topic)
	c.wants("create", in[*kmsg.CreateTopicsResponse](c, create, 7, 7).Topics[0].ErrorCode, nil)
	produce := kmsg.NewPtrProduceRequest()
	produce.Acks, produce.TransactionID = -1, &name
	produce.Topics = []kmsg.ProduceRequestTopic{{Topic: "a", Partitions: []kmsg.ProduceRequestTopicPartition{{Records: batch(1, func(b []byte) {
		b[22] |= 1 << 4
		binary.BigEndian.PutUint64(b[43:], uint64(first.ProducerID))
		binary.BigEndian.PutUint16(b[51:], uint16(first.ProducerEpoch))
		binary.BigEndian.PutUint32(b[53:], 0)
	})}}}}
	for version, want := range map[int16]*kerr.Error{10: kerr.InvalidTxnState, 11: kerr.TransactionAbortable} {
		c.wants("not enlisted", in[*kmsg.ProduceResponse](c, produce, version, version).Topics[0].Partitions[0].ErrorCode, want)
	}
}

func TestAdministratorsAreAnsweredAsByKafka(t *testing.T) {
	disk := vfs.NewMem()
	address, stop := start(t, disk)
	defer stop()
	c := call(t, address)
	create := kmsg.NewPtrCreateTopicsRequest()
	topic := kmsg.NewCreateTopicsRequestTopic()
	topic.Topic, topic.NumPartitions, topic.ReplicationFactor = "a", 1, 1
	create.Topics = append(create.Topics, topic)
	c.wants("create", in[*kmsg.CreateTopicsResponse](c, create, 7, 7).Topics[0].ErrorCode, nil)
	describe := kmsg.NewPtrDescribeConfigsRequest()
	describe.Resources = []kmsg.DescribeConfigsRequestResource{
		{ResourceType: kmsg.ConfigResourceTypeTopic, ResourceName: "a", ConfigNames: []string{}},
		{ResourceType: kmsg.ConfigResourceTypeTopic},
		{ResourceType: kmsg.ConfigResourceTypeGroupConfig},
	}
	described := in[*kmsg.DescribeConfigsResponse](c, describe, 4, 4)
	if n := len(described.Resources[0].Configs); n < 20 {
		t.Errorf("no names are all settings, not %d", n)
	}
	c.wants("configs of every topic", described.Resources[1].ErrorCode, kerr.InvalidRequest)
	c.wants("configs of every group", described.Resources[2].ErrorCode, kerr.InvalidRequest)

	x := "x"
	for name, row := range map[string]struct {
		components []kmsg.DescribeClientQuotasRequestComponent
		want       *kerr.Error
	}{
		"all":        {nil, nil},
		"one":        {[]kmsg.DescribeClientQuotasRequestComponent{{EntityType: "user", Match: &x}}, nil},
		"two of one": {[]kmsg.DescribeClientQuotasRequestComponent{{EntityType: "user", Match: &x}, {EntityType: "user", Match: &x}}, kerr.InvalidRequest},
		"no name":    {[]kmsg.DescribeClientQuotasRequestComponent{{EntityType: "user"}}, kerr.InvalidRequest},
		"no type":    {[]kmsg.DescribeClientQuotasRequestComponent{{Match: &x}}, kerr.InvalidRequest},
		"match":      {[]kmsg.DescribeClientQuotasRequestComponent{{EntityType: "user", MatchType: 9}}, kerr.InvalidRequest},
		"own type":   {[]kmsg.DescribeClientQuotasRequestComponent{{EntityType: "dog", Match: &x}}, kerr.UnsupportedVersion},
	} {
		m := kmsg.NewPtrDescribeClientQuotasRequest()
		m.Components = row.components
		c.wants("quotas: "+name, in[*kmsg.DescribeClientQuotasResponse](c, m, 1, 1).ErrorCode, row.want)
	}

	alter := kmsg.NewPtrAlterUserSCRAMCredentialsRequest()
	alter.Deletions = []kmsg.AlterUserSCRAMCredentialsRequestDeletion{{Name: "guest", Mechanism: 1}, {Name: "guest", Mechanism: 2}}
	altered := in[*kmsg.AlterUserSCRAMCredentialsResponse](c, alter, 0, 0)
	if c.wants("credentials", altered.Results[0].ErrorCode, kerr.DuplicateResource); len(altered.Results) != 1 {
		t.Error(altered.Results)
	}
	scram := kmsg.NewPtrDescribeUserSCRAMCredentialsRequest()
	scram.Users = []kmsg.DescribeUserSCRAMCredentialsRequestUser{{Name: "guest"}, {Name: "guest"}}
	told := in[*kmsg.DescribeUserSCRAMCredentialsResponse](c, scram, 0, 0)
	if c.wants("credentials", told.Results[0].ErrorCode, kerr.DuplicateResource); len(told.Results) != 1 {
		t.Error(told.Results)
	}
	dir := in[*kmsg.DescribeLogDirsResponse](c, kmsg.NewPtrDescribeLogDirsRequest(), 4, 4).Dirs[0]
	if free, err := disk.Free("/"); err != nil || dir.TotalBytes != int64(free) || dir.UsableBytes != int64(free) {
		t.Error(dir.TotalBytes, dir.UsableBytes, free, err) // memory has as much as it has free
	}
	elect := kmsg.NewPtrElectLeadersRequest()
	elect.Topics = []kmsg.ElectLeadersRequestTopic{{Topic: "a", Partitions: []int32{0}}}
	for kind, want := range map[int8]*kerr.Error{0: kerr.ElectionNotNeeded, 9: kerr.InvalidRequest} {
		elect.ElectionType = kind
		c.wants("election", in[*kmsg.ElectLeadersResponse](c, elect, 2, 2).Topics[0].Partitions[0].ErrorCode, want)
	}
	quota := kmsg.NewPtrAlterClientQuotasRequest()
	quota.Entries = []kmsg.AlterClientQuotasRequestEntry{{
		Entity: []kmsg.AlterClientQuotasRequestEntryEntity{{Type: "user", Name: &x}},
		Ops:    []kmsg.AlterClientQuotasRequestEntryOp{{Key: "producer_byte_rate", Value: 1.5}},
	}}
	c.wants("half a byte", in[*kmsg.AlterClientQuotasResponse](c, quota, 1, 1).Entries[0].ErrorCode, kerr.InvalidRequest)
	cluster := kmsg.NewPtrDescribeClusterRequest()
	for kind, want := range map[int8]*kerr.Error{1: nil, 2: kerr.MismatchedEndpointType, 9: kerr.UnsupportedEndpointType} {
		cluster.EndpointType = kind
		c.wants("endpoint", in[*kmsg.DescribeClusterResponse](c, cluster, 2, 2).ErrorCode, want)
	}
}

func TestFeaturesStay(t *testing.T) {
	address, stop := start(t, vfs.NewMem())
	defer stop()
	c := call(t, address)
	for level, want := range map[int16]*kerr.Error{2: nil, 1: kerr.InvalidUpdateVersion, 9: kerr.InvalidUpdateVersion} {
		m := kmsg.NewPtrUpdateFeaturesRequest()
		m.FeatureUpdates = []kmsg.UpdateFeaturesRequestFeatureUpdate{{Feature: "transaction.version", MaxVersionLevel: level, UpgradeType: 1}}
		c.wants("update", in[*kmsg.UpdateFeaturesResponse](c, m, 2, 2).ErrorCode, want)
	}
	create := kmsg.NewPtrCreateTopicsRequest()
	create.Topics = []kmsg.CreateTopicsRequestTopic{{Topic: "a", NumPartitions: 1, ReplicationFactor: 1}}
	c.wants("create", in[*kmsg.CreateTopicsResponse](c, create, 7, 7).Topics[0].ErrorCode, nil)
	list := kmsg.NewPtrListConfigResourcesRequest()
	list.ResourceTypes = []int8{int8(kmsg.ConfigResourceTypeTopic)}
	if r := in[*kmsg.ListConfigResourcesResponse](c, list, 1, 1); len(r.ConfigResources) != 1 || r.ConfigResources[0].Name != "a" {
		t.Error(r.ErrorCode, r.ConfigResources)
	}
}
