package route_test

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"
	"testing"

	"pgregory.net/rapid"

	"weir/internal/frugal"
	"weir/internal/route"
)

// letter is a message for tests.
type letter struct {
	headers    map[string]route.Value
	properties map[route.Property]route.Value
	random     uint64
}

func (l letter) Header(name string) (route.Value, bool) {
	v, ok := l.headers[name]
	return v, ok
}

func (l letter) Names(yield func(string) bool) {
	for name := range l.headers {
		if !yield(name) {
			return
		}
	}
}

func (l letter) Property(p route.Property) (route.Value, bool) {
	v, ok := l.properties[p]
	return v, ok
}

func (l letter) Random() uint64 { return l.random }

func sorted(list []route.Target) []route.Target {
	list = slices.Clone(list)
	slices.Sort(list)
	return list
}

func TestTopicRules(t *testing.T) {
	for _, c := range []struct {
		pattern string
		yes, no []string
	}{
		{"", []string{""}, []string{"a", "."}},
		{"*", []string{"a", "ab"}, []string{"", "a.b", "."}},
		{"#", []string{"", "a", "a.b", ".", ".."}, nil},
		{"a", []string{"a"}, []string{"", "b", "a.a", "a."}},
		{"a.", []string{"a."}, []string{"a"}},
		{"*.*", []string{".", "a.", "a.b"}, []string{"a", "a.b.c", ""}},
		{"a.*.c", []string{"a.b.c", "a..c"}, []string{"a.c", "a.b.b.c"}},
		{"a.#", []string{"a", "a.b", "a.b.c", "a."}, []string{"", "b.a"}},
		{"#.a", []string{"a", "b.a", "a.a"}, []string{"", "a.b"}},
		{"a.#.c", []string{"a.c", "a.b.c", "a.c.c", "a.x.y.c"}, []string{"a", "c", "a.c.b"}},
		{"#.#", []string{"", "a", "a.b"}, nil},
		{"#.*", []string{"a", "a.b"}, []string{""}},
		{"*.#", []string{"a", "a.b"}, []string{""}},
		{"#.*.#", []string{"a", "a.b.c"}, []string{""}},
		{"#.a.#.b.#", []string{"a.b", "x.a.x.b.x", "a.a.b.b"}, []string{"b.a", "a"}},
		{"lazy.#", []string{"lazy", "lazy.pink.rabbit"}, []string{"quick.lazy"}},
		{"a*", []string{"a*"}, []string{"ab"}},
		{"#.#.a.#.#", []string{"a", "b.a.b"}, []string{"", "b"}},
	} {
		table := route.New(route.Topic)
		table.Add(route.Binding{Target: 1, Key: c.pattern})
		for _, key := range c.yes {
			if len(table.Match([]byte(key), nil, nil)) != 1 {
				t.Errorf("%q does not match %q", c.pattern, key)
			}
		}
		for _, key := range c.no {
			if len(table.Match([]byte(key), nil, nil)) != 0 {
				t.Errorf("%q matches %q", c.pattern, key)
			}
		}
	}
}

func TestHeadersRules(t *testing.T) {
	h := func(pairs ...any) (out []route.Header) {
		for i := 0; i < len(pairs); i += 2 {
			out = append(out, route.Header{Name: pairs[i].(string), Value: pairs[i+1].(route.Value)})
		}
		return out
	}
	one, two := route.Int(1), route.Int(2)
	for _, c := range []struct {
		name    string
		mode    route.MatchMode
		binding []route.Header
		message []route.Header
		want    bool
	}{
		{"all of nothing", route.MatchAll, nil, h("a", one), true},
		{"any of nothing", route.MatchAny, nil, h("a", one), false},
		{"all", route.MatchAll, h("a", one, "b", two), h("a", one, "b", two, "c", one), true},
		{"all but one", route.MatchAll, h("a", one, "b", two), h("a", one), false},
		{"all, another value", route.MatchAll, h("a", one), h("a", two), false},
		{"any", route.MatchAny, h("a", one, "b", two), h("b", two), true},
		{"any, other values", route.MatchAny, h("a", one, "b", two), h("a", two, "b", one), false},
		{"presence", route.MatchAll, h("a", route.Nil()), h("a", two), true},
		{"absence", route.MatchAll, h("a", route.Nil()), h("b", two), false},
		{"presence of nil", route.MatchAny, h("a", route.Nil()), h("a", route.Nil()), true},
		{"nil is no value", route.MatchAll, h("a", one), h("a", route.Nil()), false},
		{"x- ignored by all", route.MatchAll, h("x-a", one), nil, true},
		{"x- ignored by any", route.MatchAny, h("x-a", one), h("x-a", one), false},
		{"x- counts", route.MatchAllWithX, h("x-a", one), nil, false},
		{"x- counts for any", route.MatchAnyWithX, h("x-a", one), h("x-a", one), true},
		{"x-match never counts", route.MatchAllWithX, h("x-match", one, "a", one), h("a", one), true},
		{"integer and float", route.MatchAll, h("a", one), h("a", route.Float(1)), true},
		{"text is no number", route.MatchAll, h("a", route.Text("1")), h("a", one), false},
		{"true is no number", route.MatchAll, h("a", route.Bool(true)), h("a", one), false},
		{"bytes are text", route.MatchAll, h("a", route.Text("1")), h("a", route.Borrow([]byte("1"))), true},
	} {
		table := route.New(route.Headers)
		table.Add(route.Binding{Target: 3, Match: c.mode, Headers: c.binding})
		m := letter{headers: map[string]route.Value{}}
		for _, x := range c.message {
			m.headers[x.Name] = x.Value
		}
		if got := len(table.Match(nil, m, nil)) == 1; got != c.want {
			t.Errorf("%s: got %v", c.name, got)
		}
	}
}

func TestValueEquality(t *testing.T) {
	big := float64(1 << 63)
	for _, c := range []struct {
		v, w route.Value
		want bool
	}{
		{route.Int(math.MaxInt64), route.Float(big), false},
		{route.Int(math.MinInt64), route.Float(-big), true},
		{route.Int(0), route.Float(math.Copysign(0, -1)), true},
		{route.Float(0), route.Float(math.Copysign(0, -1)), true},
		{route.Float(math.NaN()), route.Float(math.NaN()), false},
		{route.Int(1), route.Float(1.5), false},
		{route.Text("a"), route.Opaque("a"), false},
		{route.Time(5), route.Int(5), true},
		{route.Nil(), route.Bool(false), false},
	} {
		if c.v.Equal(c.w) != c.want || c.w.Equal(c.v) != c.want {
			t.Errorf("%v and %v: want %v", c.v, c.w, c.want)
		}
	}
}

func TestCheck(t *testing.T) {
	for _, key := range []string{"", "0", "-1", "1.5", "x", "1000001", "99999999999"} {
		if err := route.ConsistentHash.Check(route.Binding{Key: key}); !errors.Is(err, route.ErrWeight) {
			t.Errorf("weight %q: %v", key, err)
		}
	}
	if err := route.ConsistentHash.Check(route.Binding{Key: "10"}); err != nil {
		t.Error(err)
	}
	if err := route.Topic.Check(route.Binding{Key: "x"}); err != nil {
		t.Error(err)
	}
}

// naiveTopic is the definition, with all the backtracking it takes.
func naiveTopic(pattern, key []string) bool {
	switch {
	case len(pattern) == 0:
		return len(key) == 0
	case pattern[0] == "#":
		return naiveTopic(pattern[1:], key) || len(key) > 0 && naiveTopic(pattern, key[1:])
	case len(key) == 0:
		return false
	}
	return (pattern[0] == "*" || pattern[0] == key[0]) && naiveTopic(pattern[1:], key[1:])
}

func split(key string) []string {
	if key == "" {
		return nil
	}
	return strings.Split(key, ".")
}

func naiveHeaders(b route.Binding, m letter) bool {
	all := b.Match == route.MatchAll || b.Match == route.MatchAllWithX
	withX := b.Match == route.MatchAllWithX || b.Match == route.MatchAnyWithX
	for _, h := range b.Headers {
		if h.Name == "x-match" || !withX && strings.HasPrefix(h.Name, "x-") {
			continue
		}
		v, ok := m.headers[h.Name]
		if hit := ok && (h.Value.IsNil() || h.Value.Equal(v)); hit != all {
			return hit
		}
	}
	return all
}

func drawValue(t *rapid.T) route.Value {
	return rapid.SampledFrom([]route.Value{
		route.Nil(), route.Int(1), route.Int(2), route.Float(1), route.Float(1.5),
		route.Text("1"), route.Bool(true),
	}).Draw(t, "value")
}

// headerNames are more than a table asks a message for one by one.
var headerNames = []string{"a", "b", "x-c", "d", "e", "f", "g", "h", "i", "j"}

func drawBinding(t *rapid.T, kind route.Kind) route.Binding {
	b := route.Binding{Target: route.Target(rapid.Uint32Range(0, 5).Draw(t, "target"))}
	switch kind {
	case route.Topic:
		words := rapid.SliceOfN(rapid.SampledFrom([]string{"a", "b", "c", "", "*", "#"}), 0, 6).Draw(t, "words")
		b.Key = strings.Join(words, ".")
	case route.Headers:
		b.Match = route.MatchMode(rapid.IntRange(0, 3).Draw(t, "mode"))
		for _, name := range headerNames {
			if rapid.IntRange(0, 4).Draw(t, "has") == 0 {
				b.Headers = append(b.Headers, route.Header{Name: name, Value: drawValue(t)})
			}
		}
	case route.ConsistentHash:
		b.Key = rapid.SampledFrom([]string{"1", "1", "2", "10"}).Draw(t, "weight")
	default:
		b.Key = rapid.SampledFrom([]string{"", "a", "b"}).Draw(t, "key")
	}
	return b
}

// TestAgainstLists compares every kind with a list of bindings that is searched
// from one end to the other.
func TestAgainstLists(t *testing.T) {
	for kind := route.Direct; kind <= route.Random; kind++ {
		t.Run(fmt.Sprint(kind), func(t *testing.T) {
			rapid.Check(t, func(t *rapid.T) { checkAgainstList(t, kind) })
		})
	}
}

func same(x, y route.Binding) bool {
	return x.Target == y.Target && x.Key == y.Key && x.Match == y.Match &&
		slices.EqualFunc(x.Headers, y.Headers, func(x, y route.Header) bool {
			return x == y
		})
}

func checkAgainstList(t *rapid.T, kind route.Kind) {
	table := route.New(kind)
	var list []route.Binding
	t.Repeat(map[string]func(*rapid.T){
		"add": func(t *rapid.T) {
			for range rapid.IntRange(1, 5).Draw(t, "n") {
				b := drawBinding(t, kind)
				fresh := !slices.ContainsFunc(list, func(x route.Binding) bool { return same(x, b) })
				if table.Add(b) != fresh {
					t.Fatalf("Add %+v: want %v", b, fresh)
				}
				if fresh {
					list = append(list, b)
				}
			}
		},
		"remove": func(t *rapid.T) {
			b := drawBinding(t, kind)
			if len(list) > 0 && rapid.Bool().Draw(t, "there") {
				b = rapid.SampledFrom(list).Draw(t, "b")
			}
			i := slices.IndexFunc(list, func(x route.Binding) bool { return same(x, b) })
			if table.Remove(b) != (i >= 0) {
				t.Fatalf("Remove %+v: want %v", b, i >= 0)
			}
			if i >= 0 {
				list = slices.Delete(list, i, i+1)
			}
		},
		"removeTarget": func(t *rapid.T) {
			target := drawBinding(t, kind).Target
			before := len(list)
			list = slices.DeleteFunc(list, func(b route.Binding) bool { return b.Target == target })
			if got := table.RemoveTarget(target); got != before-len(list) {
				t.Fatalf("RemoveTarget: got %d, want %d", got, before-len(list))
			}
		},
		"": func(t *rapid.T) { checkMatch(t, kind, table, list) },
	})
}

func checkMatch(t *rapid.T, kind route.Kind, table *route.Table, list []route.Binding) {
	if table.Len() != len(list) {
		t.Fatalf("Len: got %d, want %d", table.Len(), len(list))
	}
	key := strings.Join(rapid.SliceOfN(rapid.SampledFrom([]string{"a", "b", "c", ""}), 0, 6).Draw(t, "key"), ".")
	m := letter{headers: map[string]route.Value{}, random: rapid.Uint64().Draw(t, "random")}
	for _, name := range headerNames {
		if rapid.Bool().Draw(t, "header") {
			m.headers[name] = drawValue(t)
		}
	}
	targets := map[route.Target]bool{}
	want := map[route.Target]bool{}
	for _, b := range list {
		targets[b.Target] = true
		switch kind {
		case route.Direct:
			want[b.Target] = want[b.Target] || b.Key == key
		case route.Topic:
			want[b.Target] = want[b.Target] || naiveTopic(split(b.Key), split(key))
		case route.Headers:
			want[b.Target] = want[b.Target] || naiveHeaders(b, m)
		default:
			want[b.Target] = true
		}
	}
	before := []route.Target{99}
	got := table.Match([]byte(key), m, before)
	if got[0] != 99 {
		t.Fatal("Match changed what was there")
	}
	got = sorted(got[1:])
	for o := range targets {
		if !table.Has(o) {
			t.Fatalf("Has %d is false", o)
		}
	}
	var listed int
	for range table.Bindings {
		listed++
	}
	for o := range table.Targets {
		for b := range func(yield func(route.Binding) bool) { table.BindingsOf(o, yield) } {
			if b.Target != o || !targets[o] {
				t.Fatalf("binding %+v of target %d", b, o)
			}
			listed--
		}
	}
	if listed != 0 {
		t.Fatalf("the two lists of bindings differ by %d", listed)
	}
	if kind == route.ConsistentHash || kind == route.ModulusHash || kind == route.Random {
		checkOne(t, kind, got, m, key, list)
		return
	}
	for i := range got {
		if !want[got[i]] || i > 0 && got[i] == got[i-1] {
			t.Fatalf("key %q: got %v of %+v", key, got, list)
		}
		delete(want, got[i])
	}
	for o, missing := range want {
		if missing {
			t.Fatalf("key %q: %d is missing", key, o)
		}
	}
}

// checkOne checks that one target is chosen, and for hashes that a table built
// in another order chooses the same.
func checkOne(t *rapid.T, kind route.Kind, got []route.Target, m letter, key string, list []route.Binding) {
	if len(got) != min(len(list), 1) {
		t.Fatalf("got %v of %d bindings", got, len(list))
	}
	if kind == route.Random {
		return
	}
	again := route.New(kind)
	for _, b := range rapid.Permutation(list).Draw(t, "order") {
		again.Add(b)
	}
	if other := again.Match([]byte(key), m, nil); !slices.Equal(other, got) {
		t.Fatalf("got %v, and %v in another order", got, other)
	}
}

func FuzzTopic(f *testing.F) {
	f.Add("a.#.b.*", "a.x.y.b.c")
	f.Add("#.#.a.#", "a.a.a.a")
	f.Add("..", ".#.")
	f.Add(strings.Repeat(".", 2000), "x")
	const nodeBytes = 1 << 10 // each word of a pattern is a node, however short, of a table that grows
	f.Fuzz(func(t *testing.T, pattern, key string) {
		if strings.Count(pattern, "#") > 4 || len(key) > 64 {
			return // the definition takes too long
		}
		var table *route.Table
		words := uint64(2*strings.Count(pattern, ".") + 3)
		frugal.Check(t, len(pattern)+len(key), words*nodeBytes, func() {
			table = route.New(route.Topic)
			table.Add(route.Binding{Target: 1, Key: pattern})
			table.Add(route.Binding{Target: 2, Key: "x." + pattern})
			table.Match([]byte(key), nil, nil)
		})
		got := sorted(table.Match([]byte(key), nil, nil))
		var want []route.Target
		if naiveTopic(split(pattern), split(key)) {
			want = append(want, 1)
		}
		if naiveTopic(append([]string{"x"}, split2(pattern)...), split(key)) {
			want = append(want, 2)
		}
		if !slices.Equal(got, want) {
			t.Fatalf("%q on %q: got %v, want %v", pattern, key, got, want)
		}
		table.RemoveTarget(1)
		table.RemoveTarget(2)
		if len(table.Match([]byte(key), nil, nil)) != 0 {
			t.Fatal("matches when empty")
		}
	})
}

// split2 splits what stands behind a dot, where the empty text is a word.
func split2(key string) []string { return strings.Split(key, ".") }

func TestManyHashesAreNotExponential(t *testing.T) {
	table := route.New(route.Topic)
	pattern := strings.TrimSuffix(strings.Repeat("#.a.", 60), ".")
	table.Add(route.Binding{Target: 1, Key: pattern + ".z"})
	for i := range route.Target(2000) {
		table.Add(route.Binding{Target: i, Key: strings.Repeat("#.a.", int(i%50)) + fmt.Sprintf("b%d.#", i)})
	}
	key := []byte(strings.TrimSuffix(strings.Repeat("a.", 126), "."))
	result := testing.Benchmark(func(b *testing.B) {
		for b.Loop() {
			table.Match(key, nil, nil)
		}
	})
	if each := result.NsPerOp(); each > 5e6 {
		t.Errorf("a match takes %d ns", each)
	}
}

func TestConsistentHashMovesLittleAndIsFair(t *testing.T) {
	const keys, targets = 20_000, 10
	choose := func(table *route.Table) []route.Target {
		out := make([]route.Target, keys)
		for i := range out {
			out[i] = table.Match(fmt.Appendf(nil, "order-%d", i), nil, nil)[0]
		}
		return out
	}
	count := func(list []route.Target) map[route.Target]int {
		n := map[route.Target]int{}
		for _, o := range list {
			n[o]++
		}
		return n
	}
	table := route.New(route.ConsistentHash)
	for i := range route.Target(targets) {
		table.Add(route.Binding{Target: i, Key: "1"})
	}
	before := choose(table)
	for o, n := range count(before) {
		if n < keys/targets*9/10 || n > keys/targets*11/10 {
			t.Errorf("target %d has %d keys", o, n)
		}
	}
	table.RemoveTarget(4)
	for i, o := range choose(table) {
		if o != before[i] && before[i] != 4 {
			t.Fatalf("key %d moved from %d to %d", i, before[i], o)
		}
	}
	// Weights: the one with 5 has five times as much, and takes it only from
	// the others.
	table.Add(route.Binding{Target: 4, Key: "5"})
	weighed := choose(table)
	for i, o := range weighed {
		if o != before[i] && o != 4 {
			t.Fatalf("key %d moved from %d to %d", i, before[i], o)
		}
	}
	if n := count(weighed)[4]; n < keys*5/14*9/10 || n > keys*5/14*11/10 {
		t.Errorf("the heavy one has %d keys", n)
	}
}

// TestHashesAreStable pins values: they decide where keys of running systems go.
func TestHashesAreStable(t *testing.T) {
	consistent, modulus := route.New(route.ConsistentHash), route.New(route.ModulusHash)
	for i := range route.Target(7) {
		consistent.Add(route.Binding{Target: i, Key: "1", Place: uint64(i) * 1e9})
		modulus.Add(route.Binding{Target: i, Place: uint64(i) * 1e9})
	}
	var got []route.Target
	for _, key := range []string{"", "a", "order-1", "order-2", "长江"} {
		got = consistent.Match([]byte(key), nil, got)
		got = modulus.Match([]byte(key), nil, got)
	}
	want := []route.Target{2, 6, 4, 4, 6, 0, 1, 6, 4, 6}
	if !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestHashBy(t *testing.T) {
	table := route.New(route.ConsistentHash)
	for i := range route.Target(50) {
		table.Add(route.Binding{Target: i, Key: "1"})
	}
	table.SetHashBy(route.HashBy{Header: "customer"})
	m := letter{headers: map[string]route.Value{"customer": route.Int(7)}}
	first := table.Match([]byte("a"), m, nil)
	if other := table.Match([]byte("b"), m, nil); !slices.Equal(first, other) {
		t.Error("the routing key decides")
	}
	m.headers["customer"] = route.Float(7)
	if other := table.Match([]byte("b"), m, nil); !slices.Equal(first, other) {
		t.Error("the type of a number decides")
	}
	delete(m.headers, "customer")
	none := table.Match([]byte("b"), m, nil)
	table.SetHashBy(route.HashBy{Property: route.PropertyMessageID})
	if other := table.Match([]byte("c"), m, nil); !slices.Equal(none, other) {
		t.Error("without a header and without a property differ")
	}
	m.properties = map[route.Property]route.Value{route.PropertyMessageID: route.Text("id")}
	table.SetHashBy(route.HashBy{})
	byKey := table.Match([]byte("id"), m, nil)
	table.SetHashBy(route.HashBy{Property: route.PropertyMessageID})
	if other := table.Match([]byte("c"), m, nil); !slices.Equal(byKey, other) {
		t.Error("the text of a property hashes unlike a key")
	}
}

func TestMatchInParallel(t *testing.T) {
	table := route.New(route.Topic)
	for i := range route.Target(200) {
		table.Add(route.Binding{Target: i, Key: fmt.Sprintf("#.k%d.*", i%20)})
	}
	var group sync.WaitGroup
	for worker := range 4 {
		group.Go(func() {
			for i := range 500 {
				key := fmt.Appendf(nil, "x.k%d.y", (i+worker)%25)
				want := 10
				if (i+worker)%25 >= 20 {
					want = 0
				}
				if got := table.Match(key, nil, nil); len(got) != want {
					t.Errorf("%s: got %d targets, want %d", key, len(got), want)
				}
			}
		})
	}
	group.Wait()
}
