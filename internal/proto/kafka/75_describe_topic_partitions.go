package kafka

import (
	"cmp"
	"slices"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// describePartitionsMax bounds one answer; a cursor tells where to go on.
const describePartitionsMax = 2000

func (c *conn) describeTopicPartitions(r *request) (kmsg.Response, error) {
	m := kmsg.NewPtrDescribeTopicPartitionsRequest()
	if err := r.decode(m); err != nil {
		return nil, err
	}
	answer := kmsg.NewPtrDescribeTopicPartitionsResponse()
	if m.Cursor != nil && m.Cursor.Partition < 0 {
		return nil, errFrame
	}
	room := int(min(m.ResponsePartitionLimit, describePartitionsMax))
	if room < 1 {
		room = 1
	}
	for _, t := range c.topicsAsked(m) {
		first := 0
		if m.Cursor != nil {
			if *t.Topic < m.Cursor.Topic {
				continue
			}
			if *t.Topic == m.Cursor.Topic {
				first = int(m.Cursor.Partition)
			}
		}
		if room == 0 {
			next := kmsg.NewDescribeTopicPartitionsResponseNextCursor()
			next.Topic, next.Partition = *t.Topic, int32(first)
			answer.NextCursor = &next
			break
		}
		parts := t.Partitions[min(first, len(t.Partitions)):]
		n := min(len(parts), room)
		room -= n
		answer.Topics = append(answer.Topics, describedPartitions(&t, parts[:n]))
		if n < len(parts) {
			next := kmsg.NewDescribeTopicPartitionsResponseNextCursor()
			next.Topic, next.Partition = *t.Topic, int32(first+n)
			answer.NextCursor = &next
			break
		}
	}
	return answer, nil
}

// topicsAsked describes the topics of a request, or all of them, by name.
func (c *conn) topicsAsked(m *kmsg.DescribeTopicPartitionsRequest) []kmsg.MetadataResponseTopic {
	var all []kmsg.MetadataResponseTopic
	for i := range m.Topics {
		asked := kmsg.NewMetadataRequestTopic()
		asked.Topic = &m.Topics[i].Topic
		all = append(all, c.metadataOf(&asked, true))
	}
	if len(m.Topics) == 0 {
		for _, t := range c.session.Topics() {
			if c.sees(t.Name) {
				all = append(all, c.metadataTopic(&t, true))
			}
		}
	}
	slices.SortFunc(all, func(a, b kmsg.MetadataResponseTopic) int { return cmp.Compare(*a.Topic, *b.Topic) })
	return slices.CompactFunc(all, func(a, b kmsg.MetadataResponseTopic) bool { return *a.Topic == *b.Topic })
}

func describedPartitions(t *kmsg.MetadataResponseTopic, parts []kmsg.MetadataResponseTopicPartition) kmsg.DescribeTopicPartitionsResponseTopic {
	out := kmsg.NewDescribeTopicPartitionsResponseTopic()
	out.Topic, out.TopicID, out.ErrorCode, out.IsInternal = t.Topic, t.TopicID, t.ErrorCode, t.IsInternal
	out.AuthorizedOperations = t.AuthorizedOperations
	for i := range parts {
		p := kmsg.NewDescribeTopicPartitionsResponseTopicPartition()
		p.Partition, p.LeaderID, p.LeaderEpoch = parts[i].Partition, parts[i].Leader, parts[i].LeaderEpoch
		p.Replicas, p.ISR, p.EligibleLeaderReplicas, p.LastKnownELR = parts[i].Replicas, parts[i].ISR, []int32{}, []int32{}
		out.Partitions = append(out.Partitions, p)
	}
	return out
}
