package kafka

import (
	"slices"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"weir/internal/auth"
	"weir/internal/broker"
)

// nodeID is this node's.
const nodeID = 1

// metadataCreates is from where on a client says whether it wants a topic made that
// is not there; before, it always does.
const metadataCreates = 4

// metadataIDs is from where on topics can be asked for by their ids.
const metadataIDs = 12

func (c *conn) metadata(r *request) (kmsg.Response, error) {
	m := kmsg.NewPtrMetadataRequest()
	if err := r.decode(m); err != nil {
		return nil, err
	}
	if r.version < metadataIDs && slices.ContainsFunc(m.Topics, func(t kmsg.MetadataRequestTopic) bool {
		return t.Topic == nil || t.TopicID != [16]byte{}
	}) {
		return refuseMetadata(m), nil
	}
	m.Topics = distinct(m.Topics, func(t *kmsg.MetadataRequestTopic) topicKey { return topicKeyOf(t.Topic, t.TopicID) })
	answer := kmsg.NewPtrMetadataResponse()
	node := kmsg.NewMetadataResponseBroker()
	node.NodeID = nodeID
	node.Host, node.Port = c.address()
	answer.Brokers = append(answer.Brokers, node)
	answer.ClusterID, answer.ControllerID = &c.server.options.ClusterID, nodeID
	if m.IncludeClusterAuthorizedOperations {
		answer.AuthorizedOperations = c.clusterRights()
	}
	if m.Topics == nil || r.version == 0 && len(m.Topics) == 0 {
		for _, t := range c.session.Topics() {
			if c.sees(t.Name) {
				answer.Topics = append(answer.Topics, c.metadataTopic(&t, m.IncludeTopicAuthorizedOperations))
			}
		}
		for _, t := range c.session.QueueTopics() { // those that a client could name
			if checkTopicName(t.Name) == errNone && c.sees(t.Name) {
				answer.Topics = append(answer.Topics, c.metadataTopic(&t, m.IncludeTopicAuthorizedOperations))
			}
		}
		return answer, nil
	}
	answer.Topics = make([]kmsg.MetadataResponseTopic, len(m.Topics))
	var missing []broker.TopicSpec
	for i := range m.Topics {
		t := c.metadataOf(&m.Topics[i], m.IncludeTopicAuthorizedOperations)
		if t.ErrorCode == kerr.UnknownTopicOrPartition.Code && (m.AllowAutoTopicCreation || r.version < metadataCreates) && !c.server.options.NoAutoCreate {
			missing = append(missing, broker.TopicSpec{Name: *t.Topic, Partitions: c.server.options.Partitions})
		}
		answer.Topics[i] = t
	}
	c.makeMissing(missing, answer)
	return answer, nil
}

// refuseMetadata answers a request of a version in which ids have a place but no
// meaning yet.
func refuseMetadata(m *kmsg.MetadataRequest) *kmsg.MetadataResponse {
	answer := kmsg.NewPtrMetadataResponse()
	answer.ControllerID = -1
	for i := range m.Topics {
		t := kmsg.NewMetadataResponseTopic()
		t.Topic, t.TopicID, t.ErrorCode = m.Topics[i].Topic, m.Topics[i].TopicID, kerr.InvalidRequest.Code
		if t.Topic == nil {
			t.Topic = new(string) // it may not be null in these versions
		}
		answer.Topics = append(answer.Topics, t)
	}
	return answer
}

// makeMissing makes topics that a client only named. Like Kafka's this answer does
// not know them yet; clients ask again, and some rely on having to. LEADER_NOT_AVAILABLE
// is what Kafka says of a topic that is there but not in its metadata: clients that take
// an unknown topic for one that stays away, as members of groups may, ask again.
func (c *conn) makeMissing(specs []broker.TopicSpec, answer *kmsg.MetadataResponse) {
	refused, made := map[string]int16{}, map[string]bool{}
	for k := range specs {
		if no := configured(&specs[k], nil); no.code != errNone {
			return // cannot be: nothing is what every topic may have
		}
	}
	for k, result := range c.session.CreateTopics(specs) {
		if result.Err != nil && result.Err.Code != broker.CodeMismatch { // which is that somebody else was faster
			refused[specs[k].Name] = code(result.Err)
			continue
		}
		made[specs[k].Name] = true
	}
	for i := range answer.Topics {
		t := &answer.Topics[i]
		if t.ErrorCode != kerr.UnknownTopicOrPartition.Code {
			continue
		}
		if no, is := refused[*t.Topic]; is {
			t.ErrorCode = no
		} else if made[*t.Topic] {
			t.ErrorCode = kerr.LeaderNotAvailable.Code
		}
	}
}

// metadataOf describes one topic a client asks for.
func (c *conn) metadataOf(asked *kmsg.MetadataRequestTopic, rights bool) kmsg.MetadataResponseTopic {
	unknown := kmsg.NewMetadataResponseTopic()
	unknown.Topic, unknown.TopicID = asked.Topic, asked.TopicID
	if asked.Topic == nil || asked.TopicID != [16]byte{} {
		unknown.Topic = nil
		t, err := c.session.TopicByID(asked.TopicID)
		if err != nil || !c.sees(t.Name) {
			unknown.ErrorCode = kerr.UnknownTopicID.Code
			return unknown
		}
		return c.metadataTopic(&t, rights)
	}
	if unknown.ErrorCode = checkTopicName(*asked.Topic); unknown.ErrorCode != errNone {
		return unknown
	}
	if !c.sees(*asked.Topic) {
		unknown.ErrorCode = kerr.TopicAuthorizationFailed.Code
		return unknown
	}
	t, err := c.session.Topic(*asked.Topic)
	if err != nil {
		unknown.ErrorCode = code(err)
		return unknown
	}
	return c.metadataTopic(&t, rights)
}

func (c *conn) metadataTopic(t *broker.TopicInfo, rights bool) kmsg.MetadataResponseTopic {
	out := kmsg.NewMetadataResponseTopic()
	out.Topic, out.TopicID, out.IsInternal = &t.Name, t.ID, isInternal(t.Name)
	if rights {
		out.AuthorizedOperations = c.topicRights(t.Name)
	}
	replicas := []int32{nodeID}
	out.Partitions = make([]kmsg.MetadataResponseTopicPartition, t.Partitions)
	for i := range out.Partitions {
		p := kmsg.NewMetadataResponseTopicPartition()
		p.Partition, p.Leader, p.LeaderEpoch, p.Replicas, p.ISR = int32(i), nodeID, leaderEpoch, replicas, replicas
		out.Partitions[i] = p
	}
	return out
}

// sees says whether the client may know of a topic: it has some right on it.
func (c *conn) sees(topic string) bool {
	return catalog{c.session}.sees(topic)
}

// Kafka's operations, as bits of a set.
const (
	mayRead         = 1 << 3
	mayWrite        = 1 << 4
	mayCreate       = 1 << 5
	mayDelete       = 1 << 6
	mayAlter        = 1 << 7
	mayDescribe     = 1 << 8
	mayReadConfigs  = 1 << 10
	mayAlterConfigs = 1 << 11
	mayIdempotent   = 1 << 12
)

// rights are the bits of the verbs.
var rights = map[auth.Verb]int32{
	auth.Read: mayRead, auth.Write: mayWrite, auth.Create: mayCreate, auth.Delete: mayDelete, auth.Alter: mayAlter, auth.Describe: mayDescribe,
	auth.DescribeConfigs: mayReadConfigs, auth.AlterConfigs: mayAlterConfigs,
}

// topicRights are the operations the client's rights on a topic come to.
func (c *conn) topicRights(topic string) int32 {
	set := int32(0)
	for verb, bit := range rights {
		if c.session.MayTopic(verb, topic) {
			set |= bit
		}
	}
	return set
}

// clusterRights are those on the broker itself. Producing idempotently takes none.
func (c *conn) clusterRights() int32 {
	set := int32(mayIdempotent)
	for _, verb := range []auth.Verb{auth.Create, auth.Alter, auth.Describe, auth.DescribeConfigs, auth.AlterConfigs} {
		if c.session.MayCluster(verb) {
			set |= rights[verb]
		}
	}
	return set
}
