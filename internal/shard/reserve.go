package shard

import (
	"encoding/binary"

	"weir/internal/record"
)

// Reserve takes room for all appends of a block, or for none of them: what belongs
// together is admitted together. Otherwise it names the log that has no room, or
// one that is still being opened. A log that would make publishers wait has no
// room either: waiting for several logs at once could last for ever.
func (m *Machine) Reserve(block []byte) (full, opening record.LogID, ok bool) {
	if !m.Limited() {
		return 0, 0, true
	}
	log, ok := m.reserve(block, 1)
	if !ok && m.logs[log] == nil {
		return 0, log, false
	}
	return log, 0, ok
}

// Unreserve gives back what Reserve took for a block that is not proposed.
func (m *Machine) Unreserve(block []byte) { m.reserve(block, -1) }

// EachRecord calls yield with the record of every append of a block.
func EachRecord(block []byte, yield func(rec []byte)) {
	var c command
	for p := 0; p < len(block); {
		next, err := c.next(block, p)
		if err != nil || c.kind != commandAppend {
			return
		}
		yield(block[c.at:next])
		p = next
	}
}

// reserve counts the appends of the block in (sign 1) or out (-1). It names the
// first log that does not take one.
func (m *Machine) reserve(block []byte, sign int64) (without record.LogID, ok bool) {
	var c command
	for p := 0; p < len(block); {
		next, err := c.next(block, p)
		if err != nil || c.kind != commandAppend {
			return 0, true
		}
		var e record.Envelope
		if _, err := record.Decode(block[c.at:], &e); err != nil {
			return 0, true
		}
		for i := 0; i < len(c.logs); i += 8 {
			id := record.LogID(binary.LittleEndian.Uint64(c.logs[i:]))
			l := m.logs[id]
			if sign > 0 && (l == nil && m.opening[id] || l != nil && l.limits() != 0 && !l.room(&e)) {
				m.unreserve(block, p, i)
				return id, false
			}
			if l != nil && l.limits() != 0 {
				l.inflight += sign
				l.inflightB += sign * int64(e.Body)
			}
		}
		p = next
	}
	return 0, true
}

// unreserve gives back what was taken in front of the target at i of the append
// at end.
func (m *Machine) unreserve(block []byte, end, i int) {
	var c command
	m.reserve(block[:end], -1)
	if _, err := c.next(block, end); err != nil {
		return
	}
	var e record.Envelope
	if _, err := record.Decode(block[c.at:], &e); err != nil {
		return
	}
	for ; i > 0; i -= 8 {
		if l := m.logs[record.LogID(binary.LittleEndian.Uint64(c.logs[i-8:]))]; l != nil && l.limits() != 0 {
			l.inflight--
			l.inflightB -= int64(e.Body)
		}
	}
}
