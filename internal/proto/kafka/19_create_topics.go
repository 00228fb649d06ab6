package kafka

import (
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"weir/internal/broker"
)

const topicNameBytesMax = 249

// checkTopicName has Kafka's rule: letters, digits, dots, underscores and dashes.
func checkTopicName(name string) int16 {
	if name == "" || name == "." || name == ".." || len(name) > topicNameBytesMax {
		return kerr.InvalidTopicException.Code
	}
	for _, r := range name {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '.', r == '_', r == '-':
		default:
			return kerr.InvalidTopicException.Code
		}
	}
	return errNone
}

func (c *conn) createTopics(r *request) (kmsg.Response, error) {
	m := kmsg.NewPtrCreateTopicsRequest()
	if err := r.decode(m); err != nil {
		return nil, err
	}
	answer := kmsg.NewPtrCreateTopicsResponse()
	for i := range m.Topics {
		answer.Topics = append(answer.Topics, c.createTopic(&m.Topics[i], m.ValidateOnly))
	}
	return answer, nil
}

func (c *conn) createTopic(t *kmsg.CreateTopicsRequestTopic, validateOnly bool) kmsg.CreateTopicsResponseTopic {
	out := kmsg.NewCreateTopicsResponseTopic()
	out.Topic = t.Topic
	spec := broker.TopicSpec{Name: t.Topic, Partitions: int(t.NumPartitions)}
	if t.NumPartitions == -1 {
		spec.Partitions = partitionsDefault
	}
	switch {
	case checkTopicName(t.Topic) != errNone:
		out.ErrorCode = kerr.InvalidTopicException.Code
	case t.ReplicationFactor != -1 && t.ReplicationFactor != 1:
		out.ErrorCode = kerr.InvalidReplicationFactor.Code
	case len(t.ReplicaAssignment) > 0:
		out.ErrorCode = kerr.InvalidRequest.Code
	case len(t.Configs) > 0:
		out.ErrorCode = kerr.InvalidConfig.Code // none is kept yet, so none is taken
	case validateOnly:
		if _, err := c.session.Topic(t.Topic); err == nil {
			out.ErrorCode = kerr.TopicAlreadyExists.Code
		}
	default:
		info, err := c.session.CreateTopic(spec)
		if out.ErrorCode = code(err); err == nil {
			out.TopicID = info.ID
		}
	}
	out.NumPartitions, out.ReplicationFactor = int32(spec.Partitions), 1
	return out
}

func (c *conn) deleteTopics(r *request) (kmsg.Response, error) {
	m := kmsg.NewPtrDeleteTopicsRequest()
	if err := r.decode(m); err != nil {
		return nil, err
	}
	answer := kmsg.NewPtrDeleteTopicsResponse()
	for _, name := range m.TopicNames {
		out := kmsg.NewDeleteTopicsResponseTopic()
		out.Topic, out.ErrorCode = &name, code(c.session.DeleteTopic(name))
		answer.Topics = append(answer.Topics, out)
	}
	return answer, nil
}
