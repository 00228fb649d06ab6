package kafka

import (
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"weir/internal/auth"
	"weir/internal/broker"
)

func (c *conn) describeProducers(r *request) (kmsg.Response, error) {
	m := kmsg.NewPtrDescribeProducersRequest()
	if err := r.decode(m); err != nil {
		return nil, err
	}
	answer := kmsg.NewPtrDescribeProducersResponse()
	for _, t := range m.Topics {
		topic := kmsg.NewDescribeProducersResponseTopic()
		topic.Topic = t.Topic
		info, missing := c.session.Topic(t.Topic)
		for _, number := range t.Partitions {
			p := kmsg.NewDescribeProducersResponseTopicPartition()
			if p.Partition = number; !c.session.MayTopic(auth.Read, t.Topic) {
				p.ErrorCode = kerr.TopicAuthorizationFailed.Code
			} else if missing != nil || number < 0 || int(number) >= info.Partitions {
				p.ErrorCode = kerr.UnknownTopicOrPartition.Code
			} else if !info.Queue { // a queue numbers nobody's messages
				c.producers(&p, broker.Partition{Topic: t.Topic, ID: info.ID, Number: int(number)})
			}
			topic.Partitions = append(topic.Partitions, p)
		}
		answer.Topics = append(answer.Topics, topic)
	}
	return answer, nil
}

func (c *conn) producers(out *kmsg.DescribeProducersResponseTopicPartition, p broker.Partition) {
	producers, err := c.session.Producers(&p)
	if out.ErrorCode = code(err); err != nil {
		return
	}
	for _, x := range producers {
		a := kmsg.NewDescribeProducersResponseTopicPartitionActiveProducer()
		a.ProducerID, a.ProducerEpoch = int64(x.ID), int32(x.Epoch)
		a.LastSequence, a.LastTimestamp = int32(x.LastSequence), x.Seen
		a.CoordinatorEpoch, a.CurrentTxnStartOffset = -1, -1
		if x.Open {
			a.CoordinatorEpoch, a.CurrentTxnStartOffset = 0, int64(x.First)
		}
		out.ActiveProducers = append(out.ActiveProducers, a)
	}
}
