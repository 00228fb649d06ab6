package kafka

import (
	"slices"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"weir/internal/proto/kafka/group"
)

// The types of members that ConsumerGroupDescribe tells apart.
const (
	memberClassic  = 0
	memberConsumer = 1
)

func (c *conn) consumerGroupDescribe(r *request) (kmsg.Response, error) {
	m := kmsg.NewPtrConsumerGroupDescribeRequest()
	if err := r.decode(m); err != nil {
		return nil, err
	}
	answer := kmsg.NewPtrConsumerGroupDescribeResponse()
	for _, name := range m.Groups {
		out := kmsg.NewConsumerGroupDescribeResponseGroup()
		out.Group = name
		if out.ErrorCode = c.maySee(name); out.ErrorCode == errNone {
			if err := c.inGroup(name, func(h *hosted) { describeConsumers(h, &out) }); err != nil {
				return nil, err
			}
			if !c.seesConsumers(&out) {
				out = kmsg.NewConsumerGroupDescribeResponseGroup()
				out.Group, out.ErrorCode, out.ErrorMessage = name, kerr.TopicAuthorizationFailed.Code, kmsg.StringPtr(groupOfUnseen)
			}
			if m.IncludeAuthorizedOperations && out.ErrorCode == errNone {
				out.AuthorizedOperations = c.groupOperations(name)
			}
		}
		answer.Groups = append(answer.Groups, out)
	}
	return answer, nil
}

// groupOfUnseen is said of a group whose members have topics that the client may
// not know of.
const groupOfUnseen = "The group has described topic(s) that the client is not authorized to describe."

func (c *conn) seesConsumers(g *kmsg.ConsumerGroupDescribeResponseGroup) bool {
	return !slices.ContainsFunc(g.Members, func(m kmsg.ConsumerGroupDescribeResponseGroupMember) bool {
		return c.unseen(m.Assignment.TopicPartitions) || c.unseen(m.TargetAssignment.TopicPartitions)
	})
}

// unseen says whether the client may not know of one of the topics.
func (c *conn) unseen(parts []kmsg.AssignmentTopicPartition) bool {
	return slices.ContainsFunc(parts, func(p kmsg.AssignmentTopicPartition) bool { return !c.sees(p.Topic) })
}

func describeConsumers(h *hosted, out *kmsg.ConsumerGroupDescribeResponseGroup) {
	g := h.modern
	if g == nil || g.Shared() {
		out.ErrorCode, out.ErrorMessage = kerr.GroupIDNotFound.Code, missing(h, group.ConsumerProtocol)
		return
	}
	epoch, target := g.Epoch()
	out.State, out.Epoch, out.AssignmentEpoch, out.AssignorName = string(g.State()), int32(epoch), int32(target), g.Assignor()
	for _, m := range g.Members() {
		o := kmsg.NewConsumerGroupDescribeResponseGroupMember()
		o.MemberID, o.InstanceID, o.RackID = m.ID, optional(m.Instance), optional(m.Rack)
		o.MemberEpoch, o.ClientID, o.ClientHost = int32(m.Epoch), m.Client, m.Host
		o.SubscribedTopics, o.SubscribedTopicRegex = m.Names, optional(m.Regex)
		o.Assignment.TopicPartitions = describeParts(g, m.Assigned)
		o.TargetAssignment.TopicPartitions = describeParts(g, m.Target)
		if o.MemberType = memberConsumer; m.Classic != nil {
			o.MemberType = memberClassic
		}
		out.Members = append(out.Members, o)
	}
}

// optional is a string that is missing where it is empty.
func optional(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

func describeParts(g *group.Modern, parts group.Parts) []kmsg.AssignmentTopicPartition {
	var all []kmsg.AssignmentTopicPartition
	for _, p := range parts {
		if n := len(all); n == 0 || all[n-1].TopicID != p.Topic {
			t := kmsg.NewAssignmentTopicPartition()
			t.TopicID = p.Topic
			t.Topic, _ = g.TopicNamed(p.Topic)
			all = append(all, t)
		}
		t := &all[len(all)-1]
		t.Partitions = append(t.Partitions, p.Number)
	}
	return all
}
