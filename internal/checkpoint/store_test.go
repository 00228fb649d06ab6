package checkpoint_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"weir/internal/checkpoint"
	"weir/internal/record"
	"weir/internal/vfs"
)

const dir = "/state"

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

type state map[string]string

func load(fs vfs.FS) (*checkpoint.Store, checkpoint.Meta, state, error) {
	got := state{}
	last := ""
	s, m, err := checkpoint.Open(fs, dir, func(key, value []byte) error {
		if len(got) > 0 && string(key) <= last {
			return fmt.Errorf("key %q behind %q", key, last)
		}
		last = string(key)
		got[last] = string(value)
		return nil
	})
	return s, m, got, err
}

func meta(index record.Index) checkpoint.Meta {
	return checkpoint.Meta{
		Shard: 3, Incarnation: 9, Index: index, Term: record.Term(index / 3),
		Vote: uint64(index % 5), ConfState: []byte(fmt.Sprint("conf ", index)),
	}
}

func sameMeta(a, b checkpoint.Meta) bool { return fmt.Sprint(a) == fmt.Sprint(b) }

// edit is one checkpoint's changes, with repeats.
type edit struct {
	deletes []bool
	keys    []string
	values  []string
}

func randomEdit(rng *rand.Rand, keys, size int) edit {
	var e edit
	for range rng.IntN(keys + 1) {
		e.deletes = append(e.deletes, rng.IntN(4) == 0)
		e.keys = append(e.keys, strings.Repeat("k", rng.IntN(3))+fmt.Sprint(rng.IntN(keys)))
		n := rng.IntN(size)
		if rng.IntN(100) == 0 {
			n = 90 << 10
		}
		e.values = append(e.values, strings.Repeat(string(rune('a'+rng.IntN(26))), n))
	}
	return e
}

func (e edit) apply(put func(key, value []byte), del func(key []byte)) {
	scratch := make([]byte, 0, 64)
	for i, k := range e.keys {
		// Both slices are the caller's again after the call.
		scratch = append(scratch[:0], k...)
		if e.deletes[i] {
			del(scratch)
		} else {
			put(scratch, []byte(e.values[i]))
		}
	}
}

func (e edit) on(s state) state {
	s = maps.Clone(s)
	for i, k := range e.keys {
		if e.deletes[i] {
			delete(s, k)
		} else {
			s[k] = e.values[i]
		}
	}
	return s
}

func requireState(t testing.TB, fs vfs.FS, want state, m checkpoint.Meta) {
	t.Helper()
	s, got, loaded, err := load(fs)
	must(t, err)
	must(t, s.Close())
	if !maps.Equal(loaded, want) || !sameMeta(got, m) {
		t.Fatalf("loaded %d keys and %+v, want %d and %+v", len(loaded), got, len(want), m)
	}
}

func TestModel(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		rng := rand.New(rand.NewPCG(rapid.Uint64().Draw(rt, "seed"), 1))
		m := vfs.NewMem()
		s, _, _, err := load(m)
		must(t, err)
		want, at := state{}, checkpoint.Meta{}
		for i := range record.Index(rapid.IntRange(1, 50).Draw(rt, "steps")) {
			switch rapid.IntRange(0, 9).Draw(rt, "step") {
			default:
				e := randomEdit(rng, 30, 2000)
				at = meta(i + 1)
				must(t, s.Write(at, e.apply))
				want = e.on(want)
			case 1, 2:
				_, err := s.Compact()
				must(t, err)
			case 3:
				must(t, s.Close())
				if err := s.Write(at, func(func(k, v []byte), func(k []byte)) {}); !errors.Is(err, checkpoint.ErrClosed) {
					t.Fatal(err)
				}
				s, _, _, err = load(m)
				must(t, err)
			case 4:
				e := randomEdit(rng, 10, 100)
				at = meta(i + 1)
				must(t, s.Replace(at, func(put func(k, v []byte)) {
					for k, v := range e.on(state{}) {
						put([]byte(k), []byte(v))
					}
				}))
				want = e.on(state{})
			}
			must(t, checkpoint.Verify(m, dir))
			requireState(t, m.CrashClone(func() bool { return false }), want, at)
		}
		must(t, checkpoint.Dump(m, dir, io.Discard))
	})
}

func TestCompactBoundsFiles(t *testing.T) {
	m := vfs.NewMem()
	s, _, _, err := load(m)
	must(t, err)
	want := state{}
	rng := rand.New(rand.NewPCG(1, 1))
	compacted, most := 0, 0
	for i := range record.Index(300) {
		e := randomEdit(rng, 200, 300)
		must(t, s.Write(meta(i), e.apply))
		want = e.on(want)
		done, err := s.Compact()
		must(t, err)
		if done {
			compacted++
		}
		names, err := m.List(dir)
		must(t, err)
		most = max(most, len(names))
	}
	if compacted < 5 || compacted > 60 || most > 34 {
		t.Fatalf("compacted %d times, up to %d files", compacted, most)
	}
	requireState(t, m, want, meta(299))
}

func TestOnDisk(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a", "b")
	want := state{}
	rng := rand.New(rand.NewPCG(1, 1))
	for i := range record.Index(4) {
		got := state{}
		s, _, err := checkpoint.Open(vfs.OS(), path, func(k, v []byte) error {
			got[string(k)] = string(v)
			return nil
		})
		must(t, err)
		if !maps.Equal(got, want) {
			t.Fatalf("loaded %d keys, want %d", len(got), len(want))
		}
		e := randomEdit(rng, 1000, 1000)
		must(t, s.Write(meta(i+1), e.apply))
		want = e.on(want)
		_, err = s.Compact()
		must(t, err)
		must(t, s.Close())
	}
}

func TestDump(t *testing.T) {
	m := vfs.NewMem()
	s, _, _, err := load(m)
	must(t, err)
	must(t, s.Write(meta(7), func(put func(k, v []byte), del func(k []byte)) {
		put([]byte("b"), []byte("xyz"))
		del([]byte("a"))
	}))
	var out bytes.Buffer
	must(t, checkpoint.Dump(m, dir, &out))
	const want = `file /state/0000000000000001.delta shard 3 incarnation 9 index 7 term 2 vote 2 configuration 636f6e662037
86 delete "a" 0 bytes
86 put "b" 3 bytes
end 1 puts 1 deletes
`
	if out.String() != want {
		t.Fatalf("dumped:\n%s", &out)
	}
}

func TestIndexMustNotFallBack(t *testing.T) {
	s, _, _, err := load(vfs.NewMem())
	must(t, err)
	none := func(func(k, v []byte), func(k []byte)) {}
	must(t, s.Write(meta(7), none))
	defer func() {
		if recover() == nil {
			t.Fatal("a checkpoint of an earlier index was taken")
		}
	}()
	_ = s.Write(meta(6), none)
}

// crashRun does random work; observe sees every operation about to happen, with
// the states that are allowed if power fails there.
type crashRun struct {
	rng     *rand.Rand
	allowed []version // the durable one, and the one being written
}

type version struct {
	s state
	m checkpoint.Meta
}

func (c *crashRun) run(t *testing.T, fs vfs.FS, steps int) error {
	s, _, _, err := load(fs)
	if err != nil {
		return err
	}
	for i := range record.Index(steps) {
		now := c.allowed[0]
		if c.rng.IntN(3) == 0 {
			if _, err := s.Compact(); err != nil {
				return err
			}
			continue
		}
		e := randomEdit(c.rng, 8, 60)
		for range c.rng.IntN(4) {
			// Enough for compaction to be due now and then.
			e.keys = append(e.keys, fmt.Sprint("big", c.rng.IntN(3)))
			e.values = append(e.values, strings.Repeat("v", 100<<10))
			e.deletes = append(e.deletes, false)
		}
		next := version{e.on(now.s), meta(now.m.Index + 1 + i%2)}
		replace := c.rng.IntN(10) == 0
		if replace {
			next.s = e.on(state{})
		}
		c.allowed = append(c.allowed, next)
		if replace {
			err = s.Replace(next.m, func(put func(k, v []byte)) {
				for k, v := range next.s {
					put([]byte(k), []byte(v))
				}
			})
		} else {
			err = s.Write(next.m, e.apply)
		}
		if err != nil {
			return err
		}
		c.allowed = []version{next}
	}
	return s.Close()
}

func (c *crashRun) check(t *testing.T, fs vfs.FS, why string) version {
	t.Helper()
	s, m, got, err := load(fs)
	if err != nil {
		t.Fatalf("%s: %v", why, err)
	}
	must(t, s.Close())
	for _, v := range c.allowed {
		if maps.Equal(got, v.s) && sameMeta(m, v.m) {
			return v
		}
	}
	t.Fatalf("%s: found index %d with %d keys", why, m.Index, len(got))
	return version{}
}

// TestCrash loses power before every change of a run and, with a share of
// those, again before every change recovery makes.
func TestCrash(t *testing.T) {
	for seed := range uint64(12) {
		c := &crashRun{rng: rand.New(rand.NewPCG(seed, 1)), allowed: []version{{s: state{}}}}
		m := vfs.NewMem()
		crash := rand.New(rand.NewPCG(seed, 2))
		coin := func() func() bool {
			p := [...]float64{0, 0.2, 0.5, 0.8, 1}[crash.IntN(5)]
			return func() bool { return crash.Float64() < p }
		}
		must(t, c.run(t, vfs.Inject(m, func(op vfs.Op) error {
			if !op.Kind.Changes() {
				return nil
			}
			why := fmt.Sprintf("seed %d before %v %s", seed, op.Kind, op.Name)
			clone := m.CrashClone(coin())
			var again []*vfs.Mem
			found := c.check(t, vfs.Inject(clone, func(op vfs.Op) error {
				if op.Kind.Changes() && crash.IntN(3) == 0 {
					again = append(again, clone.CrashClone(coin()))
				}
				return nil
			}), why)
			for _, a := range again {
				(&crashRun{allowed: []version{found}}).check(t, a, why+", then in recovery")
			}
			return nil
		}), 25))
		c.check(t, m.CrashClone(func() bool { return false }), "at the end")
	}
}

// TestKill fails every operation in turn, restarts on what the page cache
// holds, and then loses power: what the restart loaded must stay.
func TestKill(t *testing.T) {
	boom := errors.New("boom")
	for n := 1; ; n++ {
		c := &crashRun{rng: rand.New(rand.NewPCG(7, 1)), allowed: []version{{s: state{}}}}
		m, ops := vfs.NewMem(), 0
		err := c.run(t, vfs.Inject(m, func(op vfs.Op) error {
			if op.Kind.Changes() {
				ops++
			}
			if ops >= n && op.Kind.Changes() {
				return boom
			}
			return nil
		}), 12)
		if ops < n {
			must(t, err)
			return
		}
		if err == nil || !strings.Contains(err.Error(), "boom") {
			t.Fatalf("operation %d failed: %v", n, err)
		}
		found := c.check(t, m, "after a kill")
		(&crashRun{allowed: []version{found}}).check(t, m.CrashClone(func() bool { return false }), "after a kill and a crash")
	}
}

func TestFullDisk(t *testing.T) {
	m := vfs.NewMem()
	s, _, _, err := load(m)
	must(t, err)
	e := edit{deletes: []bool{false}, keys: []string{"a"}, values: []string{strings.Repeat("x", 300<<10)}}
	must(t, s.Write(meta(1), e.apply))
	m.SetFreeLimit(1000)
	if err := s.Write(meta(2), e.apply); !errors.Is(err, vfs.ErrFull) {
		t.Fatal(err)
	}
	if _, err := s.Compact(); !errors.Is(err, vfs.ErrFull) {
		t.Fatal(err)
	}
	requireState(t, m.CrashClone(func() bool { return true }), e.on(state{}), meta(1))
	m.SetFreeLimit(-1)
	must(t, s.Write(meta(2), e.apply))
	if done, err := s.Compact(); !done || err != nil {
		t.Fatal(done, err)
	}
	requireState(t, m, e.on(state{}), meta(2))
	names, err := m.List(dir)
	must(t, err)
	if !slices.Equal(names, []string{"0000000000000002.base"}) {
		t.Fatal(names)
	}
}

func TestFailedStoreStaysFailed(t *testing.T) {
	boom, fail := errors.New("boom"), false
	s, _, _, err := load(vfs.Inject(vfs.NewMem(), func(op vfs.Op) error {
		if fail && op.Kind == vfs.OpSync {
			fail = false
			return boom
		}
		return nil
	}))
	must(t, err)
	fail = true
	none := func(func(k, v []byte), func(k []byte)) {}
	if err := s.Write(meta(1), none); !errors.Is(err, boom) {
		t.Fatal(err)
	}
	if err := s.Write(meta(1), none); err == nil {
		t.Fatal("wrote after a failed sync")
	}
}
