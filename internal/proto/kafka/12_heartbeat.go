package kafka

import (
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"weir/internal/proto/kafka/group"
)

// text is a string that may be missing.
func text(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

func (c *conn) heartbeat(r *request) (kmsg.Response, error) {
	m := kmsg.NewPtrHeartbeatRequest()
	if err := r.decode(m); err != nil {
		return nil, err
	}
	answer := kmsg.NewPtrHeartbeatResponse()
	if answer.ErrorCode = c.mayUse(m.Group); answer.ErrorCode != errNone {
		return answer, nil
	}
	return answer, c.inGroup(m.Group, func(h *hosted) {
		now, generation := c.server.groups.now(), group.Generation(m.Generation)
		switch {
		case h.classic != nil:
			answer.ErrorCode = h.classic.Heartbeat(now, m.MemberID, text(m.InstanceID), generation)
		case h.modern != nil:
			answer.ErrorCode = h.modern.HeartbeatClassic(now, m.MemberID, text(m.InstanceID), generation)
		default:
			answer.ErrorCode = kerr.UnknownMemberID.Code
		}
	})
}
