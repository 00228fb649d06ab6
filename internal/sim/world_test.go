package sim

import (
	"io"
	"strings"
	"testing"
	"time"

	"weir/internal/record"
	"weir/internal/replica"
)

func world(t *testing.T) *World {
	t.Helper()
	return New(Options{Seed: 1, Out: io.Discard})
}

// found fails unless exactly one violation was noted, which says what.
func found(t *testing.T, w *World, what string) {
	t.Helper()
	v := w.Violations()
	if len(v) != 1 || !strings.Contains(v[0], what) {
		t.Errorf("violations %q, not one with %q", v, what)
	}
}

// TestDurableIsWhatWasSynced follows a marked message to the disk.
func TestDurableIsWhatWasSynced(t *testing.T) {
	w := world(t)
	n := w.nodes[0]
	e := w.book.begin("p", "q")
	fs := n.disk.fs(&life{node: n})
	if err := fs.MkdirAll("d"); err != nil {
		t.Fatal(err)
	}
	f, err := fs.Create("d/f")
	if err != nil {
		t.Fatal(err)
	}
	if err := f.WriteVecAt([][]byte{[]byte("head"), body(e.id)}, 100); err != nil {
		t.Fatal(err)
	}
	w.book.confirm(e)
	found(t, w, "on stable storage of 0 nodes")
	if err := f.Sync(); err != nil {
		t.Fatal(err)
	}
	w.book.confirm(e)
	found(t, w, "on stable storage of 0 nodes")
}

// TestPowerCutLeavesWhatTheDiskKept crashes with nothing and with everything kept.
func TestPowerCutLeavesWhatTheDiskKept(t *testing.T) {
	for _, share := range []float64{0, 1} {
		w := world(t)
		n := w.nodes[0]
		fs := n.disk.fs(&life{node: n})
		if err := fs.MkdirAll("d"); err != nil {
			t.Fatal(err)
		}
		f, err := fs.Create("d/f")
		if err != nil {
			t.Fatal(err)
		}
		if err := fs.SyncDir("d"); err != nil {
			t.Fatal(err)
		}
		if _, err := f.WriteAt(body(5), 0); err != nil {
			t.Fatal(err)
		}
		n.disk.crash(share)
		if n.disk.holds(5) != (share == 1) {
			t.Errorf("share %v: %v", share, n.disk.holds(5))
		}
	}
}

type machine struct{ print uint64 }

func (machine) Apply(replica.Entry)   {}
func (m machine) Fingerprint() uint64 { return m.print }

// TestWitness shows it other entries, other states and gaps in what was known.
func TestWitness(t *testing.T) {
	entry := func(index uint64, data string) replica.Entry {
		return replica.Entry{Index: fingerprintEvery * record.Index(index), Term: 2, Data: []byte(data)}
	}
	for what, second := range map[string]func(o *observer){
		"another entry": func(o *observer) { o.Applied(1, entry(1, "b"), machine{7}) },
		"another state": func(o *observer) { o.Applied(1, entry(1, "a"), machine{8}) },
		"applied after": func(o *observer) {
			o.Applied(1, entry(1, "a"), machine{7})
			o.Applied(1, entry(1, "a"), machine{7})
		},
		"recovered up to entry 8 of 16": func(o *observer) {
			o.Applied(1, entry(1, "a"), machine{7})
			o.ready()
		},
	} {
		w := world(t)
		first := w.seen.observe(&life{node: w.nodes[0]})
		first.Applied(1, entry(1, "a"), machine{7})
		first.Applied(1, entry(2, "c"), machine{9})
		second(w.seen.observe(&life{node: w.nodes[0]}))
		found(t, w, what)
	}
}

// TestBook shows it messages where they cannot be.
func TestBook(t *testing.T) {
	for what, f := range map[string]func(b *book, e *entry){
		"where message 1 was": func(b *book, _ *entry) {
			o := b.begin("p", "topic")
			b.locate("r", o.id, "topic", 0, 9)
		},
		"at 0/9":        func(b *book, e *entry) { b.locate("r", e.id, "topic", 0, 10) },
		"nobody sent":   func(b *book, e *entry) { b.locate("r", e.id, "other", 0, 9) },
		"in topic, whe": func(b *book, _ *entry) { b.locate("r", 99, "topic", 0, 9) },
	} {
		w := world(t)
		e := w.book.begin("p", "topic")
		w.book.locate("p", e.id, "topic", 0, 9)
		f(&w.book, e)
		found(t, w, what)
	}
	if _, err := identify([]byte("weirmark")); err == nil {
		t.Error("a body that nobody sent")
	}
	b := body(3)
	b[len(b)-1] ^= 1
	if _, err := identify(b); err == nil && len(b) > markBytes {
		t.Error("a changed body")
	}
}

// TestTerm holds a time to live and a delay against the clocks of two lives.
func TestTerm(t *testing.T) {
	w := world(t)
	n := w.nodes[0]
	first := newLife(n, 1)
	term := term{life: first, sent: time.Now(), asked: first.clock.Millis(), delay: time.Hour, ttl: time.Hour, dies: true}
	if term.passed(time.Hour, first) || !term.passed(0, first) {
		t.Error("an hour has passed at once")
	}
	if term.dead(term.asked + time.Hour.Milliseconds()*9) {
		t.Error("a message is dead that was not confirmed")
	}
	term.kept = term.asked
	for at, dead := range map[time.Duration]bool{2 * time.Hour: false, 2*time.Hour + time.Millisecond: true} {
		if term.dead(term.asked+at.Milliseconds()) != dead {
			t.Errorf("dead after %v: %v", at, !dead)
		}
	}
	n.jump(2 * time.Hour)
	n.ends = []int64{first.clock.Millis()}
	if second := newLife(n, 2); !term.passed(time.Hour, second) || term.passed(3*time.Hour, second) {
		t.Error("the second life does not go by its clock")
	}
	n.jump(-4 * time.Hour)
	n.ends = append(n.ends, term.asked+time.Hour.Milliseconds())
	if third := newLife(n, 3); !term.passed(time.Hour, third) || term.passed(2*time.Hour, third) {
		t.Error("the third life does not know how far the second was")
	}
}

// TestShare shows messages that should not come, or not yet or not so often.
func TestShare(t *testing.T) {
	now := time.Unix(1000, 0)
	before, after := now.Add(-time.Second), now.Add(time.Second)
	for _, row := range []struct {
		share share
		count int
		since time.Time
		wrong string
	}{
		{share{}, 1, after, ""},
		{share{}, shareMost, after, ""},
		{share{}, shareMost + 1, after, "too often"},
		{share{}, 0, after, "too often"},
		{share{settled: now}, 1, after, "settled"},
		{share{settled: now}, 1, before, ""}, // it was on its way
		{share{returns: 2, returned: now}, 3, after, ""},
		{share{returns: 2, returned: now}, 2, after, "given back 2 times"},
		{share{returns: 2, returned: now}, 2, before, ""},
	} {
		if wrong := row.share.wrong(row.count, row.since); !strings.Contains(wrong, row.wrong) || (wrong == "") != (row.wrong == "") {
			t.Errorf("%+v for the %d. time: %q", row.share, row.count, wrong)
		}
	}
	for _, row := range []struct {
		share share
		id    messageID
		over  bool
	}{
		{share{}, 1, false},
		{share{}, poison, false},
		{share{times: 1}, 1, false},
		{share{times: 1}, poison, true},
		{share{times: shareMost}, 1, true},
		{share{asked: true}, 1, true},
	} {
		if row.share.over(row.id) != row.over {
			t.Errorf("%+v of message %d is over: %v", row.share, row.id, !row.over)
		}
	}
}
