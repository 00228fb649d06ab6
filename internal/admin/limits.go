package admin

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"

	"weir/internal/auth"
	"weir/internal/broker"
	"weir/internal/proto/amqp091/native"
)

// limitNames are RabbitMQ's names of the limits there are.
type limitNames map[string]func(l *broker.Limits) **int64

var (
	vhostLimits = limitNames{
		"max-connections": func(l *broker.Limits) **int64 { return &l.Sessions },
		"max-queues":      func(l *broker.Limits) **int64 { return &l.Queues },
	}
	userLimits = limitNames{
		"max-connections": func(l *broker.Limits) **int64 { return &l.Sessions },
		"max-channels":    func(l *broker.Limits) **int64 { return &l.Parts },
	}
)

// show lists the limits that are set.
func (n limitNames) show(l broker.Limits) map[string]int64 {
	out := map[string]int64{}
	for name, field := range n {
		if v := *field(&l); v != nil {
			out[name] = *v
		}
	}
	return out
}

// read takes limits, whose numbers are whole ones, over into l. What it returns is
// wrong with them, in RabbitMQ's words about the parameter they are.
func (n limitNames) read(l *broker.Limits, values map[string]any, parameter string) (wrong []string) {
	for _, name := range slices.Sorted(maps.Keys(values)) {
		field, known := n[name]
		v, whole := values[name].(int64)
		switch {
		case !known:
			wrong = append(wrong, fmt.Sprintf("Unrecognised terms [{<<%q>>,%s}] in %s", name, native.ErlangTerm(values[name]), parameter))
		case !whole:
			wrong = append(wrong, fmt.Sprintf("%s should be a number, actually was %s", name, native.ErlangTerm(values[name])))
		default:
			*field(l) = &v
		}
	}
	return wrong
}

func limitRoutes() []entry {
	return []entry{
		newEntry("api/vhost-limits", accessUser, verbs{http.MethodGet: (*call).vhostLimits}),
		newEntry("api/vhost-limits/*", accessUser, verbs{http.MethodGet: (*call).vhostLimits}),
		newEntry("api/vhost-limits/*/*", accessUser, verbs{http.MethodPut: (*call).putVhostLimit, http.MethodDelete: (*call).deleteVhostLimit}),
		newEntry("api/user-limits", accessUser, verbs{http.MethodGet: (*call).userLimits}),
		newEntry("api/user-limits/*", accessUser, verbs{http.MethodGet: (*call).userLimits}),
		newEntry("api/user-limits/*/*", accessUser, verbs{http.MethodPut: (*call).putUserLimit, http.MethodDelete: (*call).deleteUserLimit}),
	}
}

type vhostLimitItem struct {
	Vhost string           `json:"vhost"`
	Value map[string]int64 `json:"value"`
}

func (c *call) vhostLimits() *failure {
	spaces, f := c.spaces(c.args...)
	if f != nil {
		return f
	}
	items := []vhostLimitItem{}
	for _, n := range c.options.Broker.Namespaces() {
		if v := vhostLimits.show(n.Limits); len(v) > 0 && slices.Contains(spaces, n.Name) {
			items = append(items, vhostLimitItem{n.Name, v})
		}
	}
	return c.list(len(items), func(i int) string { return items[i].Vhost }, func(i int) any { return items[i] })
}

// readLimit reads the one value of a call that sets a limit.
func (c *call) readLimit() (any, *failure) {
	var body struct {
		Value any    `json:"value"`
		Name  string `json:"name"`
		Vhost string `json:"vhost"`
		User  string `json:"user"`
	}
	if f := c.readObject(&body); f != nil {
		return nil, f
	}
	return broker.WholeNumbers(body.Value), missing("value", body.Value != nil)
}

func (c *call) vhostLimitsOf(space string) (broker.Limits, *failure) {
	if !c.roles.Has(auth.Administrator) {
		return broker.Limits{}, refused("User not authorised")
	}
	for _, n := range c.options.Broker.Namespaces() {
		if n.Name == space {
			return n.Limits, nil
		}
	}
	return broker.Limits{}, notFound("vhost '" + space + "' not found")
}

func (c *call) putVhostLimit() *failure {
	l, f := c.vhostLimitsOf(c.args[0])
	if f != nil {
		return f
	}
	value, f := c.readLimit()
	if f != nil {
		return f
	}
	return c.setVhostLimits(l, c.args[0], map[string]any{c.args[1]: value})
}

func (c *call) setVhostLimits(l broker.Limits, space string, values map[string]any) *failure {
	if wrong := vhostLimits.read(&l, values, limitsParameter); wrong != nil {
		return badRequest(native.ValidationFailed(wrong...))
	}
	if err := c.options.Broker.PutNamespaceLimits(c.principal, space, l); err != nil {
		return failed(err)
	}
	return c.done(false)
}

func (c *call) deleteVhostLimit() *failure {
	l, f := c.vhostLimitsOf(c.args[0])
	if f != nil {
		return f
	}
	if field, ok := vhostLimits[c.args[1]]; ok {
		*field(&l) = nil
	}
	if err := c.options.Broker.PutNamespaceLimits(c.principal, c.args[0], l); err != nil {
		return failed(err)
	}
	return c.done(false)
}

type userLimitItem struct {
	User  string           `json:"user"`
	Value map[string]int64 `json:"value"`
}

func (c *call) userLimits() *failure {
	all, err := c.options.Broker.Users(c.principal)
	if err != nil {
		return failed(err)
	}
	items, found := []userLimitItem{}, len(c.args) == 0
	for i := range all {
		if len(c.args) > 0 && all[i].Name != c.args[0] {
			continue
		}
		found = true
		if v := userLimits.show(all[i].Limits); len(v) > 0 {
			items = append(items, userLimitItem{all[i].Name, v})
		}
	}
	if !found {
		return notFound("user '" + c.args[0] + "' not found")
	}
	return c.list(len(items), func(i int) string { return items[i].User }, func(i int) any { return items[i] })
}

func (c *call) userLimitsOf(name string) (broker.Limits, *failure) {
	u, f := c.findUser(name)
	return u.Limits, f
}

func (c *call) putUserLimit() *failure {
	l, f := c.userLimitsOf(c.args[0])
	if f != nil {
		return f
	}
	value, f := c.readLimit()
	if f != nil {
		return f
	}
	return c.setUserLimits(l, c.args[0], map[string]any{c.args[1]: value})
}

func (c *call) setUserLimits(l broker.Limits, user string, values map[string]any) *failure {
	if wrong := userLimits.read(&l, values, "user-limits"); wrong != nil {
		return badRequest(strings.Join(wrong, "\n"))
	}
	if err := c.options.Broker.PutUserLimits(c.principal, user, l); err != nil {
		return failed(err)
	}
	return c.done(false)
}

func (c *call) deleteUserLimit() *failure {
	l, f := c.userLimitsOf(c.args[0])
	if f != nil {
		return f
	}
	if field, ok := userLimits[c.args[1]]; ok {
		*field(&l) = nil
	}
	if err := c.options.Broker.PutUserLimits(c.principal, c.args[0], l); err != nil {
		return failed(err)
	}
	return c.done(false)
}
