package admin

import (
	"net/http"
	"strings"

	"weir/internal/auth"
	"weir/internal/broker"
	"weir/internal/proto/amqp091/native"
)

type policyItem struct {
	Vhost      string         `json:"vhost,omitempty"`
	Name       string         `json:"name"`
	Pattern    string         `json:"pattern"`
	ApplyTo    string         `json:"apply-to"`
	Definition map[string]any `json:"definition"`
	Priority   float64        `json:"priority"`
}

func showPolicy(p *broker.PolicyInfo) policyItem {
	return policyItem{p.Namespace, p.Name, p.Pattern, native.ShowApplyTo(p.ApplyTo), object(p.Definition), p.Priority}
}

func policyRoutes() []entry {
	var routes []entry
	for _, operator := range []bool{false, true} {
		path := "api/policies"
		if operator {
			path = "api/operator-policies"
		}
		with := func(h func(*call, bool) *failure) handler { return func(c *call) *failure { return h(c, operator) } }
		routes = append(routes,
			newEntry(path, accessUser, verbs{http.MethodGet: with((*call).policies)}),
			newEntry(path+"/*", accessUser, verbs{http.MethodGet: with((*call).policies)}),
			newEntry(path+"/*/*", accessUser, verbs{
				http.MethodGet: with((*call).policy), http.MethodPut: with((*call).putPolicy), http.MethodDelete: with((*call).deletePolicy),
			}))
	}
	return routes
}

func (c *call) policies(operator bool) *failure {
	spaces, f := c.spaces(c.args...)
	if f != nil {
		return f
	}
	all := c.options.Broker.Policies(operator, spaces...)
	return c.list(len(all), func(i int) string { return all[i].Name }, func(i int) any { return showPolicy(&all[i]) })
}

func (c *call) policy(operator bool) *failure {
	role := auth.Policymaker
	if operator {
		role = auth.Administrator
	}
	if f := c.space(c.args[0]); f != nil {
		return f
	}
	if !c.roles.Has(role) {
		return refused("User not authorised")
	}
	for _, p := range c.options.Broker.Policies(operator, c.args[0]) {
		if p.Name == c.args[1] {
			return c.ok(showPolicy(&p))
		}
	}
	return notFound("no policy '" + c.args[1] + "' in vhost '" + c.args[0] + "'")
}

// policyBody is a policy as clients send it. What has a wrong type is for the
// dialect to say.
type policyBody struct {
	Vhost      string `json:"vhost"`
	Name       string `json:"name"`
	Component  string `json:"component"`
	Pattern    any    `json:"pattern"`
	Definition any    `json:"definition"`
	Priority   any    `json:"priority"`
	ApplyTo    any    `json:"apply-to"`
}

func (b *policyBody) native() native.PolicyBody {
	return native.PolicyBody{
		Pattern: b.Pattern, Definition: broker.WholeNumbers(b.Definition),
		Priority: broker.WholeNumbers(b.Priority), ApplyTo: b.ApplyTo,
	}
}

func (c *call) putPolicy(operator bool) *failure {
	var body policyBody
	if f := c.readObject(&body); f != nil {
		return f
	}
	if f := echoed(body.Vhost, c.args[0], body.Name, c.args[1]); f != nil {
		return f
	}
	if f := missing("pattern", body.Pattern != nil, "definition", body.Definition != nil); f != nil {
		return f
	}
	created, f := c.setPolicy(c.args[0], c.args[1], operator, body.native())
	switch {
	case f != nil && operator:
		return f
	case f != nil:
		return escaped(f)
	}
	return c.done(created)
}

func (c *call) setPolicy(space, name string, operator bool, body native.PolicyBody) (bool, *failure) {
	spec := broker.PolicySpec{Namespace: space, Name: name, Operator: operator}
	if bad := native.ReadPolicy(&spec, body); bad != "" {
		return false, badRequest(bad)
	}
	created, err := c.options.Broker.PutPolicy(c.principal, spec)
	return created, failed(err)
}

func (c *call) deletePolicy(operator bool) *failure {
	if err := c.options.Broker.DeletePolicy(c.principal, c.args[0], c.args[1], operator); err != nil {
		return failed(err)
	}
	return c.done(false)
}

// tagEscapes are what RabbitMQ does to texts that a browser could take for HTML.
var tagEscapes = strings.NewReplacer("<", "&lt;", ">", "&gt;", "&", "&amp;")

func escaped(f *failure) *failure {
	f.reason = tagEscapes.Replace(f.reason)
	return f
}
