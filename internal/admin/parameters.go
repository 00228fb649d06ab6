package admin

import (
	"encoding/json"
	"net/http"
	"slices"

	"weir/internal/auth"
	"weir/internal/broker"
	"weir/internal/proto/amqp091/native"
)

// The components that have parameters here.
const (
	componentLimits   = "vhost-limits"
	componentOperator = "operator_policy"
	limitsParameter   = "limits" // the only one of vhost-limits
)

type parameterItem struct {
	Vhost     string `json:"vhost,omitempty"`
	Component string `json:"component"`
	Name      string `json:"name"`
	Value     any    `json:"value"`
}

type globalParameterItem struct {
	Name  string          `json:"name"`
	Value json.RawMessage `json:"value"`
}

func parameterRoutes() []entry {
	one := verbs{http.MethodGet: (*call).parameter, http.MethodPut: (*call).putParameter, http.MethodDelete: (*call).deleteParameter}
	return []entry{
		newEntry("api/parameters", accessUser, verbs{http.MethodGet: (*call).parameters}),
		newEntry("api/parameters/*", accessUser, verbs{http.MethodGet: (*call).parameters}),
		newEntry("api/parameters/*/*", accessUser, verbs{http.MethodGet: (*call).parameters}),
		newEntry("api/parameters/*/*/*", accessUser, one),
		newEntry("api/global-parameters", accessUser, verbs{http.MethodGet: (*call).globalParameters}),
		newEntry("api/global-parameters/*", accessUser, verbs{
			http.MethodGet: (*call).globalParameter, http.MethodPut: (*call).putGlobalParameter, http.MethodDelete: (*call).deleteGlobalParameter,
		}),
	}
}

// parametersOf are what RabbitMQ keeps as parameters: limits and operator
// policies.
func (c *call) parametersOf(spaces ...string) []parameterItem {
	seen := map[string]bool{}
	for _, s := range spaces {
		seen[s] = true
	}
	items := []parameterItem{}
	for _, n := range c.options.Broker.Namespaces() {
		if v := vhostLimits.show(n.Limits); len(v) > 0 && seen[n.Name] {
			items = append(items, parameterItem{n.Name, componentLimits, limitsParameter, v})
		}
	}
	for _, p := range c.options.Broker.Policies(true, spaces...) {
		v := showPolicy(&p)
		items = append(items, parameterItem{p.Namespace, componentOperator, p.Name, map[string]any{
			"pattern": v.Pattern, "definition": v.Definition, "priority": v.Priority, "apply-to": v.ApplyTo,
		}})
	}
	return items
}

func (c *call) knownComponent() *failure {
	if c.args[0] == "policy" {
		return badRequest("policies may not be set using this method")
	}
	if c.args[0] != componentLimits && c.args[0] != componentOperator {
		return badRequest(native.ValidationFailed("component " + c.args[0] + " not found"))
	}
	return nil
}

func (c *call) parameters() *failure {
	if !c.roles.Has(auth.Policymaker) {
		return refused("User not authorised")
	}
	spaces, f := c.spaces(c.args[min(len(c.args), 1):]...)
	if f != nil {
		return f
	}
	items := []parameterItem{}
	for _, p := range c.parametersOf(spaces...) {
		if len(c.args) == 0 || p.Component == c.args[0] {
			items = append(items, p)
		}
	}
	return c.list(len(items), func(i int) string { return items[i].Name }, func(i int) any { return items[i] })
}

func (c *call) parameter() *failure {
	if !c.roles.Has(auth.Policymaker) {
		return refused("User not authorised")
	}
	if f := c.space(c.args[1]); f != nil {
		return f
	}
	for _, p := range c.parametersOf(c.args[1]) {
		if p.Component == c.args[0] && p.Name == c.args[2] {
			return c.ok(p)
		}
	}
	return notFound("no such parameter")
}

func (c *call) putParameter() *failure {
	var body struct {
		Vhost     string `json:"vhost"`
		Component string `json:"component"`
		Name      string `json:"name"`
		Value     any    `json:"value"`
	}
	if f := c.readObject(&body); f != nil {
		return f
	}
	if f := echoed(body.Vhost, c.args[1], body.Component, c.args[0], body.Name, c.args[2]); f != nil {
		return f
	}
	if f := c.knownComponent(); f != nil {
		return f
	}
	if f := missing("value", body.Value != nil); f != nil {
		return f
	}
	created, f := c.setParameter(c.args[1], c.args[0], c.args[2], body.Value)
	if f != nil {
		return escaped(f)
	}
	return c.done(created)
}

// setParameter sets limits or an operator's policy from the value that RabbitMQ
// keeps for them.
func (c *call) setParameter(space, component, name string, value any) (bool, *failure) {
	fields, ok := broker.WholeNumbers(value).(map[string]any)
	switch {
	case component == componentOperator && ok:
		return c.setPolicy(space, name, true, native.PolicyBody{
			Pattern: fields["pattern"], Definition: fields["definition"], Priority: fields["priority"], ApplyTo: fields["apply-to"],
		})
	case component == componentLimits && ok && name == limitsParameter:
		var l broker.Limits
		if wrong := vhostLimits.read(&l, fields, limitsParameter); wrong != nil {
			return false, badRequest(native.ValidationFailed(wrong...))
		}
		return true, failed(c.options.Broker.PutNamespaceLimits(c.principal, space, l))
	case component == componentLimits && isEmptyList(value):
		return false, failed(c.options.Broker.PutNamespaceLimits(c.principal, space, broker.Limits{}))
	case component == componentLimits || component == componentOperator:
		return false, badRequest(native.ValidationFailed("the value of " + component + " '" + name + "' is not usable"))
	}
	return false, badRequest(native.ValidationFailed("component " + component + " not found"))
}

// isEmptyList says whether a value is how RabbitMQ sometimes writes an empty
// object.
func isEmptyList(v any) bool {
	list, ok := v.([]any)
	return ok && len(list) == 0
}

func (c *call) deleteParameter() *failure {
	if f := c.knownComponent(); f != nil {
		return notFound("no such parameter")
	}
	if !c.roles.Has(auth.Policymaker) {
		return refused("User not authorised")
	}
	there := func(p parameterItem) bool { return p.Component == c.args[0] && p.Name == c.args[2] }
	if f := c.space(c.args[1]); f != nil {
		return f
	}
	if !slices.ContainsFunc(c.parametersOf(c.args[1]), there) {
		return notFound("no such parameter")
	}
	var err *broker.Error
	if c.args[0] == componentOperator {
		err = c.options.Broker.DeletePolicy(c.principal, c.args[1], c.args[2], true)
	} else {
		err = c.options.Broker.PutNamespaceLimits(c.principal, c.args[1], broker.Limits{})
	}
	if err != nil {
		return failed(err)
	}
	return c.done(false)
}

func (c *call) globalParameters() *failure {
	if !c.roles.Has(auth.Policymaker) {
		return refused("User not authorised")
	}
	all := c.options.Broker.Parameters()
	return c.list(len(all), func(i int) string { return all[i].Name }, func(i int) any { return globalParameterItem(all[i]) })
}

func (c *call) globalParameter() *failure {
	if !c.roles.Has(auth.Policymaker) {
		return refused("User not authorised")
	}
	for _, p := range c.options.Broker.Parameters() {
		if p.Name == c.args[0] {
			return c.ok(globalParameterItem(p))
		}
	}
	return notFound("no such parameter")
}

func (c *call) putGlobalParameter() *failure {
	var body globalParameterItem
	if f := c.readObject(&body); f != nil {
		return f
	}
	if f := echoed(body.Name, c.args[0]); f != nil {
		return f
	}
	if f := missing("value", len(body.Value) > 0); f != nil {
		return f
	}
	created, err := c.options.Broker.PutParameter(c.principal, c.args[0], body.Value)
	if err != nil {
		return failed(err)
	}
	return c.done(created)
}

func (c *call) deleteGlobalParameter() *failure {
	err := c.options.Broker.DeleteParameter(c.principal, c.args[0])
	if err != nil && err.Code == broker.CodeNotFound {
		return notFound("no such parameter")
	}
	if err != nil {
		return failed(err)
	}
	return c.done(false)
}
