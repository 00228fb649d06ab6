package shard

import (
	"encoding/binary"
	"errors"

	"weir/internal/record"
)

// An entry is a header and commands, little endian:
//
//	offset size field
//	0      1    version, 1
//	1      8    now: the leader's clock, unix milliseconds
//	9      …    commands, each a kind byte and its fields
//
//	append    1: n u8, n × log u64, record
//	settle    2: log u64, why u8, first u64, count u64
//	release   3: log u64, flags u8 (1: count it as a delivery), first u64, count u64
//	bury      4: log u64, why u8, first u64, count u64
//	open      5: log u64, length u32, configuration (JSON)
//	drop      6: log u64
//	rewind    7: log u64, first u64
//	delivered 8: log u64, end u64
//	trim      9: log u64, first u64
//	commit   10: log u64, next u64, length u16, cursor name
//	calm     11: log u64, end u64
//	intent   12: id u64, length u32, parts: n × (shard u32, length u32, commands)
//	enact    13: id u64, shard u32 that has the intent, length u32, commands
//	finish   14: id u64
//	forget   15: id u64, shard u32 that had the intent
//	note     16: length u16, ledger, length u16, key, length u32, value; or 2^32-1: gone
const (
	entryVersion     = 1
	entryHeaderBytes = 9

	commandAppend    = 1
	commandSettle    = 2
	commandRelease   = 3
	commandBury      = 4
	commandOpen      = 5
	commandDrop      = 6
	commandRewind    = 7
	commandDelivered = 8
	commandTrim      = 9
	commandCommit    = 10
	commandCalm      = 11
	commandIntent    = 12
	commandEnact     = 13
	commandFinish    = 14
	commandForget    = 15
	commandNote      = 16

	rangeCommandBytes = 1 + 8 + 1 + 8 + 8
	// TargetsMax is how many logs of one shard a single append may name.
	TargetsMax = 255
)

var errEntry = errors.New("shard: malformed entry")

// Why a message left a queue other than by its consumer's will.
type Why uint8

// The reasons. They are on disk.
const (
	WhyAccepted Why = iota
	WhyRejected
	WhyExpired
	WhyMaxLength
	WhyDeliveryLimit
	WhyPurged
	WhyStored // a dead letter that has reached its new home
)

// BeginEntry starts an entry at time now.
func BeginEntry(dst []byte, now int64) []byte {
	dst = append(dst, entryVersion)
	return binary.LittleEndian.AppendUint64(dst, uint64(now))
}

// AppendMessage adds an append command for the logs; the record follows, written
// by the caller with record.Append. len(logs) is 1 to TargetsMax.
func AppendMessage(dst []byte, logs []record.LogID) []byte {
	dst = append(dst, commandAppend, byte(len(logs)))
	for _, l := range logs {
		dst = binary.LittleEndian.AppendUint64(dst, uint64(l))
	}
	return dst
}

func appendRange(dst []byte, kind byte, log record.LogID, arg byte, lo, hi record.Offset) []byte {
	dst = append(dst, kind)
	dst = binary.LittleEndian.AppendUint64(dst, uint64(log))
	dst = append(dst, arg)
	dst = binary.LittleEndian.AppendUint64(dst, uint64(lo))
	return binary.LittleEndian.AppendUint64(dst, uint64(hi-lo))
}

func appendOffset(dst []byte, kind byte, log record.LogID, o record.Offset) []byte {
	dst = append(dst, kind)
	dst = binary.LittleEndian.AppendUint64(dst, uint64(log))
	return binary.LittleEndian.AppendUint64(dst, uint64(o))
}

// AppendOpen adds a command that creates the log or changes its configuration.
func AppendOpen(dst []byte, log record.LogID, configuration []byte) []byte {
	dst = append(dst, commandOpen)
	dst = binary.LittleEndian.AppendUint64(dst, uint64(log))
	dst = binary.LittleEndian.AppendUint32(dst, uint32(len(configuration)))
	return append(dst, configuration...)
}

// AppendDrop adds a command that deletes the log.
func AppendDrop(dst []byte, log record.LogID) []byte {
	dst = append(dst, commandDrop)
	return binary.LittleEndian.AppendUint64(dst, uint64(log))
}

// AppendRewind adds a command that makes everything retained from o on ready again.
func AppendRewind(dst []byte, log record.LogID, o record.Offset) []byte {
	return appendOffset(dst, commandRewind, log, o)
}

// AppendTrim adds a command that ends the retention of everything below o.
func AppendTrim(dst []byte, log record.LogID, o record.Offset) []byte {
	return appendOffset(dst, commandTrim, log, o)
}

// AppendCommit adds a command that stores a positional cursor's next offset.
func AppendCommit(dst []byte, log record.LogID, cursor string, next record.Offset) []byte {
	dst = appendOffset(dst, commandCommit, log, next)
	dst = binary.LittleEndian.AppendUint16(dst, uint16(len(cursor)))
	return append(dst, cursor...)
}

// command is one decoded command; its slices alias the entry.
type command struct {
	kind   byte
	arg    byte
	log    record.LogID
	lo, hi record.Offset
	body   []byte
	logs   []byte // append: n × u64
	at     int    // append: position of the record in the entry; enact: of its commands
	intent IntentID
	shard  record.ShardID // enact, forget: that has the intent
	ledger []byte         // note
	key    []byte         // note
}

// next decodes the command at position p of the entry and returns the position
// behind it.
func (c *command) next(b []byte, p int) (int, error) {
	c.kind = b[p]
	switch c.kind {
	case commandAppend:
		return c.nextAppend(b, p)
	case commandNote:
		return c.nextNote(b, p+1)
	}
	if len(b)-p < 9 {
		return 0, errEntry
	}
	c.log = record.LogID(binary.LittleEndian.Uint64(b[p+1:]))
	rest := b[p+9:]
	switch c.kind {
	case commandSettle, commandRelease, commandBury:
		if len(rest) < 17 {
			return 0, errEntry
		}
		c.arg = rest[0]
		c.lo = record.Offset(binary.LittleEndian.Uint64(rest[1:]))
		c.hi = c.lo + record.Offset(binary.LittleEndian.Uint64(rest[9:]))
		return p + rangeCommandBytes, nil
	case commandDrop:
		return p + 9, nil
	case commandOpen:
		if len(rest) < 4 {
			return 0, errEntry
		}
		n := int(binary.LittleEndian.Uint32(rest))
		if n > len(rest)-4 {
			return 0, errEntry
		}
		c.body = rest[4 : 4+n]
		return p + 13 + n, nil
	case commandIntent, commandEnact, commandFinish, commandForget:
		return c.nextIntent(b, p)
	case commandRewind, commandDelivered, commandTrim, commandCommit, commandCalm:
		if len(rest) < 8 {
			return 0, errEntry
		}
		c.lo = record.Offset(binary.LittleEndian.Uint64(rest))
		if c.kind != commandCommit {
			return p + 17, nil
		}
		return c.nextName(rest, p)
	}
	return 0, errEntry
}

func (c *command) nextName(rest []byte, p int) (int, error) {
	if len(rest) < 10 {
		return 0, errEntry
	}
	n := int(binary.LittleEndian.Uint16(rest[8:]))
	if n > len(rest)-10 {
		return 0, errEntry
	}
	c.body = rest[10 : 10+n]
	return p + 19 + n, nil
}

func (c *command) nextAppend(b []byte, p int) (int, error) {
	if len(b)-p < 2 {
		return 0, errEntry
	}
	n := int(b[p+1]) * 8
	if n == 0 || len(b)-p-2 < n {
		return 0, errEntry
	}
	c.logs = b[p+2 : p+2+n]
	c.at = p + 2 + n
	size, err := record.Size(b[c.at:])
	if err != nil {
		return 0, errEntry
	}
	return c.at + size, nil
}
