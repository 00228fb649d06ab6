package kafka

import (
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// offsetForLeaderEpoch tells where an epoch ends: there is one, and it goes on.
func (c *conn) offsetForLeaderEpoch(r *request) (kmsg.Response, error) {
	m := kmsg.NewPtrOffsetForLeaderEpochRequest()
	if err := r.decode(m); err != nil {
		return nil, err
	}
	answer := kmsg.NewPtrOffsetForLeaderEpochResponse()
	for i := range m.Topics {
		t := &m.Topics[i]
		out := kmsg.NewOffsetForLeaderEpochResponseTopic()
		out.Topic = t.Topic
		for k := range t.Partitions {
			p := &t.Partitions[k]
			o := kmsg.NewOffsetForLeaderEpochResponseTopicPartition()
			o.Partition, o.LeaderEpoch, o.EndOffset = p.Partition, -1, -1
			b, err := c.session.Bounds(t.Topic, int(p.Partition))
			switch {
			case err != nil:
				o.ErrorCode = code(err)
			case p.CurrentLeaderEpoch > leaderEpoch:
				o.ErrorCode = kerr.UnknownLeaderEpoch.Code
			case p.LeaderEpoch == leaderEpoch:
				o.LeaderEpoch, o.EndOffset = leaderEpoch, int64(b.End)
			}
			out.Partitions = append(out.Partitions, o)
		}
		answer.Topics = append(answer.Topics, out)
	}
	return answer, nil
}
