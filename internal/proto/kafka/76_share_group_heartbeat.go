package kafka

import (
	"github.com/twmb/franz-go/pkg/kmsg"

	"weir/internal/proto/kafka/group"
)

// shareGroupHeartbeat keeps a member of a share group, whose partitions others may
// have as well.
func (c *conn) shareGroupHeartbeat(r *request) (kmsg.Response, error) {
	m := kmsg.NewPtrShareGroupHeartbeatRequest()
	if err := r.decode(m); err != nil {
		return nil, err
	}
	request := &group.BeatRequest{
		Member: m.MemberID, Client: c.client, Host: "/" + c.remote.Addr().String(), Epoch: group.Generation(m.MemberEpoch),
		Rack: m.RackID, Rebalance: -1, Names: m.SubscribedTopicNames,
	}
	b := c.mayBeat(m.GroupID, request, true)
	if b.Code != errNone {
		return shareBeatAnswer(b, nil), nil
	}
	own := c.groupSettings(m.GroupID)
	request.Session = own.session(true)
	err := c.inGroup(m.GroupID, func(h *hosted) { b = c.beat(h, request, true) })
	return shareBeatAnswer(b, own), err
}

func shareBeatAnswer(b group.Beat, own groupSettings) kmsg.Response {
	answer := kmsg.NewPtrShareGroupHeartbeatResponse()
	if answer.ErrorCode = b.Code; b.Code != errNone {
		answer.ErrorMessage = &b.Text
		return answer
	}
	answer.MemberID, answer.MemberEpoch = &b.Member, int32(b.Epoch)
	if b.Epoch >= 0 {
		answer.HeartbeatIntervalMillis = own.interval(b.Settled, true)
	}
	if b.Assigned == nil {
		return answer
	}
	answer.Assignment = &kmsg.ShareGroupHeartbeatResponseAssignment{}
	for _, p := range *b.Assigned {
		all := &answer.Assignment.TopicPartitions
		if n := len(*all); n == 0 || (*all)[n-1].TopicID != p.Topic {
			t := kmsg.NewShareGroupHeartbeatResponseAssignmentTopicPartition()
			t.TopicID = p.Topic
			*all = append(*all, t)
		}
		t := &(*all)[len(*all)-1]
		t.Partitions = append(t.Partitions, p.Number)
	}
	return answer
}
