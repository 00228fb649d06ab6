package kafka

import (
	"slices"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"weir/internal/auth"
	"weir/internal/broker"
	"weir/internal/proto/kafka/group"
)

// offsetDelete forgets positions in topics that no member of the group reads.
func (c *conn) offsetDelete(r *request) (kmsg.Response, error) {
	m := kmsg.NewPtrOffsetDeleteRequest()
	if err := r.decode(m); err != nil {
		return nil, err
	}
	answer := kmsg.NewPtrOffsetDeleteResponse()
	answer.ErrorCode = c.mayUse(m.Group)
	if answer.ErrorCode == errNone && c.session.MayGroup(auth.Delete, m.Group) != nil {
		answer.ErrorCode = kerr.GroupAuthorizationFailed.Code
	}
	if answer.ErrorCode != errNone {
		return answer, nil
	}
	done := make(chan *broker.Error, 1)
	var failed *broker.Error
	err := c.inGroup(m.Group, func(h *hosted) {
		if answer.ErrorCode = c.mayDrop(h); answer.ErrorCode != errNone {
			return
		}
		if drop := c.dropped(h, m, answer); len(drop) > 0 {
			failed = c.session.DropPositions(m.Group, drop, func(err *broker.Error) { done <- err })
		} else {
			done <- nil
		}
	})
	if err != nil || answer.ErrorCode != errNone {
		return answer, err
	}
	if failed == nil {
		select {
		case failed = <-done:
		case <-c.ended:
			return nil, errEnded
		}
	}
	if failed != nil {
		answer.ErrorCode = kerr.CoordinatorNotAvailable.Code
	}
	return answer, nil
}

func (c *conn) mayDrop(h *hosted) int16 {
	switch {
	case !h.exists() && !c.hasPositions(h.name):
		return kerr.GroupIDNotFound.Code
	case h.classic != nil && !h.classic.Idle() && h.classic.ProtocolType() != group.ConsumerProtocol:
		return kerr.NonEmptyGroup.Code
	}
	return errNone
}

// dropped fills in the answer and returns what is to be forgotten.
func (c *conn) dropped(h *hosted, m *kmsg.OffsetDeleteRequest, answer *kmsg.OffsetDeleteResponse) []broker.GroupPosition {
	subscribed := h.subscribed()
	var drop []broker.GroupPosition
	for i := range m.Topics {
		t := &m.Topics[i]
		out := kmsg.NewOffsetDeleteResponseTopic()
		out.Topic = t.Topic
		for k := range t.Partitions {
			p := broker.GroupPosition{Topic: t.Topic, Partition: int(t.Partitions[k].Partition)}
			o := kmsg.NewOffsetDeleteResponseTopicPartition()
			o.Partition = t.Partitions[k].Partition
			if slices.Contains(subscribed, t.Topic) {
				o.ErrorCode = kerr.GroupSubscribedToTopic.Code
			} else if o.ErrorCode = code(c.session.CheckPosition(&p)); o.ErrorCode == errNone {
				drop = append(drop, p)
			}
			out.Partitions = append(out.Partitions, o)
		}
		answer.Topics = append(answer.Topics, out)
	}
	return drop
}
