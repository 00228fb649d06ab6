package kafka

import (
	"github.com/twmb/franz-go/pkg/kmsg"

	"weir/internal/auth"
	"weir/internal/record"
)

// alterShareGroupOffsets moves a share group without members.
func (c *conn) alterShareGroupOffsets(r *request) (kmsg.Response, error) {
	m := kmsg.NewPtrAlterShareGroupOffsetsRequest()
	if err := r.decode(m); err != nil {
		return nil, err
	}
	answer := kmsg.NewPtrAlterShareGroupOffsetsResponse()
	refused, err := c.shareGroup(m.GroupID, auth.Read, true)
	if answer.ErrorCode = refused; err != nil || refused != errNone {
		return answer, err
	}
	for i := range m.Topics {
		t := &m.Topics[i]
		out := kmsg.NewAlterShareGroupOffsetsResponseTopic()
		out.Topic = t.Topic
		info, no := c.session.Topic(t.Topic)
		if out.TopicID = info.ID; no == nil {
			no = c.startShare(m.GroupID, t.Topic)
		}
		for _, asked := range t.Partitions {
			p := kmsg.NewAlterShareGroupOffsetsResponseTopicPartition()
			p.Partition = asked.Partition
			bad := no
			if bad == nil {
				bad = c.session.ResetShare(m.GroupID, t.Topic, int(asked.Partition), record.Offset(max(asked.StartOffset, 0)))
			}
			p.ErrorCode = code(bad)
			out.Partitions = append(out.Partitions, p)
		}
		answer.Topics = append(answer.Topics, out)
	}
	return answer, nil
}
