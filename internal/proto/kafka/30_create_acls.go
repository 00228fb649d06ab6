package kafka

import (
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"weir/internal/auth"
)

func (c *conn) createACLs(r *request) (kmsg.Response, error) {
	m := kmsg.NewPtrCreateACLsRequest()
	if err := r.decode(m); err != nil {
		return nil, err
	}
	answer := kmsg.NewPtrCreateACLsResponse()
	answer.Results = make([]kmsg.CreateACLsResponseResult, len(m.Creations))
	allowed := c.session.MayCluster(auth.Alter)
	var grants []auth.Grant
	for i := range m.Creations {
		x, out := &m.Creations[i], &answer.Results[i]
		b := binding{x.ResourceType, x.ResourceName, x.ResourcePatternType, x.Principal, x.Host, x.Operation, x.PermissionType}
		g, text := b.grant()
		switch {
		case !allowed:
			out.ErrorCode, out.ErrorMessage = kerr.ClusterAuthorizationFailed.Code, &kerr.ClusterAuthorizationFailed.Description
		case text != "":
			out.ErrorCode, out.ErrorMessage = kerr.InvalidRequest.Code, &text
		default:
			grants = append(grants, g)
		}
	}
	if err := c.session.PutGrants(grants); err != nil {
		for i := range answer.Results {
			if out := &answer.Results[i]; out.ErrorCode == errNone {
				out.ErrorCode = code(err)
			}
		}
	}
	return answer, nil
}
