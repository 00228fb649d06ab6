package kafka

import (
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// shareAcknowledge is told what became of messages of a share group.
func (c *conn) shareAcknowledge(r *request) (kmsg.Response, error) {
	m := kmsg.NewPtrShareAcknowledgeRequest()
	if err := r.decode(m); err != nil {
		return nil, err
	}
	answer := kmsg.NewPtrShareAcknowledgeResponse()
	if answer.ErrorCode = c.mayShare(m.GroupID, m.MemberID); answer.ErrorCode != errNone {
		return answer, nil
	}
	key := shareKey{*m.GroupID, *m.MemberID}
	if m.ShareSessionEpoch == shareEpochNew {
		answer.ErrorCode = kerr.InvalidShareSessionEpoch.Code
		return answer, nil
	}
	s, refused := c.share(key, m.ShareSessionEpoch)
	if answer.ErrorCode = refused; refused != errNone {
		return answer, nil
	}
	answer.AcquisitionLockTimeoutMillis = int32(c.groupSettings(s.group).lock().Milliseconds())
	w := &acknowledging{}
	parts := make([][]*sharePart, len(m.Topics))
	for i := range m.Topics {
		for k := range m.Topics[i].Partitions {
			asked := &m.Topics[i].Partitions[k]
			acks := make([]shareAck, 0, len(asked.AcknowledgementBatches))
			for _, b := range asked.AcknowledgementBatches {
				acks = append(acks, shareAck{b.FirstOffset, b.LastOffset, b.AcknowledgeTypes})
			}
			p := s.part(m.Topics[i].TopicID, asked.Partition)
			if p == nil {
				p = unknownPart(m.Topics[i].TopicID, asked.Partition)
			}
			w.acknowledge(p, acks, m.IsRenewAck)
			parts[i] = append(parts[i], p)
		}
	}
	w.Wait()
	for i := range m.Topics {
		t := kmsg.NewShareAcknowledgeResponseTopic()
		t.TopicID = m.Topics[i].TopicID
		for _, p := range parts[i] {
			out := kmsg.NewShareAcknowledgeResponseTopicPartition()
			out.Partition, out.ErrorCode = p.number, c.acknowledged(w, p)
			t.Partitions = append(t.Partitions, out)
		}
		answer.Topics = append(answer.Topics, t)
	}
	if m.ShareSessionEpoch == shareEpochFinal {
		c.closeShare(key)
	}
	return answer, nil
}
