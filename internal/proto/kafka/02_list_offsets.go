package kafka

import (
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"weir/internal/broker"
	"weir/internal/record"
)

// The timestamps that stand for something else.
const (
	offsetLatest   = -1
	offsetEarliest = -2
)

func (c *conn) listOffsets(r *request) (kmsg.Response, error) {
	m := kmsg.NewPtrListOffsetsRequest()
	if err := r.decode(m); err != nil {
		return nil, err
	}
	answer := kmsg.NewPtrListOffsetsResponse()
	for i := range m.Topics {
		t := &m.Topics[i]
		out := kmsg.NewListOffsetsResponseTopic()
		out.Topic = t.Topic
		for k := range t.Partitions {
			out.Partitions = append(out.Partitions, c.listOffset(t.Topic, &t.Partitions[k], m.IsolationLevel == readCommitted))
		}
		answer.Topics = append(answer.Topics, out)
	}
	return answer, nil
}

func (c *conn) listOffset(topic string, p *kmsg.ListOffsetsRequestTopicPartition, committed bool) kmsg.ListOffsetsResponseTopicPartition {
	out := kmsg.NewListOffsetsResponseTopicPartition()
	out.Partition, out.Offset, out.Timestamp, out.LeaderEpoch = p.Partition, -1, -1, leaderEpoch
	var at record.Offset
	bounds, err := c.session.Bounds(topic, int(p.Partition))
	end := bounds.End
	if committed {
		end = bounds.Stable
	}
	switch {
	case err != nil:
	case p.Timestamp == offsetLatest:
		at = end
	case p.Timestamp == offsetEarliest:
		at = bounds.First
	case p.Timestamp < 0:
		out.ErrorCode = kerr.UnsupportedVersion.Code
		return out
	default:
		if at, err = c.session.OffsetAt(topic, int(p.Partition), broker.Position{UnixMillis: max(p.Timestamp, 1)}); err == nil && at >= end {
			return out // nothing is as late
		}
		out.Timestamp = p.Timestamp
	}
	if out.ErrorCode = code(err); err == nil {
		out.Offset = int64(at)
	}
	return out
}
