package meta_test

import (
	"fmt"
	"regexp"
	"testing"
	"time"

	"pgregory.net/rapid"

	"weir/internal/meta"
)

func maybe[T any](t *rapid.T, name string, values ...T) *T {
	if !rapid.Bool().Draw(t, name+" set") {
		return nil
	}
	v := rapid.SampledFrom(values).Draw(t, name)
	return &v
}

func settings(t *rapid.T) meta.Settings {
	return meta.Settings{
		TTLMillis:     maybe[int64](t, "ttl", 10, 20, 30),
		MaxLength:     maybe[int64](t, "length", 1, 2, 3),
		Overflow:      maybe(t, "overflow", meta.OverflowReject, meta.OverflowBlock),
		DeadLetterTo:  maybe(t, "dead", "x0", "x1"),
		DeliveryLimit: maybe[int64](t, "limit", -1, 3, 5),
	}
}

func queue(t *rapid.T, space, name string) *meta.Queue {
	q := &meta.Queue{
		Namespace: space, Name: name, Shard: 1, Durable: rapid.Bool().Draw(t, "durable"),
		Class: rapid.SampledFrom([]string{"classic", "quorum"}).Draw(t, "class"), Settings: settings(t),
	}
	if q.Class == "quorum" {
		limit := int64(20)
		q.Defaults, q.PolicyFirst = &meta.Settings{DeliveryLimit: &limit}, true
	}
	return q
}

func policyCommand(t *rapid.T, space string) meta.Command {
	name := rapid.SampledFrom([]string{"a", "b", "c"}).Draw(t, "policy")
	operator := rapid.Bool().Draw(t, "operator")
	if rapid.IntRange(0, 3).Draw(t, "delete") == 0 {
		return meta.Command{Op: meta.OpPolicyDelete, Space: space, Name: name, Operator: operator}
	}
	p := &meta.Policy{
		Namespace: space, Name: name, Operator: operator, Priority: float64(rapid.IntRange(-1, 1).Draw(t, "priority")) / 2,
		Pattern:  rapid.SampledFrom([]string{"", "q", "^q[01]$", "0", "x"}).Draw(t, "pattern"),
		ApplyTo:  rapid.SampledFrom([]meta.ApplyTo{"all", "queues", "exchanges", "classic", "quorum"}).Draw(t, "apply to"),
		Settings: settings(t), Definition: meta.Arguments{"k": int64(1)},
	}
	if !operator {
		p.Alternate = maybe(t, "alternate", "x0", "x1", "x2")
	}
	if rapid.Bool().Draw(t, "unfit") {
		p.Unfit = []string{"quorum"}
	}
	return meta.Command{Op: meta.OpPolicyPut, Policy: p}
}

// best is the policy that goes first, found by looking at all.
func best(s *meta.State, space string, operator bool, applies func(*meta.Policy) bool) *meta.Policy {
	var found *meta.Policy
	for _, p := range s.Policies(space, operator) {
		if !applies(p) {
			continue
		}
		if found == nil || p.Priority > found.Priority || p.Priority == found.Priority && p.Name < found.Name {
			found = p
		}
	}
	return found
}

func name(p *meta.Policy) string {
	if p == nil {
		return ""
	}
	return p.Name
}

// comparePolicies compares what holds for queues and exchanges with what a look at
// all policies finds.
func comparePolicies(t *rapid.T, s *meta.State) {
	for _, space := range s.Namespaces() {
		for _, q := range s.Namespace(space).Queues {
			applies := func(p *meta.Policy) bool {
				to := p.ApplyTo == "all" || p.ApplyTo == "queues" || string(p.ApplyTo) == q.Class
				fits := len(p.Unfit) == 0 || p.Unfit[0] != q.Class
				return to && fits && regexp.MustCompile(p.Pattern).MatchString(q.Name)
			}
			policy, operator := best(s, space, false, applies), best(s, space, true, applies)
			now := q.Effective()
			if now.Policy != name(policy) || now.Operator != name(operator) {
				t.Fatalf("%s has policies %q and %q, not %q and %q", q.Name, now.Policy, now.Operator, name(policy), name(operator))
			}
			var from []meta.Settings // the declaration, the policy, the operator's
			for _, p := range []*meta.Policy{policy, operator} {
				if p != nil {
					from = append(from, p.Settings)
				} else {
					from = append(from, meta.Settings{})
				}
			}
			compareSettings(t, q, now, q.Settings, from[0], from[1])
		}
		for _, x := range s.Namespace(space).Exchanges {
			policy := best(s, space, false, func(p *meta.Policy) bool {
				return (p.ApplyTo == "all" || p.ApplyTo == "exchanges") && regexp.MustCompile(p.Pattern).MatchString(x.Name)
			})
			want := x.Alternate
			if want == nil && policy != nil {
				want = policy.Alternate
			}
			if got := x.AlternateTo(); (got == nil) != (want == nil) || got != nil && *got != *want {
				t.Fatalf("%s: alternate %v, not %v", x.Name, got, want)
			}
		}
	}
}

func compareSettings(t *rapid.T, q *meta.Queue, now *meta.Effective, declared, policy, operator meta.Settings) {
	least := func(what string, got *int64, values ...*int64) {
		var want *int64
		for _, v := range values {
			if v != nil && (want == nil || *v < *want) {
				want = v
			}
		}
		if (got == nil) != (want == nil) || got != nil && *got != *want {
			t.Fatalf("%s: %s %v, not %v", q.Name, what, got, want)
		}
	}
	least("ttl", now.TTLMillis, declared.TTLMillis, policy.TTLMillis, operator.TTLMillis)
	least("length", now.MaxLength, declared.MaxLength, policy.MaxLength, operator.MaxLength)
	order := []*meta.Overflow{declared.Overflow, operator.Overflow, policy.Overflow}
	if q.PolicyFirst {
		order = []*meta.Overflow{operator.Overflow, policy.Overflow, declared.Overflow}
	}
	var want *meta.Overflow
	for _, o := range order {
		if want == nil {
			want = o
		}
	}
	if (now.Overflow == nil) != (want == nil) || want != nil && *now.Overflow != *want {
		t.Fatalf("%s: overflow %v, not %v", q.Name, now.Overflow, want)
	}
	if q.Class == "quorum" && now.DeliveryLimit == nil {
		t.Fatalf("%s has lost its default", q.Name)
	}
}

func TestDeliveryLimits(t *testing.T) {
	for _, c := range []struct {
		declared, policy, operator, defaults, want int64 // 0 none
	}{
		{0, 0, 0, 20, 20},
		{-1, 0, 0, 20, -1},
		{0, -1, 0, 20, -1},
		{0, -1, 7, 20, 7}, // of no limit and a limit, the limit
		{9, 7, 8, 20, 7},
		{5, 9, 0, 20, 5},
		{0, 0, 0, 0, 0},
	} {
		limit := func(n int64) meta.Settings {
			if n == 0 {
				return meta.Settings{}
			}
			return meta.Settings{DeliveryLimit: &n}
		}
		s := meta.New()
		for operator, set := range map[bool]meta.Settings{false: limit(c.policy), true: limit(c.operator)} {
			s.Apply(&meta.Command{Op: meta.OpPolicyPut, Policy: &meta.Policy{Namespace: "/", Name: "p", Operator: operator, ApplyTo: "all", Settings: set}})
		}
		defaults := limit(c.defaults)
		q := &meta.Queue{Namespace: "/", Name: "q", Settings: limit(c.declared), Defaults: &defaults}
		s.Apply(&meta.Command{Op: meta.OpQueuePut, Queue: q})
		got := q.Effective().DeliveryLimit
		if c.want == 0 && got != nil || c.want != 0 && (got == nil || *got != c.want) {
			t.Errorf("%+v: %v", c, got)
		}
	}
}

// TestPolicyOverManyQueues changes what 10,000 queues do; only those that change
// are told, and one set of settings serves them all.
func TestPolicyOverManyQueues(t *testing.T) {
	s := meta.New()
	const n = 10_000
	for i := range n {
		s.Apply(&meta.Command{Op: meta.OpQueuePut, Queue: &meta.Queue{Namespace: "/", Name: fmt.Sprint("queue-", i), Class: "classic"}})
	}
	begun := time.Now()
	put := func(length int64) meta.Result {
		return s.Apply(&meta.Command{Op: meta.OpPolicyPut, Policy: &meta.Policy{
			Namespace: "/", Name: "p", Pattern: "^queue-.*[02468]$", ApplyTo: "all", Settings: meta.Settings{MaxLength: &length},
		}})
	}
	if got := len(put(5).Effects.Changed); got != n/2 {
		t.Errorf("%d queues changed", got)
	}
	if got := len(put(5).Effects.Changed); got != 0 {
		t.Errorf("%d queues changed by the same policy again", got)
	}
	if a, b := s.Queue("/", "queue-0").Effective(), s.Queue("/", "queue-2").Effective(); a != b || *a.MaxLength != 5 {
		t.Error("queues alike do not share their settings")
	}
	if got := len(s.Apply(&meta.Command{Op: meta.OpPolicyDelete, Space: "/", Name: "p"}).Effects.Changed); got != n/2 {
		t.Errorf("%d queues changed back", got)
	}
	if took := time.Since(begun); took > 2*time.Second {
		t.Errorf("three changes took %v", took)
	}
}

func TestQueueLimit(t *testing.T) {
	s := meta.New()
	two := int64(2)
	s.Apply(&meta.Command{Op: meta.OpLimits, Space: "/", Limits: &meta.Limits{Queues: &two}})
	for i, want := range []meta.Outcome{meta.Done, meta.Done, meta.Limited} {
		r := s.Apply(&meta.Command{Op: meta.OpQueuePut, Queue: &meta.Queue{Namespace: "/", Name: fmt.Sprint(i)}})
		if r.Outcome != want || want == meta.Limited && r.Limit != 2 {
			t.Errorf("queue %d: %+v", i, r)
		}
	}
	if r := s.Apply(&meta.Command{Op: meta.OpQueuePut, Queue: &meta.Queue{Namespace: "/", Name: "1"}}); r.Outcome != meta.Existed {
		t.Errorf("a queue that is there: %+v", r)
	}
}
