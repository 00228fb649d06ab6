package kafka

import (
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// leaveMany is from where on one request names several members.
const leaveMany = 3

func (c *conn) leaveGroup(r *request) (kmsg.Response, error) {
	m := kmsg.NewPtrLeaveGroupRequest()
	if err := r.decode(m); err != nil {
		return nil, err
	}
	answer := kmsg.NewPtrLeaveGroupResponse()
	if answer.ErrorCode = c.mayUse(m.Group); answer.ErrorCode != errNone {
		return answer, nil
	}
	if r.version < leaveMany {
		one := kmsg.NewLeaveGroupRequestMember()
		one.MemberID = m.MemberID
		m.Members = append(m.Members, one)
	}
	err := c.inGroup(m.Group, func(h *hosted) { c.leaveMembers(h, m, answer) })
	if r.version < leaveMany && len(answer.Members) > 0 {
		answer.ErrorCode = answer.Members[0].ErrorCode
	}
	return answer, err
}

func (c *conn) leaveMembers(h *hosted, m *kmsg.LeaveGroupRequest, answer *kmsg.LeaveGroupResponse) {
	left := false
	for i := range m.Members {
		o := kmsg.NewLeaveGroupResponseMember()
		o.MemberID, o.InstanceID = m.Members[i].MemberID, m.Members[i].InstanceID
		switch {
		case h.classic != nil:
			o.ErrorCode = h.classic.Leave(o.MemberID, text(o.InstanceID))
		case h.modern != nil:
			o.ErrorCode = h.modern.LeaveClassic(c.server.groups.now(), o.MemberID, text(o.InstanceID))
		default:
			o.ErrorCode = kerr.UnknownMemberID.Code
		}
		left = left || o.ErrorCode == errNone
		answer.Members = append(answer.Members, o)
	}
	if left && h.classic != nil {
		h.classic.Left(c.server.groups.now())
	}
}
