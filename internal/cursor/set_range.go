package cursor

import (
	"math/bits"

	"weir/internal/record"
)

// Range is the half-open range [Lo, Hi) of offsets.
type Range struct{ Lo, Hi record.Offset }

// AddRange puts every offset of [lo, hi) in and returns how many were not in.
func (s *Set) AddRange(lo, hi record.Offset) uint64 {
	if lo >= hi {
		return 0
	}
	if lo+1 == hi {
		if s.Add(lo) {
			return 1
		}
		return 0
	}
	if s.body == nil {
		s.body = new(setBody)
	}
	s.dropSpare()
	before := s.n
	first, last := uint64(lo)>>chunkShift, uint64(hi)>>chunkShift // last holds hi itself
	from, to := uint64(lo)&chunkMask, uint64(hi)&chunkMask
	if first == last {
		s.addWithin(first, from, to)
		return s.n - before
	}
	if from != 0 {
		s.addWithin(first, from, chunkBits)
		first++
	}
	if first < last {
		s.addChunks(first, last)
	}
	if to != 0 {
		s.addWithin(last, 0, to)
	}
	return s.n - before
}

// addWithin sets the bits [from, to) of one chunk; not all of them are the chunk.
func (s *Set) addWithin(key, from, to uint64) {
	b := s.body
	i, ok := b.find(key)
	if ok && b.dir.at(i).isRun() {
		return
	}
	if !ok {
		slot := b.takeSlot()
		b.dir.insert(i, entry{key, uint64(slot) << 16})
	}
	e := b.dir.at(i)
	added := b.slots[e.slot()].set(from, to)
	e.v += added
	s.n += added
	if e.count() == chunkBits {
		b.fill(i)
	}
}

// addChunks makes the chunks [first, last) full.
func (s *Set) addChunks(first, last uint64) {
	b := s.body
	s.removeChunks(first, last)
	i, _ := b.find(first)
	b.dir.insert(i, runEntry(first, last-first))
	b.join(i)
	s.n += (last - first) << chunkShift
}

// RemoveRange takes every offset of [lo, hi) out and returns how many were in.
func (s *Set) RemoveRange(lo, hi record.Offset) uint64 {
	if s.n == 0 || lo >= hi {
		return 0
	}
	if lo+1 == hi {
		if s.Remove(lo) {
			return 1
		}
		return 0
	}
	before := s.n
	first, last := uint64(lo)>>chunkShift, uint64(hi)>>chunkShift
	from, to := uint64(lo)&chunkMask, uint64(hi)&chunkMask
	if first == last {
		s.removeWithin(first, from, to)
	} else {
		if from != 0 {
			s.removeWithin(first, from, chunkBits)
			first++
		}
		if first < last {
			s.removeChunks(first, last)
		}
		if to != 0 {
			s.removeWithin(last, 0, to)
		}
	}
	if s.n == 0 {
		s.shrink()
	}
	return before - s.n
}

// removeWithin clears the bits [from, to) of one chunk; not all of them are the
// chunk.
func (s *Set) removeWithin(key, from, to uint64) {
	b := s.body
	i, ok := b.find(key)
	if !ok {
		return
	}
	if b.dir.at(i).isRun() {
		i = b.splitRun(i, key)
	}
	e := b.dir.at(i)
	removed := b.slots[e.slot()].clear(from, to)
	e.v -= removed
	s.n -= removed
	if e.count() == 0 {
		b.freeSlot(e.slot())
		b.dir.remove(i, 1)
	}
}

// removeChunks empties the chunks [first, last).
func (s *Set) removeChunks(first, last uint64) {
	b := s.body
	i, ok := b.find(first)
	if ok && b.dir.at(i).isRun() {
		i = s.cutRun(i, first, last)
	}
	j := i
	for j < b.dir.len() && b.dir.at(j).end() <= last {
		e := b.dir.at(j)
		if e.isRun() {
			s.n -= e.runLen() << chunkShift
		} else {
			s.n -= uint64(e.count())
			b.slots[e.slot()] = bitmap{}
			b.freeSlot(e.slot())
		}
		j++
	}
	if j < b.dir.len() {
		if e := b.dir.at(j); e.key < last { // a run that reaches beyond last
			s.n -= (last - e.key) << chunkShift
			*e = runEntry(last, e.end()-last)
		}
	}
	if j > i {
		b.dir.remove(i, j-i)
	}
}

// cutRun takes [first, last) out of the run at i as far as it starts before
// first, and returns the index of the first entry that is not before first.
func (s *Set) cutRun(i int, first, last uint64) int {
	b := s.body
	e := b.dir.at(i)
	if e.key == first {
		return i
	}
	end := e.end()
	*e = runEntry(e.key, first-e.key)
	s.n -= (min(end, last) - first) << chunkShift
	if end > last {
		b.dir.insert(i+1, runEntry(last, end-last))
	}
	return i + 1
}

// set sets the bits [from, to) and returns how many were clear.
func (m *bitmap) set(from, to uint64) uint64 {
	var added int
	for from < to {
		end := min(from|63+1, to)
		mask := ^uint64(0) << (from & 63) & (^uint64(0) >> (63 - (end-1)&63))
		word := &m[from>>6]
		added += bits.OnesCount64(mask &^ *word)
		*word |= mask
		from = end
	}
	return uint64(added)
}

// clear clears the bits [from, to) and returns how many were set.
func (m *bitmap) clear(from, to uint64) uint64 {
	var removed int
	for from < to {
		end := min(from|63+1, to)
		mask := ^uint64(0) << (from & 63) & (^uint64(0) >> (63 - (end-1)&63))
		word := &m[from>>6]
		removed += bits.OnesCount64(mask & *word)
		*word &^= mask
		from = end
	}
	return uint64(removed)
}

// Clear empties the set and gives its memory back.
func (s *Set) Clear() { *s = Set{} }

// Ranges yields the set as ascending ranges that do not touch. The set must not
// change meanwhile.
func (s *Set) Ranges(yield func(lo, hi record.Offset) bool) {
	s.RangesWithin(0, ^record.Offset(0), yield)
}

// RangesWithin yields what the set has of [lo, hi) as ascending ranges that do
// not touch. The set must not change meanwhile.
func (s *Set) RangesWithin(lo, hi record.Offset, yield func(lo, hi record.Offset) bool) {
	if s.n == 0 {
		return
	}
	for lo < hi {
		from, to, ok := s.run(lo, hi)
		if !ok || !yield(from, to) {
			return
		}
		lo = to
	}
}

// run returns the first contiguous range that starts in [lo, hi), cut at hi.
func (s *Set) run(lo, hi record.Offset) (from, to record.Offset, ok bool) {
	from, ok = s.Next(lo)
	if !ok || from >= hi {
		return 0, 0, false
	}
	b := s.body
	i, _ := b.find(uint64(from) >> chunkShift)
	to = from
	for to < hi && i < b.dir.len() {
		e := b.dir.at(i)
		if e.key != uint64(to)>>chunkShift && (!e.isRun() || to != from) {
			break
		}
		if e.isRun() {
			to = record.Offset(e.end() << chunkShift)
		} else {
			free := b.slots[e.slot()].nextClear(int(to & chunkMask))
			to = to&^chunkMask + record.Offset(free)
			if free < chunkBits {
				break
			}
		}
		i++
	}
	return from, min(to, hi), true
}

// FirstRange returns the smallest offset and the end of the contiguous range it
// starts, cut to limit offsets; limit is at least 1.
func (s *Set) FirstRange(limit uint64) (lo, hi record.Offset, ok bool) {
	lo, ok = s.First()
	if !ok {
		return 0, 0, false
	}
	return s.run(lo, lo+record.Offset(min(limit, ^uint64(0)-uint64(lo))))
}

// CountRange returns how many offsets of [lo, hi) are in the set.
func (s *Set) CountRange(lo, hi record.Offset) uint64 {
	var n uint64
	s.RangesWithin(lo, hi, func(from, to record.Offset) bool {
		n += uint64(to - from)
		return true
	})
	return n
}
