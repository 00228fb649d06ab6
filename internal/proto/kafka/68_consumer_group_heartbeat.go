package kafka

import (
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"weir/internal/auth"
	"weir/internal/broker"
	"weir/internal/proto/kafka/group"
)

// catalog shows the topics that a session may know of. Whether it may read them is
// asked when it does.
type catalog struct{ session *broker.Session }

func (c catalog) sees(name string) bool { return c.session.MayTopic(auth.Describe, name) }

// Topic implements group.Catalog.
func (c catalog) Topic(name string) (group.Topic, bool) {
	t, err := c.session.Topic(name)
	if err != nil || !c.sees(name) {
		return group.Topic{}, false
	}
	return group.Topic{Name: t.Name, ID: group.TopicID(t.ID), Partitions: int32(t.Partitions)}, true
}

// All implements group.Catalog.
func (c catalog) All() []group.Topic {
	var all []group.Topic
	for _, t := range c.session.Topics() {
		if c.sees(t.Name) {
			all = append(all, group.Topic{Name: t.Name, ID: group.TopicID(t.ID), Partitions: int32(t.Partitions)})
		}
	}
	return all
}

// Gone implements group.Catalog.
func (c catalog) Gone(t group.Topic) bool {
	now, err := c.session.TopicByID(broker.TopicID(t.ID))
	return err != nil || int32(now.Partitions) != t.Partitions
}

// beatOwnID is from where on members choose their ids themselves.
const beatOwnID = 1

func (c *conn) consumerGroupHeartbeat(r *request) (kmsg.Response, error) {
	m := kmsg.NewPtrConsumerGroupHeartbeatRequest()
	if err := r.decode(m); err != nil {
		return nil, err
	}
	if r.version < beatOwnID && m.MemberID == "" && m.MemberEpoch == 0 {
		m.MemberID = randomID()
	}
	request := &group.BeatRequest{
		Member: m.MemberID, Client: c.client, Host: "/" + c.remote.Addr().String(), Epoch: group.Generation(m.MemberEpoch),
		Instance: m.InstanceID, Rack: m.RackID, Regex: m.SubscribedTopicRegex, Assignor: m.ServerAssignor,
		Rebalance: group.Millis(m.RebalanceTimeoutMillis), Names: m.SubscribedTopicNames,
	}
	if m.Topics != nil {
		var parts []group.Part
		for i := range m.Topics {
			for _, number := range m.Topics[i].Partitions {
				parts = append(parts, group.Part{Topic: m.Topics[i].TopicID, Number: number})
			}
		}
		owned := group.NewParts(parts)
		request.Owned = &owned
	}
	b := c.mayBeat(m.Group, request, false)
	if b.Code != errNone {
		return beatAnswer(b, nil), nil
	}
	own := c.groupSettings(m.Group)
	request.Session = own.session(false)
	err := c.inGroup(m.Group, func(h *hosted) { b = c.beat(h, request, false) })
	return beatAnswer(b, own), err
}

// mayBeat refuses what is wrong whatever the group is like.
func (c *conn) mayBeat(name string, r *group.BeatRequest, shared bool) group.Beat {
	if code := c.mayUse(name); code != errNone {
		if code == kerr.InvalidGroupID.Code {
			return group.Beat{Code: kerr.InvalidRequest.Code, Text: "GroupId can't be empty."}
		}
		return group.Beat{Code: code, Text: kerr.TypedErrorForCode(code).Description}
	}
	for _, topic := range r.Names {
		if !c.sees(topic) {
			return group.Beat{Code: kerr.TopicAuthorizationFailed.Code, Text: kerr.TopicAuthorizationFailed.Description}
		}
	}
	return r.Check(shared)
}

func (c *conn) beat(h *hosted, r *group.BeatRequest, shared bool) group.Beat {
	k, topics := c.server.groups, catalog{c.session}
	switch {
	case h.modern != nil && h.modern.Shared() != shared,
		h.modern == nil && (r.Epoch != 0 || !h.upgrade(k, topics, shared)):
		return group.Beat{Code: kerr.GroupIDNotFound.Code, Text: *missing(h, kindOf(shared))}
	}
	return h.modern.Heartbeat(k.now(), r, topics)
}

func kindOf(shared bool) string {
	if shared {
		return "share"
	}
	return group.ConsumerProtocol
}

// interval is when a member heartbeats next, in milliseconds.
func (g groupSettings) interval(settled, shared bool) int32 {
	d := unsettledBeats
	if settled {
		d = g.beats(shared)
	}
	return int32(d / time.Millisecond)
}

func beatAnswer(b group.Beat, own groupSettings) kmsg.Response {
	answer := kmsg.NewPtrConsumerGroupHeartbeatResponse()
	if answer.ErrorCode = b.Code; b.Code != errNone {
		answer.ErrorMessage = &b.Text
		return answer
	}
	answer.MemberID, answer.MemberEpoch = &b.Member, int32(b.Epoch)
	if b.Epoch >= 0 {
		answer.HeartbeatIntervalMillis = own.interval(b.Settled, false)
	}
	if b.Assigned == nil {
		return answer
	}
	answer.Assignment = &kmsg.ConsumerGroupHeartbeatResponseAssignment{}
	for _, p := range *b.Assigned {
		all := &answer.Assignment.Topics
		if n := len(*all); n == 0 || (*all)[n-1].TopicID != p.Topic {
			t := kmsg.NewConsumerGroupHeartbeatResponseAssignmentTopic()
			t.TopicID = p.Topic
			*all = append(*all, t)
		}
		t := &(*all)[len(*all)-1]
		t.Partitions = append(t.Partitions, p.Number)
	}
	return answer
}
