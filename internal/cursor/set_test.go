package cursor_test

import (
	"slices"
	"testing"

	"pgregory.net/rapid"

	"weir/internal/cursor"
	"weir/internal/frugal"
	"weir/internal/record"
)

// offsets draws positions around chunk borders, where mistakes live.
func offsets() *rapid.Generator[record.Offset] {
	return rapid.Custom(func(t *rapid.T) record.Offset {
		chunk := rapid.Uint64Range(0, 6).Draw(t, "chunk")
		bit := rapid.SampledFrom([]uint64{0, 1, 2, 62, 63, 64, 65, 500, 1022, 1023}).Draw(t, "bit")
		return record.Offset(chunk*1024 + bit)
	})
}

type naiveSet map[record.Offset]bool

func (n naiveSet) sorted() []record.Offset {
	out := make([]record.Offset, 0, len(n))
	for o := range n {
		out = append(out, o)
	}
	slices.Sort(out)
	return out
}

func (n naiveSet) ranges(lo, hi record.Offset) (out []cursor.Range) {
	for _, o := range n.sorted() {
		if o < lo || o >= hi {
			continue
		}
		if k := len(out); k > 0 && out[k-1].Hi == o {
			out[k-1].Hi++
		} else {
			out = append(out, cursor.Range{Lo: o, Hi: o + 1})
		}
	}
	return out
}

func ranges(s *cursor.Set) (out []cursor.Range) {
	s.Ranges(func(lo, hi record.Offset) bool {
		out = append(out, cursor.Range{Lo: lo, Hi: hi})
		return true
	})
	return out
}

// setWorld is a Set and a map that should be the same.
type setWorld struct {
	s cursor.Set
	n naiveSet
}

func (w *setWorld) same(t *rapid.T, what string, got, want any) {
	if got != want {
		t.Fatalf("%s: got %v, want %v", what, got, want)
	}
}

func bounds(t *rapid.T) (lo, hi record.Offset) {
	lo, hi = offsets().Draw(t, "lo"), offsets().Draw(t, "hi")
	return min(lo, hi), max(lo, hi)
}

func TestSetAgainstMap(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := &setWorld{n: naiveSet{}}
		t.Repeat(map[string]func(*rapid.T){
			"add": w.add, "remove": w.remove, "addRange": w.addRange, "removeRange": w.removeRange,
			"within": w.within, "code": w.code, "drain": w.drain, "": w.check,
			"clear": func(*rapid.T) {
				w.s.Clear()
				clear(w.n)
			},
		})
	})
}

func (w *setWorld) add(t *rapid.T) {
	o := offsets().Draw(t, "o")
	w.same(t, "Add", w.s.Add(o), !w.n[o])
	w.n[o] = true
}

func (w *setWorld) remove(t *rapid.T) {
	o := offsets().Draw(t, "o")
	w.same(t, "Remove", w.s.Remove(o), w.n[o])
	delete(w.n, o)
}

func (w *setWorld) addRange(t *rapid.T) {
	lo, hi := bounds(t)
	var added uint64
	for o := lo; o < hi; o++ {
		if !w.n[o] {
			added++
			w.n[o] = true
		}
	}
	w.same(t, "AddRange", w.s.AddRange(lo, hi), added)
}

func (w *setWorld) removeRange(t *rapid.T) {
	lo, hi := bounds(t)
	var removed uint64
	for o := lo; o < hi; o++ {
		if w.n[o] {
			removed++
			delete(w.n, o)
		}
	}
	w.same(t, "RemoveRange", w.s.RemoveRange(lo, hi), removed)
}

func (w *setWorld) within(t *rapid.T) {
	lo, hi := bounds(t)
	var got []cursor.Range
	w.s.RangesWithin(lo, hi, func(lo, hi record.Offset) bool {
		got = append(got, cursor.Range{Lo: lo, Hi: hi})
		return true
	})
	if want := w.n.ranges(lo, hi); !slices.Equal(got, want) {
		t.Fatalf("RangesWithin: got %v, want %v", got, want)
	}
}

func (w *setWorld) code(t *rapid.T) {
	var c cursor.Set
	rest, err := c.DecodeBinary(append(w.s.AppendBinary(nil), 7))
	if err != nil || len(rest) != 1 {
		t.Fatalf("decode: %v, rest %d", err, len(rest))
	}
	w.s = c
}

func (w *setWorld) drain(t *rapid.T) {
	for _, o := range w.n.sorted() {
		w.same(t, "Remove", w.s.Remove(o), true)
	}
	clear(w.n)
	w.add(t)
}

func (w *setWorld) check(t *rapid.T) {
	s := &w.s
	w.same(t, "Len", s.Len(), uint64(len(w.n)))
	sorted := w.n.sorted()
	if got, want := ranges(s), w.n.ranges(0, 1<<62); !slices.Equal(got, want) {
		t.Fatalf("Ranges: got %v, want %v", got, want)
	}
	first, ok := s.First()
	w.same(t, "First", ok, len(sorted) > 0)
	last, _ := s.Last()
	if ok {
		w.same(t, "First", first, sorted[0])
		w.same(t, "Last", last, sorted[len(sorted)-1])
	}
	o := offsets().Draw(t, "probe")
	w.same(t, "Contains", s.Contains(o), w.n[o])
	next, ok := s.Next(o)
	i, _ := slices.BinarySearch(sorted, o)
	w.same(t, "Next", ok, i < len(sorted))
	if ok {
		w.same(t, "Next", next, sorted[i])
	}
}

func TestSetOfManyChunks(t *testing.T) {
	var s cursor.Set
	n := naiveSet{}
	// Every chunk by itself, in an order that inserts everywhere.
	const chunks = 501
	for i := range record.Offset(chunks) {
		o := i * 337 % chunks * 2048
		s.Add(o)
		n[o] = true
	}
	if got, want := ranges(&s), n.ranges(0, 1<<62); !slices.Equal(got, want) {
		t.Fatalf("got %d ranges, want %d", len(got), len(want))
	}
	for i := range record.Offset(chunks) {
		if o := i * 211 % chunks * 2048; !s.Remove(o) {
			t.Fatalf("%d is missing", o)
		}
	}
	if s.Len() != 0 {
		t.Fatalf("%d left", s.Len())
	}
}

func TestSetKeepsAStuckOffsetCheap(t *testing.T) {
	var s cursor.Set
	s.Add(0)
	allocs := testing.AllocsPerRun(10, func() {
		for o := record.Offset(1); o < 1<<20; o += 512 {
			s.AddRange(o, o+512)
			s.RemoveRange(o, o+512)
		}
	})
	if allocs > 1 {
		t.Errorf("%v allocations a million offsets", allocs)
	}
	s.AddRange(1000, 1e9)
	s.Remove(5e8)
	if got := len(s.AppendBinary(nil)); got > 32 {
		t.Errorf("two gaps take %d bytes", got)
	}
	if s.Len() != 1e9-1000 {
		t.Errorf("Len is %d", s.Len())
	}
}

func FuzzSetDecode(f *testing.F) {
	var s cursor.Set
	s.AddRange(10, 5000)
	s.Add(7)
	f.Add(s.AppendBinary(nil))
	f.Add([]byte{2, 0, 1, 0, 1})
	f.Fuzz(func(t *testing.T, b []byte) {
		var s cursor.Set
		rest, err := s.DecodeBinary(b)
		if err != nil {
			if s.Len() != 0 {
				t.Fatal("not empty after an error")
			}
			return
		}
		if again := s.AppendBinary(nil); !slices.Equal(again, b[:len(b)-len(rest)]) {
			t.Fatalf("%x decodes, but encodes as %x", b, again)
		}
		frugal.Check(t, len(b), 0, func() { _, _ = s.DecodeBinary(b) })
	})
}
