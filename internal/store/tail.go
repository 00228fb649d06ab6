package store

import (
	"weir/internal/invariant"
	"weir/internal/record"
)

// Location is where a record stands in the tail. It holds no pointer, so that
// millions of them cost the garbage collector nothing.
type Location struct {
	slab     uint32
	position uint32
}

type slab struct {
	data []byte
	live int32 // records still wanted; the data is dropped at zero
}

// Tail is the memory of recent entries. Slabs are numbered in order; those in
// front of the first live one are forgotten.
type Tail struct {
	slabs []slab
	base  uint32 // number of slabs[0]
	bytes int64  // of all slabs held
}

// Add takes over the data of an entry and returns its slab number. The slab is
// live until Seal has been called and all its records are dropped.
func (t *Tail) Add(data []byte) uint32 {
	t.slabs = append(t.slabs, slab{data: data, live: 1})
	t.bytes += int64(len(data))
	return t.base + uint32(len(t.slabs)) - 1
}

// Seal ends the filling of a slab.
func (t *Tail) Seal(number uint32) { t.unref(number) }

// Keep notes that the record at position of the slab is wanted.
func (t *Tail) Keep(number, position uint32) Location {
	t.slabs[number-t.base].live++
	return Location{number, position}
}

// KeepAgain notes that the record at l is wanted once more.
func (t *Tail) KeepAgain(l Location) Location {
	t.slabs[l.slab-t.base].live++
	return l
}

// Drop notes that the record is not wanted any more.
func (t *Tail) Drop(l Location) { t.unref(l.slab) }

func (t *Tail) unref(number uint32) {
	s := &t.slabs[number-t.base]
	s.live--
	if s.live > 0 {
		return
	}
	if s.live < 0 { // tested here, for the arguments cost an allocation
		invariant.Check(false, "tail: slab %d dropped twice", number)
	}
	t.bytes -= int64(len(s.data))
	s.data = nil
	if number == t.base {
		t.forget()
	}
}

// forget drops the empty slabs in front.
func (t *Tail) forget() {
	n := 0
	for n < len(t.slabs) && t.slabs[n].live == 0 {
		n++
	}
	t.base += uint32(n)
	rest := copy(t.slabs, t.slabs[n:])
	clear(t.slabs[rest:])
	t.slabs = t.slabs[:rest]
}

// Record returns the record at l. It aliases the slab and may be kept.
func (t *Tail) Record(l Location) []byte {
	data := t.slabs[l.slab-t.base].data[l.position:]
	size, err := record.Size(data)
	if err != nil {
		invariant.Check(false, "tail: no record at slab %d position %d", l.slab, l.position)
	}
	return data[:size:size]
}

// Bytes is the memory of the slabs held.
func (t *Tail) Bytes() int64 { return t.bytes }

// Range is the tail's part of one log: the locations of the offsets from Base on,
// in a ring. Settled offsets in its middle keep their place.
type Range struct {
	ring []Location // length a power of two, or nil
	head int
	n    int
	base record.Offset
}

// Base is the first offset of the range, End the one behind its last.
func (r *Range) Base() record.Offset { return r.base }

// End is the offset behind the last.
func (r *Range) End() record.Offset { return r.base + record.Offset(r.n) }

// Reset empties the range and lets it begin at base.
func (r *Range) Reset(base record.Offset) { *r = Range{base: base} }

// Push appends the location of offset End.
func (r *Range) Push(l Location) {
	if r.n == len(r.ring) {
		r.grow()
	}
	r.ring[(r.head+r.n)&(len(r.ring)-1)] = l
	r.n++
}

func (r *Range) grow() {
	bigger := make([]Location, max(4, 2*len(r.ring)))
	for i := range r.n {
		bigger[i] = r.ring[(r.head+i)&(len(r.ring)-1)]
	}
	r.ring, r.head = bigger, 0
}

// At returns the location of o, which must lie in the range.
func (r *Range) At(o record.Offset) Location {
	return r.ring[(r.head+int(o-r.base))&(len(r.ring)-1)]
}

// PopTo forgets the offsets below o. An emptied large ring is given back.
func (r *Range) PopTo(o record.Offset) {
	if o <= r.base {
		return
	}
	n := min(int(o-r.base), r.n)
	r.base, r.n = r.base+record.Offset(n), r.n-n
	if r.n == 0 {
		r.base = o
		r.head = 0
		if len(r.ring) > 64 {
			r.ring = nil
		}
		return
	}
	r.head = (r.head + n) & (len(r.ring) - 1)
}
