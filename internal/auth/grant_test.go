package auth_test

import (
	"testing"

	"weir/internal/auth"
)

func TestGrants(t *testing.T) {
	grants := []auth.Grant{
		{User: "ann", Host: "*", Verb: auth.Read, Resource: auth.ResourceTopic, Name: "orders"},
		{User: "ann", Host: "*", Verb: auth.All, Resource: auth.ResourceTopic, Name: "ann.", Prefix: true},
		{User: "ann", Host: "10.0.0.1", Verb: auth.Write, Resource: auth.ResourceTopic, Name: "*"},
		{User: "*", Host: "*", Verb: auth.Describe, Resource: auth.ResourceTopic, Name: "public"},
		{User: "*", Host: "*", Verb: auth.Write, Resource: auth.ResourceTopic, Name: "ann.closed", Deny: true},
		{User: "bob", Host: "*", Verb: auth.AlterConfigs, Resource: auth.ResourceTopic, Name: "orders"},
	}
	for _, row := range []struct {
		user, host string
		verb       auth.Verb
		resource   auth.Resource
		name       string
		want       auth.Judgment
	}{
		{"ann", "h", auth.Read, auth.ResourceTopic, "orders", auth.Allowed},
		{"ann", "h", auth.Describe, auth.ResourceTopic, "orders", auth.Allowed},
		{"ann", "h", auth.Write, auth.ResourceTopic, "orders", auth.Silent},
		{"ann", "10.0.0.1", auth.Write, auth.ResourceTopic, "orders", auth.Allowed},
		{"ann", "h", auth.Read, auth.ResourceTopic, "orders2", auth.Silent},
		{"ann", "h", auth.Read, auth.ResourceGroup, "orders", auth.Silent},
		{"ann", "h", auth.Delete, auth.ResourceTopic, "ann.x", auth.Allowed},
		{"ann", "h", auth.Configure, auth.ResourceTopic, "ann.x", auth.Allowed},
		{"ann", "h", auth.Write, auth.ResourceTopic, "ann.closed", auth.Denied},
		{"ann", "h", auth.Read, auth.ResourceTopic, "ann.closed", auth.Allowed},
		{"bob", "h", auth.Read, auth.ResourceTopic, "orders", auth.Silent},
		{"bob", "h", auth.DescribeConfigs, auth.ResourceTopic, "orders", auth.Allowed},
		{"bob", "h", auth.Describe, auth.ResourceTopic, "orders", auth.Silent},
		{"bob", "h", auth.Describe, auth.ResourceTopic, "public", auth.Allowed},
	} {
		a := auth.Ask{User: row.user, Host: row.host, Verb: row.verb, Resource: row.resource, Name: row.name}
		if got := auth.Judge(grants, &a); got != row.want {
			t.Errorf("%+v: %d, not %d", a, got, row.want)
		}
	}
}
