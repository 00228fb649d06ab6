package segment

import "weir/internal/record"

// Entry is one record of a log. Its bytes are as package record encodes them;
// it covers as many offsets from Offset on as its envelope counts.
type Entry struct {
	Offset record.Offset
	Record []byte
}

// Info describes a finished file.
type Info struct {
	Name  string
	Bytes int64
	Runs  []RunInfo // by log
}

// RunInfo describes what a file holds of one log.
type RunInfo struct {
	Log         record.LogID
	First, Last record.Offset // lowest and highest offset covered
	Count       uint64        // offsets covered; fewer than Last-First+1 where some are left out
	Entries     uint64        // records
	Bytes       int64         // of records

	// Unix milliseconds; records without the field do not count, and 0 is that
	// none has it.
	MinTimestamp, MaxTimestamp, MinExpiry int64

	position       int64 // of the first block; index and attributes follow the blocks
	blockBytes     int64
	indexBytes     int64 // 0 with one block
	attributeBytes int64
	blocks         uint64
}

func (r *RunInfo) end() int64 {
	return r.position + r.blockBytes + r.indexBytes + r.attributeBytes
}

// add counts a record in.
func (r *RunInfo) add(offset record.Offset, bytes int, env *record.Envelope) {
	if r.Entries == 0 {
		r.First = offset
	}
	r.Last = offset + record.Offset(env.Count) - 1
	r.Count += uint64(env.Count)
	r.Entries++
	r.Bytes += int64(bytes)
	r.MinTimestamp = lowest(r.MinTimestamp, env.Timestamp)
	if env.Timestamp != 0 && (r.MaxTimestamp == 0 || env.Timestamp > r.MaxTimestamp) {
		r.MaxTimestamp = env.Timestamp
	}
	r.MinExpiry = lowest(r.MinExpiry, env.Expiry)
}

// lowest is the lower of two times of which 0 is none.
func lowest(a, b int64) int64 {
	if a == 0 || b != 0 && b < a {
		return b
	}
	return a
}
