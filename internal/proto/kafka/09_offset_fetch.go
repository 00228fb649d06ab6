package kafka

import (
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"weir/internal/broker"
	"weir/internal/proto/kafka/group"
)

// The versions in which OffsetFetch changed its shape.
const (
	fetchGroupCode = 2  // the group has an error code of its own
	fetchGroups    = 8  // several groups in one request
	fetchTopicIDs  = 10 // topics are named by their ids
)

// offsetFetch is written for several groups; older versions have one.
func (c *conn) offsetFetch(r *request) (kmsg.Response, error) {
	m := kmsg.NewPtrOffsetFetchRequest()
	if err := r.decode(m); err != nil {
		return nil, err
	}
	if r.version < fetchGroups {
		m.Groups = []kmsg.OffsetFetchRequestGroup{oneGroup(m)}
	}
	answer := kmsg.NewPtrOffsetFetchResponse()
	for i := range m.Groups {
		g, err := c.fetchGroup(&m.Groups[i], m.RequireStable, r.version)
		if err != nil {
			return nil, err
		}
		answer.Groups = append(answer.Groups, g)
	}
	if r.version < fetchGroups {
		onlyGroup(answer, m)
	}
	return answer, nil
}

// oneGroup is a request of one group as one of several.
func oneGroup(m *kmsg.OffsetFetchRequest) kmsg.OffsetFetchRequestGroup {
	g := kmsg.NewOffsetFetchRequestGroup()
	g.Group = m.Group
	if m.Topics == nil && m.Version >= fetchGroupCode {
		return g
	}
	g.Topics = []kmsg.OffsetFetchRequestGroupTopic{}
	for i := range m.Topics {
		t := kmsg.NewOffsetFetchRequestGroupTopic()
		t.Topic, t.Partitions = m.Topics[i].Topic, m.Topics[i].Partitions
		g.Topics = append(g.Topics, t)
	}
	return g
}

// onlyGroup makes the answer of one group from that of several.
func onlyGroup(answer *kmsg.OffsetFetchResponse, m *kmsg.OffsetFetchRequest) {
	g := &answer.Groups[0]
	answer.ErrorCode = g.ErrorCode
	for i := range g.Topics {
		t := kmsg.NewOffsetFetchResponseTopic()
		t.Topic = g.Topics[i].Topic
		for _, p := range g.Topics[i].Partitions {
			o := kmsg.NewOffsetFetchResponseTopicPartition()
			o.Partition, o.Offset, o.LeaderEpoch, o.Metadata, o.ErrorCode = p.Partition, p.Offset, p.LeaderEpoch, p.Metadata, p.ErrorCode
			t.Partitions = append(t.Partitions, o)
		}
		answer.Topics = append(answer.Topics, t)
	}
	if g.ErrorCode == errNone || m.Version >= fetchGroupCode {
		return
	}
	for i := range m.Topics {
		t := kmsg.NewOffsetFetchResponseTopic()
		t.Topic = m.Topics[i].Topic
		for _, p := range m.Topics[i].Partitions {
			o := kmsg.NewOffsetFetchResponseTopicPartition()
			o.Partition, o.Offset, o.Metadata, o.ErrorCode = p, -1, new(string), g.ErrorCode
			t.Partitions = append(t.Partitions, o)
		}
		answer.Topics = append(answer.Topics, t)
	}
}

func (c *conn) fetchGroup(asked *kmsg.OffsetFetchRequestGroup, stable bool, version int16) (kmsg.OffsetFetchResponseGroup, error) {
	out := kmsg.NewOffsetFetchResponseGroup()
	out.Group = asked.Group
	if out.ErrorCode = c.maySee(asked.Group); out.ErrorCode != errNone {
		return out, nil
	}
	if asked.MemberID != nil || asked.MemberEpoch >= 0 {
		err := c.inGroup(asked.Group, func(h *hosted) { out.ErrorCode = h.checkFetch(asked) })
		if err != nil || out.ErrorCode != errNone {
			return out, err
		}
	}
	positions, failed := c.session.Positions(asked.Group)
	if failed != nil {
		out.ErrorCode = kerr.CoordinatorNotAvailable.Code
		return out, nil
	}
	if asked.Topics == nil {
		out.Topics = c.allPositions(asked.Group, positions, stable)
		return out, nil
	}
	found := map[broker.GroupPosition]*broker.GroupPosition{}
	for i := range positions {
		p := &positions[i]
		found[broker.GroupPosition{TopicID: p.TopicID, Partition: p.Partition}] = p
	}
	for i := range asked.Topics {
		out.Topics = append(out.Topics, c.fetchTopic(asked.Group, &asked.Topics[i], found, stable, version))
	}
	return out, nil
}

// checkFetch says whether a member may ask. Those of classic groups always may.
func (h *hosted) checkFetch(asked *kmsg.OffsetFetchRequestGroup) int16 {
	if h.modern == nil {
		return errNone
	}
	return h.modern.CheckFetch(text(asked.MemberID), group.Generation(asked.MemberEpoch))
}

func (c *conn) fetchTopic(
	name string, asked *kmsg.OffsetFetchRequestGroupTopic, found map[broker.GroupPosition]*broker.GroupPosition, stable bool, version int16,
) kmsg.OffsetFetchResponseGroupTopic {
	t := kmsg.NewOffsetFetchResponseGroupTopic()
	t.Topic, t.TopicID = asked.Topic, asked.TopicID
	topic, refused := c.topicNamed(asked.Topic, asked.TopicID, version >= fetchTopicIDs)
	id := asked.TopicID
	if refused == errNone && !c.sees(topic) {
		refused = kerr.TopicAuthorizationFailed.Code
	}
	if refused == errNone {
		if info, err := c.session.Topic(topic); err == nil {
			id = info.ID
		}
	}
	for _, number := range asked.Partitions {
		p := found[broker.GroupPosition{TopicID: id, Partition: int(number)}]
		o := c.fetchedPosition(name, p, stable)
		if o.Partition = number; refused != errNone {
			o.ErrorCode, o.Offset, o.LeaderEpoch, o.Metadata = refused, -1, -1, new(string)
		}
		t.Partitions = append(t.Partitions, o)
	}
	return t
}

// fetchedPosition is p as it is told, where nil is none.
func (c *conn) fetchedPosition(name string, p *broker.GroupPosition, stable bool) kmsg.OffsetFetchResponseGroupTopicPartition {
	o := kmsg.NewOffsetFetchResponseGroupTopicPartition()
	o.Offset, o.LeaderEpoch, o.Metadata = -1, -1, new(string)
	switch {
	case p == nil:
	case stable && c.server.pendingPosition(name, p.TopicID, p.Partition):
		o.Partition, o.ErrorCode = int32(p.Partition), kerr.UnstableOffsetCommit.Code
	default:
		o.Partition, o.Offset, o.LeaderEpoch, o.Metadata = int32(p.Partition), int64(p.Next), p.Epoch, &p.Text
	}
	return o
}

// allPositions are those of a group in topics that the session may know of.
func (c *conn) allPositions(name string, positions []broker.GroupPosition, stable bool) []kmsg.OffsetFetchResponseGroupTopic {
	var all []kmsg.OffsetFetchResponseGroupTopic
	for i := range positions {
		p := &positions[i]
		if !c.sees(p.Topic) {
			continue
		}
		if len(all) == 0 || all[len(all)-1].TopicID != p.TopicID {
			t := kmsg.NewOffsetFetchResponseGroupTopic()
			t.Topic, t.TopicID = p.Topic, p.TopicID
			all = append(all, t)
		}
		t := &all[len(all)-1]
		t.Partitions = append(t.Partitions, c.fetchedPosition(name, p, stable))
	}
	return all
}

// pendingPosition says whether a transaction that has not ended will set the
// position of a group.
func (s *Server) pendingPosition(group string, topic [16]byte, partition int) bool {
	return s.transactions.pending(group, topic, partition)
}
