package broker_test

import (
	"testing"

	"weir/internal/broker"
	"weir/internal/vfs"
)

func TestPoliciesSurviveARestart(t *testing.T) {
	fs := vfs.NewMem()
	n := start(t, fs)
	guest := login(t, n, "guest", "guest")
	s := n.session()
	declare(t, s, broker.QueueSpec{Name: "q", Durable: true, Class: "classic"})
	for name, length := range map[string]int64{"kept": 2, "gone": 1} {
		_, err := n.PutPolicy(guest, broker.PolicySpec{
			Namespace: "/", Name: name, Pattern: "^q$", ApplyTo: "classic", Settings: broker.Settings{MaxLength: &length},
			Definition: map[string]any{"max-length": length}, Priority: -float64(length),
		})
		must(t, err)
	}
	must(t, n.DeletePolicy(guest, "/", "gone", false))
	must(t, n.PutTopicPermission(guest, broker.TopicPermissionInfo{User: "guest", Namespace: "/", Exchange: "amq.topic", Write: "w", Read: "r"}))
	must(t, n.PutNamespaceLimits(guest, "/", broker.Limits{Queues: ptr[int64](1)}))
	must(t, n.PutUserLimits(guest, "guest", broker.Limits{Sessions: ptr[int64](5)}))
	_, err := n.PutParameter(guest, "g", []byte(`{"a":1}`))
	must(t, err)
	s.Close()
	n.stop()

	n = start(t, fs)
	defer n.stop()
	guest = login(t, n, "guest", "guest")
	if p := n.Policies(false, "/"); len(p) != 1 || p[0].Name != "kept" || p[0].Definition["max-length"] != int64(2) {
		t.Errorf("policies %v", p)
	}
	if topics, err := n.TopicPermissions(guest); err != nil || len(topics) != 1 || topics[0].Write != "w" {
		t.Errorf("topic permissions %v, %v", topics, err)
	}
	if g := n.Parameters(); len(g) != 1 || string(g[0].Value) != `{"a":1}` {
		t.Errorf("parameters %s", g)
	}
	if users, err := n.Users(guest); err != nil || users[0].Limits.Sessions == nil || *users[0].Limits.Sessions != 5 {
		t.Errorf("users %v, %v", users, err)
	}
	s = n.session()
	_, _, err = s.DeclareQueue(broker.QueueSpec{Name: "second"})
	wantCode(t, err, broker.CodeLimit)
	p := newPublisher(s)
	for range 5 {
		p.send(t, "", "q", "m")
	}
	p.wait()
	if q, _ := n.Queue("/", "q"); q.Ready != 2 || q.Policy != "kept" {
		t.Errorf("%d messages, policy %q", q.Ready, q.Policy)
	}
}

func TestWhoMaySetPolicies(t *testing.T) {
	n := start(t, vfs.NewMem())
	defer n.stop()
	guest := login(t, n, "guest", "guest")
	_, err := n.PutNamespace(guest, "v", "")
	must(t, err)
	for name, tag := range map[string]string{"maker": "policymaker", "manager": "management"} {
		_, err := n.PutUser(guest, broker.UserSpec{Name: name, Password: "p", Tags: []string{tag}})
		must(t, err)
		must(t, n.PutPermission(guest, broker.PermissionInfo{User: name, Namespace: "v"}))
	}
	maker, manager := login(t, n, "maker", "p"), login(t, n, "manager", "p")
	put := func(p broker.Principal, space string, operator bool) *broker.Error {
		_, err := n.PutPolicy(p, broker.PolicySpec{Namespace: space, Name: "p", Operator: operator, Pattern: ".*", ApplyTo: broker.ApplyToAll})
		return err
	}
	must(t, put(maker, "v", false))
	must(t, put(guest, "/", true))
	wantCode(t, put(maker, "/", false), broker.CodeAccessRefused)
	wantCode(t, put(maker, "v", true), broker.CodeAccessRefused)
	wantCode(t, put(manager, "v", false), broker.CodeAccessRefused)
	wantCode(t, n.DeletePolicy(manager, "v", "p", false), broker.CodeAccessRefused)
	wantCode(t, put(guest, "none", false), broker.CodeNotFound)
	wantCode(t, n.DeletePolicy(guest, "/", "none", false), broker.CodeNotFound)
	for _, limits := range []*broker.Error{
		n.PutNamespaceLimits(maker, "v", broker.Limits{}), n.PutUserLimits(maker, "maker", broker.Limits{}),
		n.PutTopicPermission(maker, broker.TopicPermissionInfo{User: "maker", Namespace: "v"}),
		n.DeleteTopicPermissions(maker, "maker", "v", nil),
	} {
		wantCode(t, limits, broker.CodeAccessRefused)
	}
	_, err = n.PutPolicy(guest, broker.PolicySpec{Namespace: "/", Name: "bad", Pattern: "(", ApplyTo: broker.ApplyToAll})
	wantCode(t, err, broker.CodeInvalid)
}

// TestPolicyOverManyLogs changes what more queues do than fit into one entry.
func TestPolicyOverManyLogs(t *testing.T) {
	n := start(t, vfs.NewMem())
	defer n.stop()
	guest := login(t, n, "guest", "guest")
	s := n.session()
	const queues = 2500
	p := newPublisher(s)
	for i := range queues {
		name := "q" + string(rune('a'+i%26)) + string(rune('a'+i/26%26)) + string(rune('a'+i/676))
		declare(t, s, broker.QueueSpec{Name: name})
		p.send(t, "", name, "1")
		p.send(t, "", name, "2")
	}
	p.wait()
	one := int64(1)
	_, err := n.PutPolicy(guest, broker.PolicySpec{Namespace: "/", Name: "p", Pattern: "^q", ApplyTo: broker.ApplyToAll, Settings: broker.Settings{MaxLength: &one}})
	must(t, err)
	eventually(t, "all queues keep one", func() bool { return n.Stats().Ready == queues })
}
