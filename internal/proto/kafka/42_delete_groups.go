package kafka

import (
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"weir/internal/auth"
	"weir/internal/broker"
)

func (c *conn) deleteGroups(r *request) (kmsg.Response, error) {
	m := kmsg.NewPtrDeleteGroupsRequest()
	if err := r.decode(m); err != nil {
		return nil, err
	}
	answer := kmsg.NewPtrDeleteGroupsResponse()
	for _, name := range m.Groups {
		out := kmsg.NewDeleteGroupsResponseGroup()
		out.Group = name
		var err error
		if out.ErrorCode, err = c.deleteGroup(name); err != nil {
			return nil, err
		}
		answer.Groups = append(answer.Groups, out)
	}
	return answer, nil
}

// deleteGroup forgets a group without members.
func (c *conn) deleteGroup(name string) (code int16, err error) {
	if code = c.maySee(name); code != errNone {
		return code, nil
	}
	if c.session.MayGroup(auth.Delete, name) != nil {
		return kerr.GroupAuthorizationFailed.Code, nil
	}
	var failed error
	err = c.inGroup(name, func(h *hosted) {
		switch {
		case !h.empty():
			code = kerr.NonEmptyGroup.Code
		case !h.exists() && !c.hasPositions(name) && len(c.session.Shares(name)) == 0:
			code = kerr.GroupIDNotFound.Code
		default:
			if code = c.deleteShares(name); code == errNone {
				failed = h.forget(c.server.groups, c.ended)
			}
		}
	})
	if failed != nil {
		return kerr.CoordinatorNotAvailable.Code, err
	}
	return code, err
}

// forget removes all that is kept of a group.
func (h *hosted) forget(k *coordinator, ended <-chan struct{}) error {
	done := make(chan *broker.Error, 1)
	if err := k.session.DropPositions(h.name, nil, func(err *broker.Error) { done <- err }); err != nil {
		return err
	}
	select {
	case err := <-done:
		if err != nil {
			return err
		}
	case <-ended:
		return errEnded
	}
	h.classic, h.modern, h.dirty = nil, nil, false
	return h.keep(k, map[string]string{}, ended)
}
