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
		if h.classic == nil {
			answer.ErrorCode = kerr.UnknownMemberID.Code
			return
		}
		answer.ErrorCode = h.classic.Heartbeat(c.server.groups.now(), m.MemberID, text(m.InstanceID), group.Generation(m.Generation))
	})
}
