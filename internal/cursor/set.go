package cursor

import (
	"math/bits"

	"weir/internal/record"
)

const (
	chunkShift = 10
	chunkBits  = 1 << chunkShift
	chunkMask  = chunkBits - 1
	chunkWords = chunkBits / 64

	// fullRun marks an entry as a run of full chunks; its low bits are the
	// length of the run. Without it an entry is one chunk: slot<<16 | bits set.
	fullRun = 1 << 63

	// An emptied set gives its memory back only above these, so that a queue
	// that is emptied all the time does not allocate all the time.
	slotsKept   = 4
	entriesKept = 32
)

type bitmap [chunkWords]uint64

// Set is an ordered set of offsets: bitmaps of 1024 offsets, of which only those
// that are partly filled exist. Full neighbours are one entry of 16 bytes and
// empty ones are none, so a range of any length costs the same. The largest
// uint64 is no valid offset. The zero Set is empty and takes 16 bytes.
type Set struct {
	n    uint64
	body *setBody
}

// setBody is apart from Set to keep queues that hold nothing small.
//
// Invariant: a chunk without bits stands only in an empty set, alone. It is kept
// because a queue that keeps up is emptied with every message.
type setBody struct {
	dir   directory
	slots []bitmap
	free  int32 // 1 + the first free slot; a free slot's word 0 is the next one, the rest clear
}

func (e entry) isRun() bool    { return e.v&fullRun != 0 }
func (e entry) runLen() uint64 { return e.v &^ fullRun }
func (e entry) slot() int      { return int(e.v >> 16) }
func (e entry) count() int     { return int(e.v & 0xffff) }

// end is the first chunk behind the entry.
func (e entry) end() uint64 {
	if e.isRun() {
		return e.key + e.runLen()
	}
	return e.key + 1
}

func runEntry(key, n uint64) entry { return entry{key, fullRun | n} }

// find returns the index of the entry that covers the chunk; where none does,
// the index before which its entry would stand.
func (b *setBody) find(key uint64) (int, bool) {
	i := b.dir.floor(key)
	if i < 0 {
		return 0, false
	}
	if key >= b.dir.at(i).end() {
		return i + 1, false
	}
	return i, true
}

// takeSlot returns a bitmap that is clear.
func (b *setBody) takeSlot() int {
	if b.free != 0 {
		slot := int(b.free - 1)
		b.free = int32(b.slots[slot][0])
		b.slots[slot][0] = 0
		return slot
	}
	b.slots = append(b.slots, bitmap{})
	return len(b.slots) - 1
}

// freeSlot takes a bitmap back, which must be clear.
func (b *setBody) freeSlot(slot int) {
	b.slots[slot][0] = uint64(b.free)
	b.free = int32(slot + 1)
}

// Len returns the number of offsets in the set.
func (s *Set) Len() uint64 { return s.n }

// Contains tells whether o is in the set.
func (s *Set) Contains(o record.Offset) bool {
	if s.n == 0 {
		return false
	}
	b := s.body
	i, ok := b.find(uint64(o) >> chunkShift)
	if !ok {
		return false
	}
	e := b.dir.at(i)
	if e.isRun() {
		return true
	}
	bit := uint64(o) & chunkMask
	return b.slots[e.slot()][bit>>6]>>(bit&63)&1 != 0
}

// Add puts o in and tells whether it was not in before. The last chunk is where
// nearly all of it happens.
func (s *Set) Add(o record.Offset) bool {
	b, key, bit := s.body, uint64(o)>>chunkShift, uint64(o)&chunkMask
	if b == nil || b.dir.tail == 0 {
		return s.addSlowly(o)
	}
	e := &b.dir.buf[b.dir.tail-1]
	if e.key != key || e.isRun() {
		return s.addSlowly(o)
	}
	word := &b.slots[e.slot()][bit>>6]
	if *word>>(bit&63)&1 != 0 {
		return false
	}
	*word |= 1 << (bit & 63)
	e.v++
	s.n++
	if e.count() == chunkBits {
		b.fill(b.dir.len() - 1)
	}
	return true
}

func (s *Set) addSlowly(o record.Offset) bool {
	if s.body == nil {
		s.body = new(setBody)
	}
	b, key, bit := s.body, uint64(o)>>chunkShift, uint64(o)&chunkMask
	s.dropSpare()
	i, ok := b.find(key)
	if !ok {
		slot := b.takeSlot()
		b.slots[slot][bit>>6] = 1 << (bit & 63)
		b.dir.insert(i, entry{key, uint64(slot)<<16 | 1})
		s.n++
		return true
	}
	e := b.dir.at(i)
	if e.isRun() {
		return false
	}
	word := &b.slots[e.slot()][bit>>6]
	if *word>>(bit&63)&1 != 0 {
		return false
	}
	*word |= 1 << (bit & 63)
	e.v++
	s.n++
	if e.count() == chunkBits {
		b.fill(i)
	}
	return true
}

// Remove takes o out and tells whether it was in. The first chunk is where
// nearly all of it happens.
func (s *Set) Remove(o record.Offset) bool {
	if s.n == 0 {
		return false
	}
	b, key, bit := s.body, uint64(o)>>chunkShift, uint64(o)&chunkMask
	i := 0
	e := &b.dir.buf[b.dir.head]
	if e.key != key || e.isRun() {
		var ok bool
		if i, ok = b.find(key); !ok {
			return false
		}
		if b.dir.at(i).isRun() {
			i = b.splitRun(i, key)
		}
		e = b.dir.at(i)
	}
	word := &b.slots[e.slot()][bit>>6]
	if *word>>(bit&63)&1 == 0 {
		return false
	}
	*word &^= 1 << (bit & 63)
	e.v--
	s.n--
	switch {
	case s.n == 0:
		s.shrink()
	case e.count() == 0:
		b.freeSlot(e.slot())
		b.dir.remove(i, 1)
	}
	return true
}

// dropSpare takes out the chunk without bits that an emptied set may have kept.
func (s *Set) dropSpare() {
	if b := s.body; s.n == 0 && b.dir.tail != 0 {
		b.freeSlot(b.dir.at(0).slot())
		b.dir.remove(0, 1)
	}
}

// shrink gives back what a large set held once it is empty.
func (s *Set) shrink() {
	if len(s.body.slots) > slotsKept || len(s.body.dir.buf) > entriesKept {
		s.body = nil
	}
}

// fill turns the chunk at i, whose bits are all set, into a run and joins it to
// the runs beside it.
func (b *setBody) fill(i int) {
	e := b.dir.at(i)
	b.slots[e.slot()] = bitmap{}
	b.freeSlot(e.slot())
	*e = runEntry(e.key, 1)
	b.join(i)
}

// join merges the run at i with the runs that touch it.
func (b *setBody) join(i int) {
	if i+1 < b.dir.len() {
		e, next := b.dir.at(i), b.dir.at(i+1)
		if next.isRun() && e.end() == next.key {
			e.v = fullRun | (e.runLen() + next.runLen())
			b.dir.remove(i+1, 1)
		}
	}
	if i > 0 {
		before, e := b.dir.at(i-1), b.dir.at(i)
		if before.isRun() && before.end() == e.key {
			before.v = fullRun | (before.runLen() + e.runLen())
			b.dir.remove(i, 1)
		}
	}
}

// splitRun makes the chunk with this key, inside the run at i, a bitmap of its
// own and returns its index.
func (b *setBody) splitRun(i int, key uint64) int {
	slot := b.takeSlot()
	for w := range b.slots[slot] {
		b.slots[slot][w] = ^uint64(0)
	}
	chunk := entry{key, uint64(slot)<<16 | chunkBits}
	e := b.dir.at(i)
	left, right := key-e.key, e.end()-key-1
	switch {
	case left == 0 && right == 0:
		*e = chunk
		return i
	case left == 0:
		*e = runEntry(key+1, right)
		b.dir.insert(i, chunk)
		return i
	case right == 0:
		*e = runEntry(e.key, left)
	default:
		*e = runEntry(e.key, left)
		b.dir.insert(i+1, runEntry(key+1, right))
	}
	b.dir.insert(i+1, chunk)
	return i + 1
}

// First returns the smallest offset.
func (s *Set) First() (record.Offset, bool) {
	if s.n == 0 {
		return 0, false
	}
	b := s.body
	e := &b.dir.buf[b.dir.head]
	if e.isRun() {
		return record.Offset(e.key << chunkShift), true
	}
	return record.Offset(e.key<<chunkShift) + record.Offset(b.slots[e.slot()].nextSet(0)), true
}

// firstOf returns the smallest offset of the entry at i.
func (b *setBody) firstOf(i int) record.Offset {
	e := b.dir.at(i)
	o := record.Offset(e.key << chunkShift)
	if e.isRun() {
		return o
	}
	return o + record.Offset(b.slots[e.slot()].nextSet(0))
}

// Last returns the largest offset.
func (s *Set) Last() (record.Offset, bool) {
	if s.n == 0 {
		return 0, false
	}
	b := s.body
	e := b.dir.at(b.dir.len() - 1)
	if e.isRun() {
		return record.Offset(e.end()<<chunkShift - 1), true
	}
	m := &b.slots[e.slot()]
	w := chunkWords - 1
	for m[w] == 0 {
		w--
	}
	return record.Offset(e.key<<chunkShift) + record.Offset(w*64+63-bits.LeadingZeros64(m[w])), true
}

// Next returns the smallest offset that is at least from.
func (s *Set) Next(from record.Offset) (record.Offset, bool) {
	if s.n == 0 {
		return 0, false
	}
	b := s.body
	i, ok := b.find(uint64(from) >> chunkShift)
	if ok {
		e := b.dir.at(i)
		if e.isRun() {
			return from, true
		}
		if bit := b.slots[e.slot()].nextSet(int(from & chunkMask)); bit < chunkBits {
			return from&^chunkMask + record.Offset(bit), true
		}
		i++
	}
	if i >= b.dir.len() {
		return 0, false
	}
	return b.firstOf(i), true
}

// nextSet returns the position of the first set bit from pos on, or chunkBits.
func (m *bitmap) nextSet(pos int) int {
	if pos >= chunkBits {
		return chunkBits
	}
	w := pos >> 6
	if x := m[w] >> (pos & 63); x != 0 {
		return pos + bits.TrailingZeros64(x)
	}
	for w++; w < chunkWords; w++ {
		if m[w] != 0 {
			return w<<6 + bits.TrailingZeros64(m[w])
		}
	}
	return chunkBits
}

// nextClear returns the position of the first clear bit from pos on, or chunkBits.
func (m *bitmap) nextClear(pos int) int {
	if pos >= chunkBits {
		return chunkBits
	}
	w := pos >> 6
	if x := ^m[w] >> (pos & 63); x != 0 {
		return pos + bits.TrailingZeros64(x)
	}
	for w++; w < chunkWords; w++ {
		if m[w] != ^uint64(0) {
			return w<<6 + bits.TrailingZeros64(^m[w])
		}
	}
	return chunkBits
}
