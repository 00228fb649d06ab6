package meta

import (
	"encoding/json"
	"reflect"
)

// Effective is what a queue does with its messages when its declaration and the
// policies that apply to it are taken together. Queues alike share one; it never
// changes.
type Effective struct {
	Settings
	Policy   string // names of those that apply, or nothing
	Operator string
	// Definition is that of both policies together; nil without a policy.
	Definition Arguments
}

// effectiveKey is what an Effective depends on.
type effectiveKey struct {
	policy, operator   *Policy
	class              string
	policyFirst        bool
	declared, defaults string
}

// effectivesMax bounds the effective settings remembered for sharing.
const effectivesMax = 4096

// effective returns the settings of a queue, shared with queues alike.
func (s *State) effective(q *Queue, policy, operator *Policy) *Effective {
	key := effectiveKey{policy: policy, operator: operator, class: q.Class, policyFirst: q.PolicyFirst}
	if q.Settings != (Settings{}) {
		key.declared = encodeSettings(&q.Settings)
	}
	if q.Defaults != nil {
		key.defaults = encodeSettings(q.Defaults)
	}
	if e := s.effectives[key]; e != nil {
		return e
	}
	e := &Effective{Definition: definition(policy, operator)}
	if policy != nil {
		e.Policy = policy.Name
	}
	if operator != nil {
		e.Operator = operator.Name
	}
	set := policy.settings(q.Class).capped(operator.settings(q.Class))
	e.Settings = q.Settings.with(&set, q.PolicyFirst)
	if q.Defaults != nil {
		e.Settings = e.filled(q.Defaults)
	}
	if len(s.effectives) >= effectivesMax {
		clear(s.effectives)
	}
	s.effectives[key] = e
	return e
}

func encodeSettings(s *Settings) string {
	b, err := json.Marshal(s)
	if err != nil {
		panic(err) // numbers and strings always marshal; no rate is a NaN
	}
	return string(b)
}

// refreshQueue finds the policies of a queue anew; it says whether the queue's
// settings have changed.
func (s *State) refreshQueue(n *Namespace, q *Queue) bool {
	policy := first(n.policies.users, func(p *Policy) bool { return p.matchesQueue(q) })
	operator := first(n.policies.operators, func(p *Policy) bool { return p.matchesQueue(q) })
	before, now := q.effective.Load(), s.effective(q, policy, operator)
	for _, part := range q.Parts() {
		part.effective.Store(now)
	}
	return before == nil || before != now && !reflect.DeepEqual(before.Settings, now.Settings)
}

// refreshExchange finds the policies of an exchange anew.
func (n *Namespace) refreshExchange(e *Exchange) {
	policy := first(n.policies.users, func(p *Policy) bool { return p.matchesExchange(e) })
	operator := first(n.policies.operators, func(p *Policy) bool { return p.matchesExchange(e) })
	e.policy, e.operator, e.definition, e.alternate = "", "", definition(policy, operator), e.Alternate
	if operator != nil {
		e.operator = operator.Name
	}
	if policy != nil {
		e.policy = policy.Name
		if e.alternate == nil {
			e.alternate = policy.Alternate
		}
	}
}

// refreshSpace finds all policies of a namespace anew.
func (s *State) refreshSpace(n *Namespace, effects *Effects) {
	clear(s.effectives) // the old policies' would never be asked for again
	for _, q := range n.Queues {
		if s.refreshQueue(n, q) {
			effects.Changed = append(effects.Changed, q.Parts()...)
		}
	}
	for _, e := range n.Exchanges {
		n.refreshExchange(e)
	}
}

// definition is that of two policies together, as listings show it.
func definition(policy, operator *Policy) Arguments {
	switch {
	case policy == nil && operator == nil:
		return nil
	case operator == nil:
		return policy.Definition
	case policy == nil:
		return operator.Definition
	}
	both := Arguments{}
	for k, v := range policy.Definition {
		both[k] = v
	}
	for k, v := range operator.Definition {
		a, isNumber := both[k].(int64)
		b, too := v.(int64)
		if isNumber && too {
			v = *lowerLimit(&a, &b)
		}
		both[k] = v
	}
	return both
}
