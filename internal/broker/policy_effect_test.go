package broker_test

import (
	"testing"

	"weir/internal/broker"
	"weir/internal/vfs"
)

// TestRetentionByPolicy lets a queue be rewound while a policy says so.
func TestRetentionByPolicy(t *testing.T) {
	n := start(t, vfs.NewMem())
	defer n.stop()
	guest := login(t, n, "guest", "guest")
	s := n.session()
	declare(t, s, broker.QueueSpec{Name: "q", Durable: true})
	p := newPublisher(s)
	take := func(body string) {
		t.Helper()
		got, ok, err := s.Pull("q", true)
		must(t, err)
		if !ok || bodies([]broker.Delivery{got.Delivery}) != body {
			t.Fatalf("pulled %v, not %s", got, body)
		}
		s.Flush()
	}
	p.send(t, "", "q", "before")
	p.wait()
	take("before")
	wantCode(t, s.Rewind("q", broker.Position{}), broker.CodeInvalid)
	_, err := n.PutPolicy(guest, broker.PolicySpec{
		Namespace: "/", Name: "p", Pattern: ".", ApplyTo: broker.ApplyToAll, Settings: broker.Settings{RetainMillis: ptr[int64](60_000)},
	})
	must(t, err)
	p.send(t, "", "q", "kept")
	p.wait()
	take("kept")
	must(t, s.Rewind("q", broker.Position{}))
	take("kept")
	must(t, n.DeletePolicy(guest, "/", "p", false))
	wantCode(t, s.Rewind("q", broker.Position{}), broker.CodeInvalid)
}

// TestDeduplicationByPolicy drops messages of an id seen before while a policy
// says so.
func TestDeduplicationByPolicy(t *testing.T) {
	n := start(t, vfs.NewMem())
	defer n.stop()
	guest := login(t, n, "guest", "guest")
	s := n.session()
	declare(t, s, broker.QueueSpec{Name: "q", Durable: true})
	p := newPublisher(s)
	twice := func() uint64 {
		t.Helper()
		for range 2 {
			p.send(t, "", "q", "m", func(m *broker.Outgoing) { m.Dedup[0] = 1 })
		}
		p.wait()
		q, _ := n.Queue("/", "q")
		return q.Ready
	}
	if got := twice(); got != 2 {
		t.Errorf("%d without a policy", got)
	}
	_, err := n.PutPolicy(guest, broker.PolicySpec{
		Namespace: "/", Name: "p", Pattern: ".", ApplyTo: broker.ApplyToAll, Settings: broker.Settings{DedupMillis: ptr[int64](60_000)},
	})
	must(t, err)
	if got := twice(); got != 3 {
		t.Errorf("%d with it", got)
	}
	must(t, n.DeletePolicy(guest, "/", "p", false))
	if got := twice(); got != 5 {
		t.Errorf("%d after it", got)
	}
}
