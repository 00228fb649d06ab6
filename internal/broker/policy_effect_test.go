package broker_test

import (
	"math/rand/v2"
	"sync"
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

// TestPowerCutsWhilePoliciesChange cuts the power at every sync: what queues do
// after a restart is what their policy says then, whichever that is.
func TestPowerCutsWhilePoliciesChange(t *testing.T) {
	disk := vfs.NewMem()
	var mu sync.Mutex
	var scenes []*vfs.Mem
	changing := false
	rng := rand.New(rand.NewPCG(1, 2))
	fs := vfs.Inject(disk, func(op vfs.Op) error {
		mu.Lock()
		defer mu.Unlock()
		if changing && op.Kind == vfs.OpSync {
			scenes = append(scenes, disk.CrashClone(func() bool { return rng.IntN(2) == 0 }))
		}
		return nil
	})
	set := func(on bool) {
		mu.Lock()
		defer mu.Unlock()
		changing = on
	}
	n := start(t, fs, tiny)
	guest := login(t, n, "guest", "guest")
	s := n.session()
	names := []string{"a", "b", "c"}
	for _, name := range names {
		declare(t, s, broker.QueueSpec{Name: name, Durable: true})
	}
	set(true)
	for limit := int64(1); limit <= 8; limit++ {
		_, err := n.PutPolicy(guest, broker.PolicySpec{
			Namespace: "/", Name: "p", Pattern: "^[ab]$", ApplyTo: broker.ApplyToAll,
			Settings: broker.Settings{MaxLength: &limit}, Definition: map[string]any{"max-length": limit},
		})
		must(t, err)
	}
	must(t, n.DeletePolicy(guest, "/", "p", false))
	set(false)
	s.Close()
	n.stop()
	seen := map[uint64]bool{}
	for i, scene := range scenes {
		n := start(t, scene, tiny)
		s := n.session()
		p := newPublisher(s)
		for _, name := range names {
			for range 10 {
				p.send(t, "", name, "m")
			}
		}
		p.wait()
		for _, name := range names {
			q, _ := n.Queue("/", name)
			want := uint64(10)
			if limit, ok := q.Definition["max-length"].(int64); ok {
				want = uint64(limit)
			}
			if q.Ready != want || name == "c" && q.Policy != "" {
				t.Errorf("scene %d: %s keeps %d, with policy %q %v", i, name, q.Ready, q.Policy, q.Definition)
			}
			seen[want] = true
		}
		s.Close()
		n.stop()
	}
	if len(seen) < 8 {
		t.Errorf("only %v seen in %d scenes", seen, len(scenes))
	}
}
