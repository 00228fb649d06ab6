package cursor

import "weir/internal/record"

const (
	pageShift = 6
	pageSize  = 1 << pageShift
	pageMask  = pageSize - 1
)

// paged holds one number per offset in pages of 64, the zero number costing
// nothing where a whole page has none. An entry's v is slot<<16 | numbers that
// are not zero.
type paged[T uint8 | uint32 | int64] struct {
	dir  directory
	page [][pageSize]T
	free []int32
}

func (p *paged[T]) get(o record.Offset) T {
	i, ok := p.dir.exact(uint64(o) >> pageShift)
	if !ok {
		return 0
	}
	return p.page[p.dir.at(i).v>>16][o&pageMask]
}

// set stores v for o and returns what stood there.
func (p *paged[T]) set(o record.Offset, v T) T {
	i, ok := p.dir.exact(uint64(o) >> pageShift)
	if !ok {
		if v == 0 {
			return 0
		}
		i++
		p.dir.insert(i, entry{uint64(o) >> pageShift, uint64(p.takePage()) << 16})
	}
	e := p.dir.at(i)
	cell := &p.page[e.v>>16][o&pageMask]
	old := *cell
	*cell = v
	if old == 0 && v != 0 {
		e.v++
	} else if old != 0 && v == 0 {
		e.v--
		if e.v&0xffff == 0 {
			p.free = append(p.free, int32(e.v>>16))
			p.dir.remove(i, 1)
		}
	}
	return old
}

func (p *paged[T]) takePage() int {
	if n := len(p.free); n > 0 {
		slot := int(p.free[n-1])
		p.free = p.free[:n-1]
		return slot
	}
	p.page = append(p.page, [pageSize]T{})
	return len(p.page) - 1
}

// sum adds up the numbers of [lo, hi).
func (p *paged[T]) sum(lo, hi record.Offset) (total int64) {
	p.each(lo, hi, func(_ record.Offset, cell *T) { total += int64(*cell) })
	return total
}

// drop zeroes [lo, hi) and returns the sum of what stood there.
func (p *paged[T]) drop(lo, hi record.Offset) (total int64) {
	if lo+1 == hi {
		return int64(p.set(lo, 0))
	}
	p.each(lo, hi, func(_ record.Offset, cell *T) {
		total += int64(*cell)
		*cell = 0
	})
	i := max(p.dir.floor(uint64(lo)>>pageShift), 0)
	from := i
	for ; i < p.dir.len() && p.dir.at(i).key <= uint64(hi-1)>>pageShift; i++ {
		e := p.dir.at(i)
		var left uint64
		for _, v := range p.page[e.v>>16] {
			if v != 0 {
				left++
			}
		}
		e.v = e.v&^0xffff | left
	}
	p.collect(from, i)
	return total
}

// collect frees the pages without numbers among the entries [from, to).
func (p *paged[T]) collect(from, to int) {
	keep := from
	for i := from; i < to; i++ {
		e := *p.dir.at(i)
		if e.v&0xffff == 0 {
			p.free = append(p.free, int32(e.v>>16))
			continue
		}
		*p.dir.at(keep) = e
		keep++
	}
	if keep < to {
		p.dir.remove(keep, to-keep)
	}
	if p.dir.len() == 0 && len(p.page) > slotsKept {
		*p = paged[T]{}
	}
}

// each visits the numbers of [lo, hi) that have a page.
func (p *paged[T]) each(lo, hi record.Offset, visit func(record.Offset, *T)) {
	for i := max(p.dir.floor(uint64(lo)>>pageShift), 0); i < p.dir.len(); i++ {
		e := p.dir.at(i)
		base := record.Offset(e.key << pageShift)
		if base >= hi {
			return
		}
		for o := max(lo, base); o < min(hi, base+pageSize); o++ {
			visit(o, &p.page[e.v>>16][o&pageMask])
		}
	}
}
