package kafka

import (
	"strings"

	"github.com/twmb/franz-go/pkg/kmsg"

	"weir/internal/auth"
)

// userPrincipal is the only type of principal there is.
const userPrincipal = "User:"

// clusterResource is the protocol's name of the only cluster.
const clusterResource = "kafka-cluster"

var aclResources = map[kmsg.ACLResourceType]auth.Resource{
	kmsg.ACLResourceTypeTopic: auth.ResourceTopic, kmsg.ACLResourceTypeGroup: auth.ResourceGroup,
	kmsg.ACLResourceTypeCluster: auth.ResourceCluster, kmsg.ACLResourceTypeTransactionalId: auth.ResourceTransaction,
}

var aclVerbs = map[kmsg.ACLOperation]auth.Verb{
	kmsg.ACLOperationAll: auth.All, kmsg.ACLOperationRead: auth.Read, kmsg.ACLOperationWrite: auth.Write, kmsg.ACLOperationCreate: auth.Create,
	kmsg.ACLOperationDelete: auth.Delete, kmsg.ACLOperationAlter: auth.Alter, kmsg.ACLOperationDescribe: auth.Describe,
	kmsg.ACLOperationClusterAction: auth.ClusterAction, kmsg.ACLOperationDescribeConfigs: auth.DescribeConfigs,
	kmsg.ACLOperationAlterConfigs: auth.AlterConfigs, kmsg.ACLOperationIdempotentWrite: auth.IdempotentWrite,
}

func keyOf[K, V comparable](m map[K]V, value V) (key K) {
	for k, v := range m {
		if v == value {
			return k
		}
	}
	return key
}

// binding is a grant in the protocol's numbers.
type binding struct {
	resource  kmsg.ACLResourceType
	name      string
	pattern   kmsg.ACLResourcePatternType
	principal string
	host      string
	operation kmsg.ACLOperation
	permitted kmsg.ACLPermissionType
}

func bindingOf(g *auth.Grant) binding {
	b := binding{
		resource: keyOf(aclResources, g.Resource), name: g.Name, pattern: kmsg.ACLResourcePatternTypeLiteral, principal: userPrincipal + g.User,
		host: g.Host, operation: keyOf(aclVerbs, g.Verb), permitted: kmsg.ACLPermissionTypeAllow,
	}
	if g.Resource == auth.ResourceCluster {
		b.name = clusterResource
	}
	if g.Prefix {
		b.pattern = kmsg.ACLResourcePatternTypePrefixed
	}
	if g.Deny {
		b.permitted = kmsg.ACLPermissionTypeDeny
	}
	return b
}

// grant is the opposite of bindingOf; text says what is wrong.
func (b *binding) grant() (g auth.Grant, text string) {
	resource, known := aclResources[b.resource]
	verb, named := aclVerbs[b.operation]
	user, isUser := strings.CutPrefix(b.principal, userPrincipal)
	switch {
	case !known:
		return g, "Invalid resource type"
	case !named:
		return g, "Invalid operation"
	case !isUser || user == "":
		return g, "Could not parse principal from `" + b.principal + "`: only User: is known"
	case b.host == "":
		return g, "Invalid empty host"
	case b.name == "":
		return g, "Invalid empty resource name"
	case b.pattern != kmsg.ACLResourcePatternTypeLiteral && b.pattern != kmsg.ACLResourcePatternTypePrefixed:
		return g, "Invalid pattern type"
	case b.permitted != kmsg.ACLPermissionTypeAllow && b.permitted != kmsg.ACLPermissionTypeDeny:
		return g, "Invalid permission type"
	case resource == auth.ResourceCluster && b.name != clusterResource:
		return g, "The only valid name for the CLUSTER resource is " + clusterResource
	}
	g = auth.Grant{
		User: user, Host: b.host, Verb: verb, Resource: resource, Name: b.name,
		Prefix: b.pattern == kmsg.ACLResourcePatternTypePrefixed, Deny: b.permitted == kmsg.ACLPermissionTypeDeny,
	}
	if resource == auth.ResourceCluster {
		g.Name, g.Prefix = auth.ClusterName, false
	}
	return g, ""
}

// bindingFilter picks bindings; nil texts and the number of "any" pick all.
type bindingFilter struct {
	resource        kmsg.ACLResourceType
	name            *string
	pattern         kmsg.ACLResourcePatternType
	principal, host *string
	operation       kmsg.ACLOperation
	permitted       kmsg.ACLPermissionType
}

// sound says whether the filter's numbers are known.
func (f *bindingFilter) sound() bool {
	_, resource := aclResources[f.resource]
	_, operation := aclVerbs[f.operation]
	return (resource || f.resource == kmsg.ACLResourceTypeAny) && (operation || f.operation == kmsg.ACLOperationAny) &&
		f.pattern >= kmsg.ACLResourcePatternTypeAny && f.pattern <= kmsg.ACLResourcePatternTypePrefixed &&
		f.permitted >= kmsg.ACLPermissionTypeAny && f.permitted <= kmsg.ACLPermissionTypeAllow
}

func (f *bindingFilter) picks(b *binding) bool {
	return (f.resource == kmsg.ACLResourceTypeAny || f.resource == b.resource) &&
		(f.operation == kmsg.ACLOperationAny || f.operation == b.operation) &&
		(f.permitted == kmsg.ACLPermissionTypeAny || f.permitted == b.permitted) &&
		(f.principal == nil || *f.principal == b.principal) && (f.host == nil || *f.host == b.host) && f.picksName(b)
}

func (f *bindingFilter) picksName(b *binding) bool {
	literal := b.pattern == kmsg.ACLResourcePatternTypeLiteral
	switch f.pattern {
	case kmsg.ACLResourcePatternTypeLiteral, kmsg.ACLResourcePatternTypePrefixed:
		return f.pattern == b.pattern && (f.name == nil || *f.name == b.name)
	case kmsg.ACLResourcePatternTypeMatch:
		if f.name == nil {
			return true
		}
		if literal {
			return b.name == *f.name || b.name == auth.Anything
		}
		return strings.HasPrefix(*f.name, b.name)
	}
	return f.name == nil || *f.name == b.name
}

// picked returns the grants that a filter picks.
func picked(grants []auth.Grant, f *bindingFilter) ([]auth.Grant, []binding) {
	var some []auth.Grant
	var bindings []binding
	for i := range grants {
		if b := bindingOf(&grants[i]); f.picks(&b) {
			some, bindings = append(some, grants[i]), append(bindings, b)
		}
	}
	return some, bindings
}
