package meta_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"weir/internal/frugal"
	"weir/internal/meta"
)

var spaces = []string{"/", "other"}

// describe is everything a state holds, in an order of its own.
func describe(s *meta.State) string {
	var lines []string
	add := func(v any) {
		b, err := json.Marshal(v)
		if err != nil {
			panic(err)
		}
		lines = append(lines, fmt.Sprintf("%T %s", v, b))
	}
	for _, space := range s.Namespaces() {
		n := s.Namespace(space)
		add(n)
		for _, q := range n.Queues {
			add(q)
			add(q.Effective())
		}
		for _, operator := range []bool{false, true} {
			for _, p := range s.Policies(space, operator) {
				add(p)
			}
		}
		for _, e := range n.Exchanges {
			add(e)
			add(e.AlternateTo())
			for b := range e.Bindings {
				add(b)
			}
		}
	}
	for _, u := range s.Users() {
		add(s.User(u))
	}
	add(s.Parameters())
	slices.Sort(lines)
	return fmt.Sprint(lines)
}

// reach is what a publish reaches, found without any index.
func reach(s *meta.State, x *meta.Exchange, key string, seen map[*meta.Exchange]bool, into map[*meta.Queue]bool) {
	if seen[x] {
		return
	}
	seen[x] = true
	matched := false
	if x.Name == "" {
		if q := s.Queue(x.Namespace, key); q != nil {
			into[q], matched = true, true
		}
	}
	for b := range x.Bindings {
		if x.Kind == "direct" && b.Key != key {
			continue
		}
		matched = true
		if b.ToExchange {
			reach(s, s.Exchange(b.Namespace, b.Destination), key, seen, into)
		} else {
			into[s.Queue(b.Namespace, b.Destination)] = true
		}
	}
	if to := x.AlternateTo(); !matched && to != nil && x.Name != "" {
		if alt := s.Exchange(x.Namespace, *to); alt != nil {
			reach(s, alt, key, seen, into)
		}
	}
}

func command(t *rapid.T) meta.Command {
	space := rapid.SampledFrom(spaces).Draw(t, "space")
	name := func(what string) string { return what + rapid.SampledFrom([]string{"0", "1", "2"}).Draw(t, what) }
	binding := func() *meta.Binding {
		b := &meta.Binding{Namespace: space, Source: name("x"), Key: name("q"), ToExchange: rapid.Bool().Draw(t, "to exchange")}
		if b.ToExchange {
			b.Destination = name("x")
		} else {
			b.Destination = name("q")
		}
		return b
	}
	switch rapid.IntRange(0, 18).Draw(t, "command") {
	case 13, 14, 15:
		return policyCommand(t, space)
	case 16:
		return meta.Command{Op: meta.OpParameterPut, Name: name("g"), Value: []byte("1")}
	case 17:
		most := rapid.Int64Range(-1, 3).Draw(t, "most")
		return meta.Command{Op: meta.OpLimits, Space: space, Limits: &meta.Limits{Queues: &most}}
	case 0, 1, 2:
		return meta.Command{Op: meta.OpQueuePut, Queue: queue(t, space, name("q"))}
	case 3, 4, 5:
		x := &meta.Exchange{
			Namespace: space, Name: name("x"), Kind: rapid.SampledFrom([]string{"direct", "fanout"}).Draw(t, "kind"),
			Durable: rapid.Bool().Draw(t, "durable"), AutoDelete: rapid.Bool().Draw(t, "auto"),
		}
		if rapid.Bool().Draw(t, "alternate") {
			alternate := name("x")
			x.Alternate = &alternate
		}
		return meta.Command{Op: meta.OpExchangePut, Exchange: x}
	case 6, 7:
		return meta.Command{Op: meta.OpBind, Binding: binding()}
	case 8:
		return meta.Command{Op: meta.OpUnbind, Binding: binding()}
	case 9:
		return meta.Command{Op: meta.OpQueueDelete, Space: space, Name: name("q")}
	case 10:
		return meta.Command{Op: meta.OpExchangeDelete, Space: space, Name: name("x"), IfUnused: rapid.Bool().Draw(t, "if unused")}
	case 11:
		if rapid.IntRange(0, 3).Draw(t, "delete") == 0 {
			return meta.Command{Op: meta.OpNamespaceDelete, Name: space}
		}
		return meta.Command{Op: meta.OpNamespacePut, Namespace: &meta.Namespace{Name: space}}
	default:
		return meta.Command{Op: meta.OpDropVolatile}
	}
}

// TestModel applies random commands, as they come back from the log, and compares
// routing with a search of all bindings and a checkpoint with the state itself.
func TestModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := meta.New()
		var router meta.Router
		saved := map[string][]byte{}
		for range rapid.IntRange(1, 60).Draw(t, "commands") {
			data, err := meta.Encode([]meta.Command{command(t)})
			if err != nil {
				t.Fatal(err)
			}
			commands, err := meta.Decode(data)
			if err != nil {
				t.Fatal(err)
			}
			s.Apply(&commands[0])
			compareRoutes(t, s, &router)
			comparePolicies(t, s)
			if rapid.IntRange(0, 3).Draw(t, "checkpoint") > 0 {
				continue
			}
			err = s.Changes(func(k, v []byte) { saved[string(k)] = slices.Clone(v) }, func(k []byte) { delete(saved, string(k)) })
			if err != nil {
				t.Fatal(err)
			}
			loader := meta.NewLoader()
			for _, k := range slices.Sorted(maps.Keys(saved)) {
				if err := loader.Load([]byte(k), saved[k]); err != nil {
					t.Fatal(err)
				}
			}
			again, err := loader.Finish()
			if err != nil {
				t.Fatal(err)
			}
			if a, b := describe(again), describe(s); a != b {
				t.Fatalf("loaded\n%s\nsaved\n%s", a, b)
			}
			if again.Fingerprint() != s.Fingerprint() {
				t.Fatal("another fingerprint after loading")
			}
			s = again
		}
	})
}

func compareRoutes(t *rapid.T, s *meta.State, router *meta.Router) {
	for _, space := range s.Namespaces() {
		for name, x := range s.Namespace(space).Exchanges {
			for _, key := range []string{"q0", "q1", "q2"} {
				want := map[*meta.Queue]bool{}
				reach(s, x, key, map[*meta.Exchange]bool{}, want)
				got := router.Route(s, x, []byte(key), nil)
				if len(got) != len(want) {
					t.Fatalf("%s %s: %d queues, not %d", name, key, len(got), len(want))
				}
				for _, q := range got {
					if !want[q] {
						t.Fatalf("%s %s: reaches %s", name, key, q.Name)
					}
				}
			}
		}
	}
}

// TestManyBindings adds and removes 10,000 bindings; anything quadratic shows.
func TestManyBindings(t *testing.T) {
	for _, kind := range []string{"direct", "topic", "fanout", "headers"} {
		begun := time.Now()
		s := meta.New()
		s.Apply(&meta.Command{Op: meta.OpExchangePut, Exchange: &meta.Exchange{Namespace: "/", Name: "x", Kind: kind}})
		s.Apply(&meta.Command{Op: meta.OpQueuePut, Queue: &meta.Queue{Namespace: "/", Name: "q"}})
		const n = 10_000
		for _, op := range []meta.Op{meta.OpBind, meta.OpUnbind} {
			for i := range n {
				b := &meta.Binding{Namespace: "/", Source: "x", Destination: "q", Key: fmt.Sprint("key.", i)}
				if r := s.Apply(&meta.Command{Op: op, Binding: b}); r.Outcome != meta.Done {
					t.Fatal(op, i, r)
				}
			}
		}
		for i := range n {
			s.Apply(&meta.Command{Op: meta.OpBind, Binding: &meta.Binding{Namespace: "/", Source: "x", Destination: "q", Key: fmt.Sprint("key.", i)}})
		}
		s.Apply(&meta.Command{Op: meta.OpQueueDelete, Space: "/", Name: "q"})
		if left := s.Exchange("/", "x").BindingCount(); left != 0 {
			t.Fatalf("%s: %d bindings left", kind, left)
		}
		if took := time.Since(begun); took > 5*time.Second {
			t.Errorf("%s: %v for %d bindings", kind, took, n)
		} else {
			t.Log(kind, took)
		}
	}
}

func FuzzDecode(f *testing.F) {
	b, err := meta.Encode([]meta.Command{{Op: meta.OpQueuePut, Queue: &meta.Queue{Name: "q"}}})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Fuzz(func(t *testing.T, b []byte) {
		frugal.Check(t, len(b), 0, func() {
			commands, err := meta.Decode(b)
			if err != nil {
				return
			}
			if _, err := meta.Encode(commands); err != nil {
				t.Fatal(err)
			}
		})
	})
}
