package kafka

import (
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"weir/internal/auth"
)

// What a coordinator may be asked for.
const (
	coordinatesGroup       = 0
	coordinatesTransaction = 1
	coordinatesShare       = 2
	coordinatesShareSince  = 6 // version
)

// findCoordinator: this node coordinates everything.
func (c *conn) findCoordinator(r *request) (kmsg.Response, error) {
	m := kmsg.NewPtrFindCoordinatorRequest()
	if err := r.decode(m); err != nil {
		return nil, err
	}
	answer := kmsg.NewPtrFindCoordinatorResponse()
	if r.version < 4 {
		m.CoordinatorKeys = []string{m.CoordinatorKey}
	}
	for _, key := range m.CoordinatorKeys {
		out := kmsg.NewFindCoordinatorResponseCoordinator()
		out.Key, out.NodeID, out.Port = key, -1, -1
		if out.ErrorCode = c.coordinates(r.version, m.CoordinatorType, key); out.ErrorCode == errNone {
			out.NodeID = nodeID
			out.Host, out.Port = c.address()
		} else {
			out.ErrorMessage = &kerr.TypedErrorForCode(out.ErrorCode).Description
		}
		answer.Coordinators = append(answer.Coordinators, out)
	}
	if r.version < 4 {
		o := &answer.Coordinators[0]
		answer.ErrorCode, answer.ErrorMessage, answer.NodeID, answer.Host, answer.Port = o.ErrorCode, o.ErrorMessage, o.NodeID, o.Host, o.Port
	}
	return answer, nil
}

func (c *conn) coordinates(version int16, kind int8, key string) int16 {
	switch kind {
	case coordinatesGroup:
		if key != "" && c.session.MayGroup(auth.Describe, key) != nil { // what has no name is refused where it is used
			return kerr.GroupAuthorizationFailed.Code
		}
		c.server.internal.ensure(c.server.transactions.session, offsetsTopic)
	case coordinatesTransaction:
		if !c.session.MayTransact(auth.Describe, key) {
			return kerr.TransactionalIDAuthorizationFailed.Code
		}
		c.server.internal.ensure(c.server.transactions.session, transactionsTopic)
	case coordinatesShare:
		if version < coordinatesShareSince {
			return kerr.InvalidRequest.Code
		}
	default:
		return kerr.InvalidRequest.Code
	}
	return errNone
}
