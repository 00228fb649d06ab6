package broker

import (
	"encoding/json"
	"maps"
	"slices"

	"weir/internal/auth"
	"weir/internal/meta"
)

// ApplyTo says what a policy may apply to: one of the constants, or a class of
// queues.
type ApplyTo = meta.ApplyTo

// What a policy may apply to.
const (
	ApplyToAll       = meta.ApplyToAll
	ApplyToQueues    = meta.ApplyToQueues
	ApplyToExchanges = meta.ApplyToExchanges
)

// PolicySpec makes or changes a policy, which gives settings to the queues and
// exchanges of a namespace whose names match. An operator's policy caps what the
// namespace's users ask for.
type PolicySpec struct {
	Namespace, Name string
	Operator        bool
	Pattern         string  // a regular expression of RE2, found anywhere in a name
	Priority        float64 // of several that match, the highest applies
	ApplyTo         ApplyTo
	// Definition is what the dialect was given, kept for listings; the rest is
	// what it means.
	Definition    map[string]any
	Settings      Settings
	ClassSettings map[string]Settings // instead, for these classes of queues
	Alternate     *string             // of exchanges
	Unfit         []string            // classes of queues it does not apply to at all
}

// PolicyInfo is a policy as listed.
type PolicyInfo struct {
	Namespace, Name string
	Pattern         string
	Priority        float64
	ApplyTo         ApplyTo
	Definition      map[string]any
}

// maySetPolicies refuses everybody but administrators and, for policies that are
// not an operator's, those who make policies where they may enter.
func (b *Broker) maySetPolicies(p Principal, space string, operator bool) *Error {
	refused := b.mayManage(p)
	if refused == nil || operator {
		return refused
	}
	c := b.engine.control
	c.mu.RLock()
	defer c.mu.RUnlock()
	u := c.state.User(p.User)
	if u == nil {
		return refused
	}
	if roles, _ := auth.ParseRoles(u.Tags); !roles.Has(auth.Policymaker) {
		return refused
	}
	return mayEnter(c.state, p, space)
}

// PutPolicy makes or changes a policy; it says whether it was made. When it
// returns, it counts for what is published from then on to the queues and
// exchanges there are.
func (b *Broker) PutPolicy(p Principal, spec PolicySpec) (bool, *Error) {
	if err := b.maySetPolicies(p, spec.Namespace, spec.Operator); err != nil {
		return false, err
	}
	if err := checkNewName(ObjectPolicy, spec.Name); err != nil {
		return false, err
	}
	if _, err := auth.CompilePattern(spec.Pattern); err != nil {
		return false, &Error{Code: CodeInvalid, Object: ObjectPolicy, Name: spec.Name, Space: spec.Namespace, Field: "pattern", Text: "invalid pattern"}
	}
	r, err := b.apply(p, ObjectPolicy, spec.Name, meta.Command{Op: meta.OpPolicyPut, Space: spec.Namespace, Policy: &meta.Policy{
		Namespace: spec.Namespace, Name: spec.Name, Operator: spec.Operator, Pattern: spec.Pattern, Priority: spec.Priority,
		ApplyTo: spec.ApplyTo, Definition: spec.Definition, Settings: spec.Settings, ClassSettings: spec.ClassSettings,
		Alternate: spec.Alternate, Unfit: spec.Unfit,
	}})
	b.engine.changes.wait(b.engine.control.done)
	return err == nil && r.Outcome == meta.Done, err
}

// DeletePolicy deletes a policy. When it returns, what it gave has gone.
func (b *Broker) DeletePolicy(p Principal, space, name string, operator bool) *Error {
	if err := b.maySetPolicies(p, space, operator); err != nil {
		return err
	}
	_, err := b.apply(p, ObjectPolicy, name, meta.Command{Op: meta.OpPolicyDelete, Space: space, Name: name, Operator: operator})
	b.engine.changes.wait(b.engine.control.done)
	return err
}

// Policies lists the policies, or the operator's policies, of these namespaces,
// in each first those that go first.
func (b *Broker) Policies(operator bool, spaces ...string) []PolicyInfo {
	c := b.engine.control
	c.mu.RLock()
	defer c.mu.RUnlock()
	var out []PolicyInfo
	for _, space := range spaces {
		for _, p := range c.state.Policies(space, operator) {
			out = append(out, PolicyInfo{p.Namespace, p.Name, p.Pattern, p.Priority, p.ApplyTo, p.Definition})
		}
	}
	return out
}

// ParameterInfo is a value kept under a name for the tools that put it there.
type ParameterInfo struct {
	Name  string
	Value json.RawMessage
}

// Parameters lists the values kept, by name.
func (b *Broker) Parameters() []ParameterInfo {
	c := b.engine.control
	c.mu.RLock()
	defer c.mu.RUnlock()
	all := c.state.Parameters()
	var out []ParameterInfo
	for _, name := range slices.Sorted(maps.Keys(all)) {
		out = append(out, ParameterInfo{name, all[name]})
	}
	return out
}

// PutParameter keeps a JSON value, for administrators; it says whether the name
// is new.
func (b *Broker) PutParameter(p Principal, name string, value json.RawMessage) (bool, *Error) {
	if err := checkNewName(ObjectNone, name); err != nil {
		return false, err
	}
	if !json.Valid(value) {
		return false, &Error{Code: CodeInvalid, Name: name, Field: "value", Text: "not JSON"}
	}
	r, err := b.change(p, ObjectNone, name, meta.Command{Op: meta.OpParameterPut, Name: name, Value: value})
	return err == nil && r.Outcome == meta.Done, err
}

// DeleteParameter forgets a value.
func (b *Broker) DeleteParameter(p Principal, name string) *Error {
	_, err := b.change(p, ObjectNone, name, meta.Command{Op: meta.OpParameterDelete, Name: name})
	return err
}
