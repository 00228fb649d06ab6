package kafka

import (
	"github.com/twmb/franz-go/pkg/kmsg"

	"weir/internal/broker"
)

// nodeID is this node's.
const nodeID = 1

func (c *conn) metadata(r *request) (kmsg.Response, error) {
	m := kmsg.NewPtrMetadataRequest()
	if err := r.decode(m); err != nil {
		return nil, err
	}
	answer := kmsg.NewPtrMetadataResponse()
	node := kmsg.NewMetadataResponseBroker()
	node.NodeID = nodeID
	node.Host, node.Port = c.address()
	answer.Brokers = append(answer.Brokers, node)
	answer.ClusterID, answer.ControllerID = &c.server.options.ClusterID, nodeID
	if m.Topics == nil || r.version == 0 && len(m.Topics) == 0 {
		for _, t := range c.session.Topics() {
			answer.Topics = append(answer.Topics, metadataTopic(&t))
		}
		for _, t := range c.session.QueueTopics() { // those that a client could name
			if checkTopicName(t.Name) == errNone {
				answer.Topics = append(answer.Topics, metadataTopic(&t))
			}
		}
		return answer, nil
	}
	for i := range m.Topics {
		answer.Topics = append(answer.Topics, c.metadataOf(&m.Topics[i], m.AllowAutoTopicCreation || r.version < 4))
	}
	return answer, nil
}

// metadataOf describes one topic a client asks for, which may be made for it.
func (c *conn) metadataOf(asked *kmsg.MetadataRequestTopic, create bool) kmsg.MetadataResponseTopic {
	unknown := kmsg.NewMetadataResponseTopic()
	unknown.Topic, unknown.TopicID = asked.Topic, asked.TopicID
	if asked.Topic == nil {
		if t, err := c.session.TopicByID(asked.TopicID); err == nil {
			return metadataTopic(&t)
		}
		unknown.ErrorCode = 100 // UNKNOWN_TOPIC_ID
		return unknown
	}
	t, err := c.session.Topic(*asked.Topic)
	if err != nil && err.Code == broker.CodeNotFound && create {
		if unknown.ErrorCode = checkTopicName(*asked.Topic); unknown.ErrorCode != errNone {
			return unknown
		}
		t, err = c.session.CreateTopic(broker.TopicSpec{Name: *asked.Topic, Partitions: c.server.options.Partitions})
		if err != nil && err.Code == broker.CodeMismatch {
			err = nil // somebody else was faster
		}
	}
	if err != nil {
		unknown.ErrorCode = code(err)
		return unknown
	}
	return metadataTopic(&t)
}

func metadataTopic(t *broker.TopicInfo) kmsg.MetadataResponseTopic {
	out := kmsg.NewMetadataResponseTopic()
	out.Topic, out.TopicID, out.IsInternal = &t.Name, t.ID, isInternal(t.Name)
	for i := range t.Partitions {
		p := kmsg.NewMetadataResponseTopicPartition()
		p.Partition, p.Leader, p.LeaderEpoch = int32(i), nodeID, leaderEpoch
		p.Replicas, p.ISR = []int32{nodeID}, []int32{nodeID}
		out.Partitions = append(out.Partitions, p)
	}
	return out
}
