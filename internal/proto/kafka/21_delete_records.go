package kafka

import (
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"weir/internal/proto/kafka/config"
	"weir/internal/record"
)

// toTheEnd stands for the end of a partition where messages are deleted.
const toTheEnd = -1

func (c *conn) deleteRecords(r *request) (kmsg.Response, error) {
	m := kmsg.NewPtrDeleteRecordsRequest()
	if err := r.decode(m); err != nil {
		return nil, err
	}
	answer := kmsg.NewPtrDeleteRecordsResponse()
	for i := range m.Topics {
		t := &m.Topics[i]
		out := kmsg.NewDeleteRecordsResponseTopic()
		out.Topic = t.Topic
		for k := range t.Partitions {
			p := &t.Partitions[k]
			o := kmsg.NewDeleteRecordsResponseTopicPartition()
			o.Partition = p.Partition
			o.LowWatermark, o.ErrorCode = c.trim(t.Topic, p.Partition, p.Offset)
			out.Partitions = append(out.Partitions, o)
		}
		answer.Topics = append(answer.Topics, out)
	}
	return answer, nil
}

// trim deletes the messages of a partition below an offset.
func (c *conn) trim(topic string, partition int32, below int64) (first int64, no int16) {
	t, err := c.session.Topic(topic)
	switch {
	case err != nil:
		return -1, code(err)
	case below < toTheEnd:
		return -1, kerr.OffsetOutOfRange.Code
	case t.Arguments[config.CleanupPolicy] == "compact":
		return -1, kerr.PolicyViolation.Code
	}
	if below == toTheEnd {
		b, err := c.session.Bounds(topic, int(partition))
		if err != nil {
			return -1, code(err)
		}
		below = int64(b.End)
	}
	low, err := c.session.Trim(topic, int(partition), record.Offset(below))
	if err != nil {
		return -1, code(err)
	}
	return int64(low), errNone
}
