package cursor_test

import (
	"slices"
	"testing"

	"pgregory.net/rapid"

	"weir/internal/cursor"
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

func TestSetAgainstMap(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var s cursor.Set
		n := naiveSet{}
		bounds := func() (lo, hi record.Offset) {
			lo, hi = offsets().Draw(t, "lo"), offsets().Draw(t, "hi")
			return min(lo, hi), max(lo, hi)
		}
		same := func(what string, got, want any) {
			if got != want {
				t.Fatalf("%s: got %v, want %v", what, got, want)
			}
		}
		t.Repeat(map[string]func(*rapid.T){
			"add": func(t *rapid.T) {
				o := offsets().Draw(t, "o")
				same("Add", s.Add(o), !n[o])
				n[o] = true
			},
			"remove": func(t *rapid.T) {
				o := offsets().Draw(t, "o")
				same("Remove", s.Remove(o), n[o])
				delete(n, o)
			},
			"addRange": func(t *rapid.T) {
				lo, hi := bounds()
				var added uint64
				for o := lo; o < hi; o++ {
					if !n[o] {
						added++
						n[o] = true
					}
				}
				same("AddRange", s.AddRange(lo, hi), added)
			},
			"removeRange": func(t *rapid.T) {
				lo, hi := bounds()
				var removed uint64
				for o := lo; o < hi; o++ {
					if n[o] {
						removed++
						delete(n, o)
					}
				}
				same("RemoveRange", s.RemoveRange(lo, hi), removed)
			},
			"within": func(t *rapid.T) {
				lo, hi := bounds()
				var got []cursor.Range
				s.RangesWithin(lo, hi, func(lo, hi record.Offset) bool {
					got = append(got, cursor.Range{Lo: lo, Hi: hi})
					return true
				})
				if want := n.ranges(lo, hi); !slices.Equal(got, want) {
					t.Fatalf("RangesWithin: got %v, want %v", got, want)
				}
			},
			"code": func(t *rapid.T) {
				b := s.AppendBinary(nil)
				var c cursor.Set
				rest, err := c.DecodeBinary(append(b, 7))
				if err != nil || len(rest) != 1 {
					t.Fatalf("decode: %v, rest %d", err, len(rest))
				}
				s = c
			},
			"drain": func(t *rapid.T) {
				for _, o := range n.sorted() {
					same("Remove", s.Remove(o), true)
				}
				clear(n)
				o := offsets().Draw(t, "o")
				same("Add", s.Add(o), true)
				n[o] = true
			},
			"clear": func(*rapid.T) {
				s.Clear()
				clear(n)
			},
			"": func(t *rapid.T) {
				same("Len", s.Len(), uint64(len(n)))
				sorted := n.sorted()
				if got, want := ranges(&s), n.ranges(0, 1<<62); !slices.Equal(got, want) {
					t.Fatalf("Ranges: got %v, want %v", got, want)
				}
				first, ok := s.First()
				same("First", ok, len(sorted) > 0)
				last, _ := s.Last()
				if ok {
					same("First", first, sorted[0])
					same("Last", last, sorted[len(sorted)-1])
				}
				o := offsets().Draw(t, "probe")
				same("Contains", s.Contains(o), n[o])
				next, ok := s.Next(o)
				i, _ := slices.BinarySearch(sorted, o)
				same("Next", ok, i < len(sorted))
				if ok {
					same("Next", next, sorted[i])
				}
			},
		})
	})
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
		if grown := allocatedBy(func() { s.DecodeBinary(b) }); grown > uint64(64<<10+256*len(b)) {
			t.Fatalf("%d bytes made it allocate %d", len(b), grown)
		}
	})
}
