package amqp091

import (
	"weir/internal/broker"
	"weir/internal/record"
)

// lease is one delivery that waits for its ack.
type lease struct {
	offset   record.Offset
	holder   uint32
	open     bool
	enlisted bool // open, and settled by a transaction that is not committed
}

// holder is an attachment with leases, or one that may still get some.
type holder struct {
	attachment *broker.Attachment
	consumer   *consumer // nil: taken by basic.get
	open       int
}

// settlement is a run of offsets of one attachment to be settled alike.
type settlement struct {
	holder     *broker.Attachment
	consumer   *consumer
	lo, hi     record.Offset
	deliveries int64
}

// unacked maps delivery tags to leases. It belongs to the outbox mutex.
//
// Tags are dense, so the leases stand in a ring: tag first is at ring[head].
//
// Invariant: count is 0 or the lease at head is open; len(ring) is a power of
// two or 0; holders[i].open counts the open leases that name i.
type unacked struct {
	ring    []lease
	head    int
	count   int
	first   uint64
	open    int
	holders []holder
	free    []uint32
	dropped []*broker.Attachment // of consumers that are over, without leases
}

// hold finds or makes the entry of an attachment.
func (u *unacked) hold(a *broker.Attachment, c *consumer) uint32 {
	for i := range u.holders {
		if u.holders[i].attachment == a {
			return uint32(i)
		}
	}
	h := holder{attachment: a, consumer: c}
	if n := len(u.free); n > 0 {
		i := u.free[n-1]
		u.free = u.free[:n-1]
		u.holders[i] = h
		return i
	}
	u.holders = append(u.holders, h)
	return uint32(len(u.holders) - 1)
}

// drop forgets a holder that gets no more leases, once it has none.
func (u *unacked) drop(i uint32) {
	h := &u.holders[i]
	if h.open == 0 && h.attachment != nil && (h.consumer == nil || h.consumer.over) {
		if h.consumer != nil {
			u.dropped = append(u.dropped, h.attachment)
		}
		*h = holder{}
		u.free = append(u.free, i)
	}
}

// push records the delivery of tag, which is one more than the last pushed.
// Deliveries that need no ack only take up their tag.
func (u *unacked) push(tag uint64, offset record.Offset, holder uint32, open bool) {
	if u.count == 0 {
		if !open {
			return
		}
		u.head, u.first = 0, tag
	}
	if u.count == len(u.ring) {
		u.grow()
	}
	u.ring[(u.head+u.count)&(len(u.ring)-1)] = lease{offset: offset, holder: holder, open: open}
	u.count++
	if open {
		u.open++
		u.holders[holder].open++
	}
}

func (u *unacked) grow() {
	bigger := make([]lease, max(16, 2*len(u.ring)))
	for i := range u.count {
		bigger[i] = u.ring[(u.head+i)&(len(u.ring)-1)]
	}
	u.ring, u.head = bigger, 0
}

// take removes the lease of tag, or all up to it, and appends what is to be
// settled to dst. It reports false where there is no such delivery.
func (u *unacked) take(dst []settlement, tag uint64, multiple bool) ([]settlement, bool) {
	from, to, known := u.span(tag, multiple)
	for ; from < to; from++ {
		if l := u.at(from); l.open && !l.enlisted {
			dst = u.settle(dst, l)
		}
	}
	u.advance()
	return dst, known
}

// span returns the positions of what an ack of tag names. It reports false where
// there is no such delivery.
func (u *unacked) span(tag uint64, multiple bool) (from, to int, known bool) {
	to = u.count
	if !multiple || tag != 0 {
		if u.count == 0 || tag < u.first || tag-u.first >= uint64(u.count) {
			return 0, 0, false
		}
		i := int(tag - u.first)
		if l := u.at(i); !l.open || l.enlisted {
			return 0, 0, false
		}
		from, to = i, i+1
	}
	if multiple {
		from = 0
	}
	return from, to, true
}

// enlist marks what an ack of tag names as settled by the transaction and calls
// yield with the tags. It reports false where there is no such delivery.
func (u *unacked) enlist(tag uint64, multiple bool, yield func(tag uint64)) bool {
	from, to, known := u.span(tag, multiple)
	for ; from < to; from++ {
		if l := u.at(from); l.open && !l.enlisted {
			l.enlisted = true
			yield(u.first + uint64(from))
		}
	}
	return known
}

// delist makes an enlisted lease an open one again.
func (u *unacked) delist(tag uint64) { u.at(int(tag - u.first)).enlisted = false }

func (u *unacked) at(i int) *lease { return &u.ring[(u.head+i)&(len(u.ring)-1)] }

// settle closes the lease and adds it to the last run or to a new one.
func (u *unacked) settle(dst []settlement, l *lease) []settlement {
	h := &u.holders[l.holder]
	l.open = false
	u.open--
	h.open--
	if n := len(dst); n > 0 && dst[n-1].holder == h.attachment && dst[n-1].hi == l.offset {
		dst[n-1].hi++
		dst[n-1].deliveries++
	} else {
		dst = append(dst, settlement{h.attachment, h.consumer, l.offset, l.offset + 1, 1})
	}
	u.drop(l.holder)
	return dst
}

// advance moves the head to the first open lease, and gives a large ring back
// when nothing is left in it.
func (u *unacked) advance() {
	for u.count > 0 && !u.at(0).open {
		u.head = (u.head + 1) & (len(u.ring) - 1)
		u.first++
		u.count--
	}
	if u.count == 0 && len(u.ring) > 4096 {
		u.ring = nil
	}
}

// takeHolders empties everything and returns who had leases or may get some.
func (u *unacked) takeHolders() []holder {
	var all []holder
	for _, h := range u.holders {
		if h.attachment != nil {
			all = append(all, h)
		}
	}
	*u = unacked{}
	return all
}
