package cursor

import (
	"encoding/binary"
	"slices"

	"weir/internal/record"
)

const stateVersion = 1

// The replicated half on disk, numbers as unsigned varints:
//
//	version     1 byte, 1
//	high water
//	unsettled   set
//	dead        set, of the unsettled
//	returned    set, of the unsettled
//	once        set, of the returned: counted at least once
//	many        number of counts that follow
//	  gap       from the offset before (from 0 for the first)
//	  count     at least 2; the offset is in once

// AppendState writes the replicated half behind dst. Equal halves give equal
// bytes.
func (s *Settling) AppendState(dst []byte) []byte {
	dst = append(dst, stateVersion)
	dst = binary.AppendUvarint(dst, uint64(s.highWater))
	dst = s.unsettled.AppendBinary(dst)
	dst = s.dead.AppendBinary(dst)
	dst = s.returned.set.AppendBinary(dst)
	dst = s.returned.once.AppendBinary(dst)
	dst = binary.AppendUvarint(dst, uint64(len(s.returned.many)))
	offsets := make([]record.Offset, 0, len(s.returned.many))
	for o := range s.returned.many {
		offsets = append(offsets, o)
	}
	slices.Sort(offsets)
	var before record.Offset
	for _, o := range offsets {
		dst = binary.AppendUvarint(dst, uint64(o-before))
		dst = binary.AppendUvarint(dst, uint64(s.returned.many[o]))
		before = o
	}
	return dst
}

// RestoreState replaces both halves by what b holds, which must be all of an
// AppendState, and keeps the policy. Every message that is not dead is ready in
// the lowest lane, without attributes until AppendRestored gives them. On an
// error nothing changes.
func (s *Settling) RestoreState(b []byte) error {
	if len(b) == 0 || b[0] != stateVersion {
		return ErrMalformed
	}
	highWater, b, err := uvarint(b[1:])
	if err != nil {
		return err
	}
	r := Settling{highWater: record.Offset(highWater), restored: record.Offset(highWater)}
	for _, set := range []*Set{&r.unsettled, &r.dead, &r.returned.set, &r.returned.once} {
		if b, err = set.DecodeBinary(b); err != nil {
			return err
		}
	}
	if !r.dead.within(&r.unsettled) || !r.returned.set.within(&r.unsettled) ||
		!r.returned.once.within(&r.returned.set) {
		return ErrMalformed
	}
	if err = r.returned.decodeMany(b); err != nil {
		return err
	}
	r.SetConfig(s.config)
	r.readyAll()
	*s = r
	return nil
}

// decodeMany reads the counts above 1, which must be all of b.
func (r *returns) decodeMany(b []byte) error {
	n, b, err := uvarint(b)
	if err != nil || n > uint64(len(b))/2 {
		return ErrMalformed
	}
	var o uint64
	for i := uint64(0); i < n; i++ {
		var gap, count uint64
		if gap, b, err = uvarint(b); err == nil {
			count, b, err = uvarint(b)
		}
		o += gap
		if err != nil || o < gap || gap == 0 && i > 0 || count < 2 || count > 1<<32-1 ||
			!r.once.Contains(record.Offset(o)) {
			return ErrMalformed
		}
		r.setCount(record.Offset(o), uint32(count))
	}
	if len(b) > 0 {
		return ErrMalformed
	}
	return nil
}

// within tells whether every offset is in t too.
func (s *Set) within(t *Set) bool {
	ok := true
	s.Ranges(func(lo, hi record.Offset) bool {
		from, to, some := t.run(lo, hi)
		ok = some && from == lo && to == hi
		return ok
	})
	return ok
}

// ResetLocal forgets the local half, when leadership is gained or lost: nobody
// is attached, and everything unsettled is ready or delayed again. What may have
// been delivered counts as redelivered.
func (s *Settling) ResetLocal() {
	s.crowd = nil
	s.bucket = bucket{}
	s.restored = max(s.restored, s.highWater, s.leasedTo)
	s.held.Clear()
	s.eachLane((*Set).Clear)
	if s.upper != nil {
		s.upper.ready = 0
	}
	s.readyBytes = 0
	if s.waiting != nil {
		s.waiting.set.Clear()
	}
	s.readyAll()
}

// readyAll makes every living message ready or delayed; none is in a state.
func (s *Settling) readyAll() {
	s.unsettled.Ranges(func(lo, hi record.Offset) bool {
		s.makeReadyRange(lo, hi)
		return true
	})
	s.dead.Ranges(func(lo, hi record.Offset) bool {
		s.takeReadyRange(lo, hi)
		return true
	})
	if s.waiting == nil {
		return
	}
	s.waiting.timed.Ranges(func(lo, hi record.Offset) bool {
		for o := lo; o < hi; o++ {
			if s.takeReady(o) { // the dead are not
				s.waiting.set.Add(o)
			}
		}
		return true
	})
}

// Trim gives back the memory an empty queue needs no more. Queues that are empty
// for long are worth a call.
func (s *Settling) Trim() {
	if s.unsettled.Len() > 0 {
		return
	}
	s.unsettled.Clear()
	s.dead.Clear()
	s.held.Clear()
	s.eachLane((*Set).Clear)
	s.returned = returns{}
	s.waiting, s.expiring = nil, nil
	if s.weight != nil && s.weight.exact != nil {
		*s.weight = weight{exact: new(paged[uint32])}
	} else {
		s.weight = nil
	}
	if s.upper != nil {
		s.upper.priorities = paged[uint8]{}
	}
	if s.crowd != nil {
		for _, c := range s.crowd.all {
			c.leased.Clear()
		}
		s.crowd.ages = ages{}
	}
}
