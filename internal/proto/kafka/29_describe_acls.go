package kafka

import (
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"weir/internal/auth"
)

func (c *conn) describeACLs(r *request) (kmsg.Response, error) {
	m := kmsg.NewPtrDescribeACLsRequest()
	if err := r.decode(m); err != nil {
		return nil, err
	}
	answer := kmsg.NewPtrDescribeACLsResponse()
	f := bindingFilter{m.ResourceType, m.ResourceName, m.ResourcePatternType, m.Principal, m.Host, m.Operation, m.PermissionType}
	switch {
	case !c.session.MayCluster(auth.Describe):
		answer.ErrorCode, answer.ErrorMessage = kerr.ClusterAuthorizationFailed.Code, &kerr.ClusterAuthorizationFailed.Description
		return answer, nil
	case !f.sound():
		answer.ErrorCode, answer.ErrorMessage = kerr.InvalidRequest.Code, kmsg.StringPtr("The AclBindingFilter contains UNKNOWN elements")
		return answer, nil
	}
	_, bindings := picked(c.session.Grants(), &f)
	at := map[[2]any]int{}
	for i := range bindings {
		b := &bindings[i]
		key := [2]any{b.resource, [2]any{b.pattern, b.name}}
		n, there := at[key]
		if !there {
			n = len(answer.Resources)
			at[key] = n
			resource := kmsg.NewDescribeACLsResponseResource()
			resource.ResourceType, resource.ResourceName, resource.ResourcePatternType = b.resource, b.name, b.pattern
			answer.Resources = append(answer.Resources, resource)
		}
		acl := kmsg.NewDescribeACLsResponseResourceACL()
		acl.Principal, acl.Host, acl.Operation, acl.PermissionType = b.principal, b.host, b.operation, b.permitted
		answer.Resources[n].ACLs = append(answer.Resources[n].ACLs, acl)
	}
	return answer, nil
}
