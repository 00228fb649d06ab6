package kafka

import (
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"weir/internal/proto/kafka/group"
)

// syncNamed is from where on a sync says which protocol it is about.
const syncNamed = 5

// syncGroup waits until the leader has assigned.
func (c *conn) syncGroup(r *request) (kmsg.Response, error) {
	m := kmsg.NewPtrSyncGroupRequest()
	if err := r.decode(m); err != nil {
		return nil, err
	}
	code := c.mayUse(m.Group)
	if code == errNone && r.version >= syncNamed && (m.ProtocolType == nil || m.Protocol == nil) {
		code = kerr.InconsistentGroupProtocol.Code
	}
	if code != errNone {
		return syncAnswer(&group.Synced{Code: code}), nil
	}
	request := &group.SyncRequest{
		Member: m.MemberID, Instance: text(m.InstanceID), Generation: group.Generation(m.Generation),
		ProtocolType: text(m.ProtocolType), Protocol: text(m.Protocol), Assignments: map[string][]byte{},
	}
	for i := range m.GroupAssignment {
		a := &m.GroupAssignment[i]
		request.Assignments[a.MemberID] = append([]byte(nil), a.MemberAssignment...)
	}
	var t group.Ticket
	var wait <-chan group.Answer
	at := &group.Synced{Code: kerr.UnknownMemberID.Code}
	err := c.inGroup(m.Group, func(h *hosted) {
		switch k := c.server.groups; {
		case h.classic != nil:
			t, wait = k.ticket(h)
			h.classic.Sync(k.now(), request, t)
		case h.modern != nil:
			at = h.modern.SyncClassic(k.now(), request)
		}
	})
	switch {
	case err != nil:
		return nil, err
	case wait == nil:
		return syncAnswer(at), nil
	}
	a, err := c.park(m.Group, t, wait)
	if err != nil {
		return nil, err
	}
	return syncAnswer(a.Synced), nil
}

func syncAnswer(s *group.Synced) kmsg.Response {
	answer := kmsg.NewPtrSyncGroupResponse()
	answer.ErrorCode, answer.MemberAssignment = s.Code, s.Assignment
	if s.Code == errNone {
		answer.ProtocolType, answer.Protocol = &s.ProtocolType, &s.Protocol
	}
	return answer
}
