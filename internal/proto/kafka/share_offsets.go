package kafka

import (
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"weir/internal/auth"
	"weir/internal/broker"
)

// shareGroup says what is wrong with taking a group for a share group; quiet asks
// that nobody is a member.
func (c *conn) shareGroup(name string, verb auth.Verb, quiet bool) (code int16, err error) {
	switch {
	case name == "":
		return kerr.InvalidGroupID.Code, nil
	case c.session.MayGroup(verb, name) != nil:
		return kerr.GroupAuthorizationFailed.Code, nil
	}
	err = c.inGroup(name, func(h *hosted) {
		switch {
		case h.classic != nil || h.modern != nil && !h.modern.Shared():
			code = kerr.GroupIDNotFound.Code
		case quiet && !h.empty():
			code = kerr.NonEmptyGroup.Code
		}
	})
	return code, err
}

// startShare makes the group's view of a topic as its settings say, if it has none.
func (c *conn) startShare(group, topic string) *broker.Error {
	settings := c.groupSettings(group)
	begin, err := settings.begin(c.server.options.Clock.Now())
	if err != nil {
		return &broker.Error{Code: broker.CodeInvalid, Text: err.Error()}
	}
	_, no := c.session.Share(broker.ShareSpec{
		Group: group, Topic: topic, Begin: begin, LeaseMillis: settings.lock().Milliseconds(), Deliveries: shareDeliveries,
		Uncommitted: settings.uncommitted(), DeadTopic: settings[settingDeadTopic], DeadWhole: settings.deadWhole(),
	})
	return no
}

// deleteShares forgets what a group has read of all topics.
func (c *conn) deleteShares(group string) int16 { return code(c.session.DeleteShares(group)) }

// shareOffsets lists the partitions of a topic that a client asks for.
func (c *conn) shareOffsets(group, topic string, numbers []int32) kmsg.DescribeShareGroupOffsetsResponseGroupTopic {
	out := kmsg.NewDescribeShareGroupOffsetsResponseGroupTopic()
	out.Topic = topic
	info, err := c.session.Topic(topic)
	var all []broker.SharePlace
	if err == nil && c.sees(topic) {
		out.TopicID = info.ID
		all, err = c.session.ShareOffsets(group, topic)
	}
	if numbers == nil {
		for i := range all {
			numbers = append(numbers, int32(i))
		}
	}
	for _, n := range numbers {
		p := kmsg.NewDescribeShareGroupOffsetsResponseGroupTopicPartition()
		p.Partition, p.StartOffset, p.LeaderEpoch, p.Lag = n, -1, leaderEpoch, -1
		switch {
		case !c.sees(topic):
			p.ErrorCode = kerr.TopicAuthorizationFailed.Code
		case err != nil:
			p.ErrorCode = code(err)
		case n >= 0 && int(n) < len(all):
			p.StartOffset, p.Lag = int64(all[n].First), int64(all[n].Left)
		case n < 0 || int(n) >= info.Partitions:
			p.ErrorCode = kerr.UnknownTopicOrPartition.Code
		}
		out.Partitions = append(out.Partitions, p)
	}
	return out
}
