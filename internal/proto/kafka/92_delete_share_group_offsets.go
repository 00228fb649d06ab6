package kafka

import (
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"weir/internal/auth"
	"weir/internal/broker"
)

// deleteShareGroupOffsets lets a share group without members forget topics.
func (c *conn) deleteShareGroupOffsets(r *request) (kmsg.Response, error) {
	m := kmsg.NewPtrDeleteShareGroupOffsetsRequest()
	if err := r.decode(m); err != nil {
		return nil, err
	}
	answer := kmsg.NewPtrDeleteShareGroupOffsetsResponse()
	refused, err := c.shareGroup(m.GroupID, auth.Delete, true)
	if answer.ErrorCode = refused; err != nil || refused != errNone {
		return answer, err
	}
	for i := range m.Topics {
		out := kmsg.NewDeleteShareGroupOffsetsResponseTopic()
		out.Topic = m.Topics[i].Topic
		if !c.session.MayTopic(auth.Read, out.Topic) {
			out.ErrorCode = kerr.TopicAuthorizationFailed.Code
			answer.Topics = append(answer.Topics, out)
			continue
		}
		info, no := c.session.Topic(out.Topic)
		if out.TopicID = info.ID; no == nil {
			if no = c.session.DeleteShare(m.GroupID, out.Topic); no != nil && no.Code == broker.CodeNotFound {
				no = nil // the group has not read it
			}
		}
		out.ErrorCode = code(no)
		answer.Topics = append(answer.Topics, out)
	}
	return answer, nil
}
