package kafka

import (
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"weir/internal/broker"
	"weir/internal/record"
)

const (
	commitTopicIDs    = 10 // from here on topics are named by their ids
	commitMemberEpoch = 9  // from here on members of the newer protocol may commit
)

// offsetCommit is answered when the positions are durable.
func (c *conn) offsetCommit(r *request) (kmsg.Response, error) {
	m := kmsg.NewPtrOffsetCommitRequest()
	if err := r.decode(m); err != nil {
		return nil, err
	}
	refused := c.mayUse(m.Group)
	answer, positions, at := c.commitAnswer(m)
	if refused != errNone {
		return refuseCommit(answer, refused, true), nil
	}
	done := make(chan *broker.Error, 1)
	var codes []*broker.Error
	var failed *broker.Error
	err := c.inGroup(m.Group, func(h *hosted) {
		refused = c.checkCommit(h, m)
		if refused == errNone {
			// Handed over in the group's turn: no older commit overtakes a newer one.
			codes, failed = c.session.CommitPositions(m.Group, positions, func(err *broker.Error) { done <- err })
		}
	})
	switch {
	case err != nil:
		return nil, err
	case refused != errNone:
		return refuseCommit(answer, refused, false), nil
	case failed == nil:
		select {
		case failed = <-done:
		case <-c.ended:
			return nil, errEnded
		}
	}
	for i, out := range at {
		if out.ErrorCode = positionCode(codes[i]); codes[i] == nil && failed != nil {
			out.ErrorCode = kerr.CoordinatorNotAvailable.Code
		}
	}
	return answer, nil
}

// commitAnswer is an answer to fill in, with the positions to commit and where
// their codes go. Topics that there are not, or may not be read, are answered
// already, whatever the group says to the rest.
func (c *conn) commitAnswer(m *kmsg.OffsetCommitRequest) (*kmsg.OffsetCommitResponse, []broker.GroupPosition, []*kmsg.OffsetCommitResponseTopicPartition) {
	answer := kmsg.NewPtrOffsetCommitResponse()
	now := c.server.options.Clock.Millis()
	var positions []broker.GroupPosition
	var at []*kmsg.OffsetCommitResponseTopicPartition
	for i := range m.Topics {
		t := &m.Topics[i]
		out := kmsg.NewOffsetCommitResponseTopic()
		out.Topic, out.TopicID = t.Topic, t.TopicID
		name, code := c.topicNamed(t.Topic, t.TopicID, m.Version >= commitTopicIDs)
		out.Partitions = make([]kmsg.OffsetCommitResponseTopicPartition, len(t.Partitions))
		for k := range t.Partitions {
			p, o := &t.Partitions[k], &out.Partitions[k]
			if o.Partition, o.ErrorCode = p.Partition, code; code != errNone {
				continue
			}
			position := broker.GroupPosition{
				Topic: name, Partition: int(p.Partition), Next: record.Offset(p.Offset), Epoch: p.LeaderEpoch, Text: text(p.Metadata), Committed: now,
			}
			if err := c.session.CheckPosition(&position); unplaced(err) {
				o.ErrorCode = positionCode(err)
				continue
			}
			if m.RetentionTimeMillis >= 0 && m.Version < 5 {
				position.Expires = now + m.RetentionTimeMillis
			}
			positions, at = append(positions, position), append(at, o)
		}
		answer.Topics = append(answer.Topics, out)
	}
	return answer, positions, at
}

// topicNamed finds the name of a topic that is named by its id.
func (c *conn) topicNamed(name string, id [16]byte, byID bool) (string, int16) {
	if !byID {
		return name, errNone
	}
	t, err := c.session.TopicByID(id)
	if err != nil {
		return "", kerr.UnknownTopicID.Code
	}
	return t.Name, errNone
}

// unplaced says whether a position is refused for its topic.
func unplaced(err *broker.Error) bool {
	return err != nil && (err.Code == broker.CodeNotFound || err.Code == broker.CodeAccessRefused)
}

// refuseCommit gives the code to all, or to what has none yet.
func refuseCommit(answer *kmsg.OffsetCommitResponse, code int16, all bool) kmsg.Response {
	for i := range answer.Topics {
		for k := range answer.Topics[i].Partitions {
			if p := &answer.Topics[i].Partitions[k]; all || p.ErrorCode == errNone {
				p.ErrorCode = code
			}
		}
	}
	return answer
}

func positionCode(err *broker.Error) int16 {
	if err != nil && err.Object == broker.ObjectGroup && err.Field == "text" {
		return kerr.OffsetMetadataTooLarge.Code
	}
	return code(err)
}

// checkCommit says whether the sender may commit for the group.
func (c *conn) checkCommit(h *hosted, m *kmsg.OffsetCommitRequest) int16 {
	code := h.checkCommit(c.server.groups.now(), m.MemberID, text(m.InstanceID), m.Generation, false, m.Version >= commitMemberEpoch)
	if code == kerr.GroupIDNotFound.Code && m.Version < commitMemberEpoch {
		return kerr.IllegalGeneration.Code
	}
	return code
}

// checkTransactionCommit says whether the sender may commit for the group in a
// transaction.
func (c *conn) checkTransactionCommit(name, member, instance string, generation int32) (int16, error) {
	refused := c.mayUse(name)
	if refused != errNone {
		return refused, nil
	}
	err := c.inGroup(name, func(h *hosted) {
		refused = h.checkCommit(c.server.groups.now(), member, instance, generation, true, true)
	})
	if refused == kerr.GroupIDNotFound.Code || refused == kerr.StaleMemberEpoch.Code {
		refused = kerr.IllegalGeneration.Code
	}
	return refused, err
}
