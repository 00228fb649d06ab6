package shard

import (
	"encoding/binary"
	"errors"

	"weir/internal/record"
)

// dedup remembers the ids seen within a window of time. It is replicated: time
// is the entries' own.
type dedup struct {
	seen  map[record.DedupID]int64 // when, unix ms
	queue []dedupEntry             // in order of arrival
	head  int
}

type dedupEntry struct {
	id record.DedupID
	at int64
}

const dedupEntryBytes = 24

// check says whether id was seen in the last window ms, and remembers it if not.
func (d *dedup) check(id record.DedupID, now, window int64) bool {
	for d.head < len(d.queue) && d.queue[d.head].at <= now-window {
		delete(d.seen, d.queue[d.head].id)
		d.head++
	}
	if d.head > len(d.queue)/2 && d.head > 64 {
		d.queue = append(d.queue[:0], d.queue[d.head:]...)
		d.head = 0
	}
	if _, ok := d.seen[id]; ok {
		return true
	}
	if d.seen == nil {
		d.seen = map[record.DedupID]int64{}
	}
	d.seen[id] = now
	d.queue = append(d.queue, dedupEntry{id, now})
	return false
}

func (d *dedup) encode(dst []byte) []byte {
	if d == nil {
		return binary.LittleEndian.AppendUint32(dst, 0)
	}
	live := d.queue[d.head:]
	dst = binary.LittleEndian.AppendUint32(dst, uint32(len(live)))
	for _, e := range live {
		dst = append(dst, e.id[:]...)
		dst = binary.LittleEndian.AppendUint64(dst, uint64(e.at))
	}
	return dst
}

var errState = errors.New("shard: malformed checkpoint state")

func decodeDedup(b []byte) (*dedup, []byte, error) {
	if len(b) < 4 {
		return nil, nil, errState
	}
	n := int(binary.LittleEndian.Uint32(b))
	b = b[4:]
	if n == 0 {
		return nil, b, nil
	}
	if n > len(b)/dedupEntryBytes {
		return nil, nil, errState
	}
	d := &dedup{seen: make(map[record.DedupID]int64, n)}
	for range n {
		e := dedupEntry{id: record.DedupID(b[:16]), at: int64(binary.LittleEndian.Uint64(b[16:]))}
		d.seen[e.id] = e.at
		d.queue = append(d.queue, e)
		b = b[dedupEntryBytes:]
	}
	return d, b, nil
}
