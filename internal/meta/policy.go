package meta

import (
	"cmp"
	"slices"

	"weir/internal/auth"
)

// ApplyTo says what a policy may apply to.
type ApplyTo string

// What a policy may apply to. Any other value is a class of queues.
const (
	ApplyToAll       ApplyTo = "all"
	ApplyToQueues    ApplyTo = "queues"
	ApplyToExchanges ApplyTo = "exchanges"
)

// Policy gives settings to the queues and exchanges of a namespace whose names
// match. At most one policy and one operator's policy apply to an object: of
// those that could, the one of the highest priority, and then the first by name.
type Policy struct {
	Namespace string  `json:"ns"`
	Name      string  `json:"name"`
	Operator  bool    `json:"operator,omitempty"` // set over the head of the namespace's users
	Pattern   string  `json:"pattern"`            // matches anywhere in a name unless anchored
	Priority  float64 `json:"priority,omitempty"`
	ApplyTo   ApplyTo `json:"apply_to"`
	// Definition is the policy as its dialect spelled it, kept for listings.
	Definition Arguments `json:"definition"`
	// Settings are what the definition means for queues, ClassSettings what it
	// means for those classes that read it otherwise.
	Settings      Settings            `json:"settings"`
	ClassSettings map[string]Settings `json:"class_settings,omitempty"`
	Alternate     *string             `json:"alternate,omitempty"` // of exchanges
	// Unfit are classes of queues that the definition makes no sense for: the
	// policy does not apply to them at all.
	Unfit []string `json:"unfit,omitempty"`

	names auth.Pattern
}

// compile makes the pattern ready. A pattern that does not compile matches
// nothing but the empty name; it is refused before it is proposed.
func (p *Policy) compile() {
	if names, err := auth.CompilePattern(p.Pattern); err == nil {
		p.names = names
	}
}

func (p *Policy) matchesQueue(q *Queue) bool {
	switch p.ApplyTo {
	case ApplyToExchanges:
		return false
	case ApplyToAll, ApplyToQueues:
	default:
		if string(p.ApplyTo) != q.Class {
			return false
		}
	}
	return !slices.Contains(p.Unfit, q.Class) && p.matches(q.Name)
}

func (p *Policy) matchesExchange(e *Exchange) bool {
	return (p.ApplyTo == ApplyToAll || p.ApplyTo == ApplyToExchanges) && p.matches(e.Name)
}

// matches tells whether the pattern is in the name. Here the empty pattern is in
// every name, unlike in permissions.
func (p *Policy) matches(name string) bool { return p.Pattern == "" || p.names.Match(name) }

// settings are what the policy means for a class of queues.
func (p *Policy) settings(class string) *Settings {
	if p == nil {
		return &Settings{}
	}
	if s, ok := p.ClassSettings[class]; ok {
		return &s
	}
	return &p.Settings
}

// policyKey is how checkpoints name a policy within its namespace.
func policyKey(name string, operator bool) string {
	if operator {
		return "o" + name
	}
	return "p" + name
}

// policies are those of a namespace, first those that go first.
type policies struct{ users, operators []*Policy }

func (p *policies) of(operator bool) *[]*Policy {
	if operator {
		return &p.operators
	}
	return &p.users
}

func (p *policies) put(policy *Policy) (existed bool) {
	existed = p.remove(policy.Name, policy.Operator)
	list := p.of(policy.Operator)
	at, _ := slices.BinarySearchFunc(*list, policy, func(a, b *Policy) int {
		return cmp.Or(cmp.Compare(b.Priority, a.Priority), cmp.Compare(a.Name, b.Name))
	})
	*list = slices.Insert(*list, at, policy)
	return existed
}

func (p *policies) remove(name string, operator bool) bool {
	list := p.of(operator)
	before := len(*list)
	*list = slices.DeleteFunc(*list, func(have *Policy) bool { return have.Name == name })
	return len(*list) < before
}

func (p *policies) get(name string, operator bool) *Policy {
	for _, have := range *p.of(operator) {
		if have.Name == name {
			return have
		}
	}
	return nil
}

func first(list []*Policy, matches func(*Policy) bool) *Policy {
	for _, p := range list {
		if matches(p) {
			return p
		}
	}
	return nil
}

// Policy returns a policy or nil.
func (s *State) Policy(space, name string, operator bool) *Policy {
	if n := s.namespaces[space]; n != nil {
		return n.policies.get(name, operator)
	}
	return nil
}

// Policies lists the policies of a namespace, first those that go first.
func (s *State) Policies(space string, operator bool) []*Policy {
	if n := s.namespaces[space]; n != nil {
		return *n.policies.of(operator)
	}
	return nil
}

func (s *State) putPolicy(p *Policy) Result {
	n := s.namespaces[p.Namespace]
	if n == nil {
		return Result{Outcome: MissingSpace, Name: p.Namespace}
	}
	p.compile()
	var r Result
	if n.policies.put(p) {
		r.Outcome = Existed
	}
	s.mark("p", p.Namespace, policyKey(p.Name, p.Operator))
	s.refreshSpace(n, &r.Effects)
	return r
}

func (s *State) deletePolicy(space, name string, operator bool) Result {
	n := s.namespaces[space]
	switch {
	case n == nil:
		return Result{Outcome: MissingSpace, Name: space}
	case !n.policies.remove(name, operator):
		return Result{Outcome: Missing, Name: name}
	}
	var r Result
	s.mark("p", space, policyKey(name, operator))
	s.refreshSpace(n, &r.Effects)
	return r
}
