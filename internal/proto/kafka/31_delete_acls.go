package kafka

import (
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"weir/internal/auth"
)

func (c *conn) deleteACLs(r *request) (kmsg.Response, error) {
	m := kmsg.NewPtrDeleteACLsRequest()
	if err := r.decode(m); err != nil {
		return nil, err
	}
	answer := kmsg.NewPtrDeleteACLsResponse()
	allowed := c.session.MayCluster(auth.Alter)
	for i := range m.Filters {
		x := &m.Filters[i]
		out := kmsg.NewDeleteACLsResponseResult()
		f := bindingFilter{x.ResourceType, x.ResourceName, x.ResourcePatternType, x.Principal, x.Host, x.Operation, x.PermissionType}
		switch {
		case !allowed:
			out.ErrorCode, out.ErrorMessage = kerr.ClusterAuthorizationFailed.Code, &kerr.ClusterAuthorizationFailed.Description
		case !f.sound():
			out.ErrorCode, out.ErrorMessage = kerr.InvalidRequest.Code, kmsg.StringPtr("The AclBindingFilter contains UNKNOWN elements")
		default:
			c.deletePicked(&f, &out)
		}
		answer.Results = append(answer.Results, out)
	}
	return answer, nil
}

func (c *conn) deletePicked(f *bindingFilter, out *kmsg.DeleteACLsResponseResult) {
	grants, bindings := picked(c.session.Grants(), f)
	if err := c.session.DeleteGrants(grants); err != nil {
		out.ErrorCode = code(err)
		return
	}
	for i := range bindings {
		b := &bindings[i]
		acl := kmsg.NewDeleteACLsResponseResultMatchingACL()
		acl.ResourceType, acl.ResourceName, acl.ResourcePatternType = b.resource, b.name, b.pattern
		acl.Principal, acl.Host, acl.Operation, acl.PermissionType = b.principal, b.host, b.operation, b.permitted
		out.MatchingACLs = append(out.MatchingACLs, acl)
	}
}
