package shard

import (
	"encoding/binary"
	"slices"

	"weir/internal/cursor"
	"weir/internal/record"
)

// emit adds a range command to what the leader will propose, joining it with the
// one before where they meet.
func (m *Machine) emit(kind byte, log record.LogID, arg byte, lo, hi record.Offset) {
	key := uint16(kind)<<8 | uint16(arg)
	m.urgent = m.urgent || kind != commandSettle || Why(arg) != WhyAccepted
	if m.last.at >= 0 && m.last.log == log && m.last.key == key && m.last.hi == lo {
		m.last.hi = hi
		at := m.last.at + rangeCommandBytes - 8
		count := binary.LittleEndian.Uint64(m.out[at:]) + uint64(hi-lo)
		binary.LittleEndian.PutUint64(m.out[at:], count)
		return
	}
	m.last = rangeCommand{at: len(m.out), hi: hi, log: log, key: key}
	m.out = appendRange(m.out, kind, log, arg, lo, hi)
}

// Command adds an encoded command (AppendOpen, AppendDrop, …) to what the leader
// will propose.
func (m *Machine) Command(encode func(dst []byte) []byte) {
	m.last.at = -1
	m.urgent = true
	m.out = encode(m.out)
}

// Pending is the size of the commands waiting to be proposed.
func (m *Machine) Pending() int { return len(m.out) + 17*len(m.raised) }

// TakeCommands appends the waiting commands to the entry dst.
func (m *Machine) TakeCommands(dst []byte) []byte {
	dst = append(dst, m.out...)
	for i, l := range m.raised {
		if l.delivered > l.announced {
			l.announced = l.delivered
			dst = appendOffset(dst, commandDelivered, l.id, l.delivered)
		}
		m.raised[i] = nil
	}
	m.raised = m.raised[:0]
	m.out, m.last.at, m.urgent = m.out[:0], -1, false
	return dst
}

// Limited says whether any log of the shard has a limit to admit by, or is about
// to be opened; otherwise a block of appends may be proposed as it is.
func (m *Machine) Limited() bool { return m.limited > 0 || len(m.opening) > 0 }

// Open proposes to create the log, or to change its configuration.
func (m *Machine) Open(log record.LogID, c Config) {
	if m.logs[log] == nil {
		m.opening[log] = true
	}
	m.Command(func(dst []byte) []byte { return AppendOpen(dst, log, c.Encode()) })
}

// AdmitBlock goes through the appends of a block. It copies those that may be
// proposed to dst, without the targets that refuse them, and tells which of the
// block's messages (counted from 0) were refused by some target. If a target
// blocks, it stops there and returns the rest of the block.
func (m *Machine) AdmitBlock(dst, block []byte, refused func(n int, log record.LogID)) (out, rest []byte, done int) {
	var c command
	for p := 0; p < len(block); {
		next, err := c.next(block, p)
		if err != nil || c.kind != commandAppend {
			return dst, nil, done
		}
		var e record.Envelope
		if _, err := record.Decode(block[c.at:], &e); err != nil {
			return dst, nil, done
		}
		if m.blocked(&c, &e) {
			return dst, block[p:], done
		}
		start := len(dst)
		dst = append(dst, commandAppend, 0)
		n := byte(0)
		for i := 0; i < len(c.logs); i += 8 {
			l := m.logs[record.LogID(binary.LittleEndian.Uint64(c.logs[i:]))]
			if l != nil && l.limits() != 0 {
				if !l.room(&e) {
					refused(done, l.id)
					m.refuse(l, block[c.at:next])
					continue
				}
				l.inflight++
				l.inflightB += int64(e.Body)
			}
			dst = append(dst, c.logs[i:i+8]...)
			n++
		}
		if n == 0 {
			dst = dst[:start]
		} else {
			dst[start+1] = n
			dst = append(dst, block[c.at:next]...)
		}
		done++
		p = next
	}
	return dst, nil, done
}

// refuse dead-letters a message that a full log turns away, where its overflow
// asks for that. It was never stored here, so that nothing waits for it.
func (m *Machine) refuse(l *Log, rec []byte) {
	if l.config.Overflow == cursor.OverflowRejectDeadLetter && l.config.DeadLetter {
		m.dead = append(m.dead, DeadLetter{Log: l.id, Why: WhyMaxLength, Record: slices.Clone(rec), Refused: true})
	}
}

// room says whether the log takes the message.
func (l *Log) room(e *record.Envelope) bool {
	return !l.sold() && (!l.bounded() || l.fits(e))
}

// fits says whether the message is within the limits of length and size.
func (l *Log) fits(e *record.Envelope) bool {
	return l.cursor.Room(l.inflight+1, l.inflightB+int64(e.Body))
}

// sold says that the log has taken all it will ever take.
func (l *Log) sold() bool {
	return l.config.AcceptMax > 0 && int64(l.next)+l.inflight >= l.config.AcceptMax
}

func (m *Machine) blocked(c *command, e *record.Envelope) bool {
	for i := 0; i < len(c.logs); i += 8 {
		id := record.LogID(binary.LittleEndian.Uint64(c.logs[i:]))
		l := m.logs[id]
		if l == nil && m.opening[id] {
			return true // its limits are not known yet
		}
		if l != nil && l.config.Overflow == cursor.OverflowBlock && l.bounded() && !l.sold() && !l.fits(e) {
			return true
		}
	}
	return false
}

// Now is the time of the current turn.
func (m *Machine) Now() int64 { return m.now }

// Urgent says that somebody waits for one of the pending commands.
func (m *Machine) Urgent() bool { return m.urgent }
