package kafka

import (
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

func (c *conn) shareGroupDescribe(r *request) (kmsg.Response, error) {
	m := kmsg.NewPtrShareGroupDescribeRequest()
	if err := r.decode(m); err != nil {
		return nil, err
	}
	answer := kmsg.NewPtrShareGroupDescribeResponse()
	for _, name := range m.GroupIDs {
		out := kmsg.NewShareGroupDescribeResponseGroup()
		out.GroupID = name
		if out.ErrorCode = c.maySee(name); out.ErrorCode == errNone {
			if err := c.inGroup(name, func(h *hosted) { describeSharers(h, &out) }); err != nil {
				return nil, err
			}
			if !c.seesSharers(&out) {
				out = kmsg.NewShareGroupDescribeResponseGroup()
				out.GroupID, out.ErrorCode, out.ErrorMessage = name, kerr.TopicAuthorizationFailed.Code, kmsg.StringPtr(groupOfUnseen)
			}
			if m.IncludeAuthorizedOperations && out.ErrorCode == errNone {
				out.AuthorizedOperations = c.groupOperations(name)
			}
		}
		answer.Groups = append(answer.Groups, out)
	}
	return answer, nil
}

func (c *conn) seesSharers(g *kmsg.ShareGroupDescribeResponseGroup) bool {
	for i := range g.Members {
		for _, p := range g.Members[i].Assignment.TopicPartitions {
			if !c.sees(p.Topic) {
				return false
			}
		}
	}
	return true
}

func describeSharers(h *hosted, out *kmsg.ShareGroupDescribeResponseGroup) {
	g := h.modern
	if g == nil || !g.Shared() {
		out.ErrorCode, out.ErrorMessage = kerr.GroupIDNotFound.Code, missing(h, kindOf(true))
		return
	}
	epoch, target := g.Epoch()
	out.GroupState, out.GroupEpoch, out.AssignmentEpoch, out.Assignor = string(g.State()), int32(epoch), int32(target), g.Assignor()
	for _, m := range g.Members() {
		o := kmsg.NewShareGroupDescribeResponseGroupMember()
		o.MemberID, o.RackID, o.MemberEpoch, o.ClientID, o.ClientHost = m.ID, optional(m.Rack), int32(m.Epoch), m.Client, m.Host
		o.SubscribedTopicNames = m.Names
		for _, t := range describeParts(g, m.Assigned) {
			p := kmsg.NewShareGroupDescribeResponseGroupMemberAssignmentTopicPartition()
			p.TopicID, p.Topic, p.Partitions = t.TopicID, t.Topic, t.Partitions
			o.Assignment.TopicPartitions = append(o.Assignment.TopicPartitions, p)
		}
		out.Members = append(out.Members, o)
	}
}
