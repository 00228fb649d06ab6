package route

import (
	"cmp"
	"math"
	"slices"
)

// member is a target of a consistent hash. Every member bids for every key and
// the highest bid wins: removing one moves only its own keys.
type member struct {
	place  uint64
	target Target
	weight uint64 // sum over the bindings
	count  uint32 // number of bindings
}

// place is a target of a modulus hash, with the number of its bindings.
type place struct {
	place  uint64
	target Target
	count  uint32
}

func (t *Table) hash(key []byte, m Message) uint64 {
	var v Value
	var ok bool
	switch {
	case t.hashBy.Header != "":
		v, ok = m.Header(t.hashBy.Header)
	case t.hashBy.Property != PropertyNone:
		v, ok = m.Property(t.hashBy.Property)
	default:
		return hashString(key)
	}
	if !ok {
		return hashString("")
	}
	return v.hash()
}

func (b *Binding) place() uint64 {
	if b.Place != 0 {
		return b.Place
	}
	return mix(uint64(b.Target) + 1)
}

func (t *Table) addMember(b *Binding) {
	at, ok := t.memberAt[b.Target]
	if !ok {
		if t.memberAt == nil {
			t.memberAt = map[Target]int32{}
		}
		at = int32(len(t.members))
		t.memberAt[b.Target] = at
		t.members = append(t.members, member{place: b.place(), target: b.Target})
		t.uneven++ // without weight so far
	}
	t.members[at].count++
	t.weigh(at, int64(weightOf(b.Key)))
}

// weigh changes the weight of a member; uneven counts those that are not 1.
func (t *Table) weigh(at int32, delta int64) {
	m := &t.members[at]
	if m.weight != 1 {
		t.uneven--
	}
	m.weight += uint64(delta)
	if m.weight != 1 {
		t.uneven++
	}
}

func (t *Table) removeMember(b *Binding) {
	at, last := t.memberAt[b.Target], int32(len(t.members)-1)
	t.weigh(at, -int64(weightOf(b.Key)))
	if t.members[at].count--; t.members[at].count > 0 {
		return
	}
	t.uneven--
	delete(t.memberAt, b.Target)
	if at < last {
		t.members[at] = t.members[last]
		t.memberAt[t.members[at].target] = at
	}
	t.members = t.members[:last]
}

func (t *Table) matchMember(h uint64, out []Target) []Target {
	var best *member
	if t.uneven == 0 {
		var high uint64
		for i := range t.members {
			m := &t.members[i]
			if bid := mix(h ^ m.place); best == nil || bid > high || bid == high && m.place > best.place {
				best, high = m, bid
			}
		}
		return append(out, best.target)
	}
	// -weight/ln(u) for a uniform u is the bid that wins in proportion to weight,
	// and for equal weights orders as u does.
	high := math.Inf(-1)
	for i := range t.members {
		m := &t.members[i]
		if m.weight == 0 {
			continue
		}
		u := (float64(mix(h^m.place)>>11) + 0.5) / (1 << 53)
		bid := -float64(m.weight) / math.Log(u)
		if best == nil || bid > high || bid == high && m.place > best.place {
			best, high = m, bid
		}
	}
	if best == nil {
		return out
	}
	return append(out, best.target)
}

func comparePlaces(x, y place) int {
	return cmp.Or(cmp.Compare(x.place, y.place), cmp.Compare(x.target, y.target))
}

func (t *Table) addPlace(b *Binding) {
	p := place{b.place(), b.Target, 1}
	i, ok := slices.BinarySearchFunc(t.modulus, p, comparePlaces)
	if ok {
		t.modulus[i].count++
		return
	}
	t.modulus = slices.Insert(t.modulus, i, p)
}

func (t *Table) removePlace(b *Binding) {
	i, _ := slices.BinarySearchFunc(t.modulus, place{b.place(), b.Target, 0}, comparePlaces)
	if t.modulus[i].count--; t.modulus[i].count == 0 {
		t.modulus = slices.Delete(t.modulus, i, i+1)
	}
}
