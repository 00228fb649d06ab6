package segment

import (
	"errors"
	"fmt"
	"io"
	"sort"
	"sync/atomic"

	"weir/internal/record"
	"weir/internal/vfs"
)

// ErrUnread says that the device did not give the bytes of a file: nothing is known
// to be wrong with them, and a later try may get them.
var ErrUnread = errors.New("segment: not read")

// Reader reads a finished file.
type Reader struct {
	f     vfs.File
	name  string
	bytes int64
	runs  []RunInfo

	identity uint32
	// indexes are read when first needed, and kept.
	indexes []atomic.Pointer[[]indexEntry]
}

// Open reads and checks the footer; the rest is checked as it is read.
func Open(fs vfs.FS, name string) (*Reader, error) {
	f, err := fs.Open(name)
	if err != nil {
		return nil, fmt.Errorf("open segment: %w", err)
	}
	r := &Reader{f: f, name: name}
	if err := r.readFooter(); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	r.indexes = make([]atomic.Pointer[[]indexEntry], len(r.runs))
	return r, nil
}

// Close closes the file; reads that are still running fail.
func (r *Reader) Close() error { return r.f.Close() }

// Identify checks that the file is the one it is taken for. One that was written
// without an identity passes.
func (r *Reader) Identify(identity uint32) error {
	if r.identity != 0 && r.identity != identity {
		return r.corrupt(r.bytes-trailerBytes, "file belongs to another place")
	}
	return nil
}

// Runs returns what the file holds, by log. The slice is the reader's own.
func (r *Reader) Runs() []RunInfo { return r.runs }

// Info describes the file as Finish did.
func (r *Reader) Info() Info { return Info{Name: r.name, Bytes: r.bytes, Runs: r.runs} }

func (r *Reader) corrupt(off int64, reason string) error {
	return &vfs.CorruptError{File: r.name, Offset: off, Reason: reason}
}

// fetch reads exactly b from off.
func (r *Reader) fetch(b []byte, off int64) error {
	if n, err := r.f.ReadAt(b, off); n < len(b) {
		if errors.Is(err, io.EOF) || err == nil {
			return r.corrupt(off, "file is shorter than it says")
		}
		return fmt.Errorf("%w: %s at %d: %w", ErrUnread, r.name, off, err)
	}
	return nil
}

func (r *Reader) readFooter() (err error) {
	if r.bytes, err = r.f.Size(); err != nil {
		return fmt.Errorf("size of segment %s: %w", r.name, err)
	}
	end := r.bytes - trailerBytes
	if end < int64(len(magic)) {
		return r.corrupt(0, "shorter than a trailer")
	}
	var trailer [trailerBytes]byte
	if err := r.fetch(trailer[:], end); err != nil {
		return err
	}
	identity, footer, runs, ok := readTrailer(trailer[:])
	if !ok || footer < int64(len(magic)) || footer > end {
		return r.corrupt(end, "no trailer")
	}
	r.identity = identity
	if runs > uint64(end-footer)/runBytes {
		return r.corrupt(end, "more runs than the footer has room for")
	}
	r.runs = make([]RunInfo, 0, runs)
	at := int64(len(magic))
	err = r.table(footer, end, kindFooter, runBytes, func(off int64, row []byte) error {
		run := readRun(row)
		if reason := run.reject(r.runs, at, footer); reason != "" {
			return r.corrupt(off, reason)
		}
		at = run.end()
		r.runs = append(r.runs, run)
		return nil
	})
	if err == nil && (uint64(len(r.runs)) != runs || at != footer) {
		err = r.corrupt(footer, "footer does not account for the whole file")
	}
	return err
}

// reject says what about a run cannot be, given those before it, the position
// where it must begin and the one behind which no run lies.
func (r *RunInfo) reject(before []RunInfo, at, limit int64) string {
	if n := len(before); n > 0 && r.Log <= before[n-1].Log {
		return "logs are not in order"
	}
	room := limit - at
	for _, part := range [...]int64{r.blockBytes, r.indexBytes, r.attributeBytes} {
		if part < 0 || part > room {
			return "run reaches beyond its place"
		}
		room -= part
	}
	switch {
	case r.position != at || r.blocks == 0 || r.blockBytes < int64(frameHeaderBytes+blockHeaderBytes):
		return "run is not where it belongs"
	case (r.blocks > 1) != (r.indexBytes > 0):
		return "run without the index it needs"
	case r.Last < r.First || r.Entries == 0 || r.Bytes < 0:
		return "run without records"
	}
	return ""
}

// table reads frames of rows of a fixed size between two positions. A row is
// valid only during the call.
func (r *Reader) table(from, to int64, kind uint8, rowBytes int, row func(off int64, b []byte) error) error {
	buf := make([]byte, min(to-from, frameHeaderBytes+blockBytes))
	for from < to {
		b := buf[:min(int64(len(buf)), to-from)]
		if err := r.fetch(b, from); err != nil {
			return err
		}
		size, ok := frameSize(b)
		if !ok {
			return r.corrupt(from, "frame reaches beyond its place")
		}
		body, rows, reason := openFrame(b[:size], kind, from)
		if reason == "" && (rows == 0 || rows != len(body)/rowBytes || len(body)%rowBytes != 0) {
			reason = "frame does not hold whole rows"
		}
		if reason != "" {
			return r.corrupt(from, reason)
		}
		for ; len(body) > 0; body = body[rowBytes:] {
			if err := row(from, body[:rowBytes]); err != nil {
				return err
			}
		}
		from += int64(size)
	}
	return nil
}

// find returns the number of the log's run.
func (r *Reader) find(log record.LogID) (int, bool) {
	i := sort.Search(len(r.runs), func(i int) bool { return r.runs[i].Log >= log })
	return i, i < len(r.runs) && r.runs[i].Log == log
}

// index returns the blocks of run i.
func (r *Reader) index(i int) ([]indexEntry, error) {
	if x := r.indexes[i].Load(); x != nil {
		return *x, nil
	}
	run := &r.runs[i]
	if run.blocks == 1 {
		if run.blockBytes > 1<<32-1 {
			return nil, r.corrupt(run.position, "block too large")
		}
		return []indexEntry{{
			first: run.First, position: run.position, bytes: uint32(run.blockBytes), maxTimestamp: run.MaxTimestamp,
		}}, nil
	}
	if run.blocks > uint64(run.indexBytes)/indexEntryBytes {
		return nil, r.corrupt(run.position, "more blocks than the index has room for")
	}
	x := make([]indexEntry, 0, run.blocks)
	at := run.position
	begin := run.position + run.blockBytes
	err := r.table(begin, begin+run.indexBytes, kindIndex, indexEntryBytes, func(off int64, row []byte) error {
		e := readIndexEntry(row)
		n := len(x)
		if e.position != at || int64(e.bytes) > begin-at || n > 0 && e.first <= x[n-1].first {
			return r.corrupt(off, "index does not fit the blocks")
		}
		at += int64(e.bytes)
		x = append(x, e)
		return nil
	})
	if err == nil && (uint64(len(x)) != run.blocks || at != begin) {
		err = r.corrupt(begin, "index does not cover the blocks")
	}
	if err != nil {
		return nil, err
	}
	r.indexes[i].Store(&x)
	return x, nil
}

// block reads one block into fresh memory and verifies it.
func (r *Reader) block(log record.LogID, x *indexEntry) (block, error) {
	b := make([]byte, x.bytes)
	if err := r.fetch(b, x.position); err != nil {
		return block{}, err
	}
	return r.verify(log, x, b)
}

// verify checks the bytes of a block.
func (r *Reader) verify(log record.LogID, x *indexEntry, b []byte) (block, error) {
	body, entries, reason := openFrame(b, kindBlock, x.position)
	if reason != "" {
		return block{}, r.corrupt(x.position, reason)
	}
	bl, ok := openBlock(body, entries)
	if !ok || bl.log != log || bl.offset != x.first {
		return block{}, r.corrupt(x.position, "block of another log or offset")
	}
	return bl, nil
}

// windowBytes is about how much is read at once where the caller gives memory.
const windowBytes = 1 << 20

// window says how many of the blocks, which lie one behind the other, are read at
// once to get so many bytes.
func window(index []indexEntry, want int) (blocks, bytes int) {
	for blocks < len(index) && (blocks == 0 || bytes < want && bytes+int(index[blocks].bytes) <= windowBytes) {
		bytes += int(index[blocks].bytes)
		blocks++
	}
	return blocks, bytes
}

// Read calls add with the records of the log from the one that covers from, or
// the next one there is, until add declines, the records handed out reach
// maxBytes, or the run ends. At least one record is handed out if there is one.
// They lie in memory that take gave, or where it is nil in fresh memory, which
// those of a block share and which is never used again.
func (r *Reader) Read(log record.LogID, from record.Offset, maxBytes int, take func(bytes int) []byte, add func(Entry) bool) error {
	i, ok := r.find(log)
	if !ok || r.runs[i].Last < from {
		return nil
	}
	index, err := r.index(i)
	if err != nil {
		return err
	}
	// The last block that begins at or before from may cover it.
	at := max(0, sort.Search(len(index), func(j int) bool { return index[j].first > from })-1)
	for read := 0; at < len(index); {
		n, bytes := 1, int(index[at].bytes)
		var memory []byte
		if take == nil {
			memory = make([]byte, bytes)
		} else {
			n, bytes = window(index[at:], maxBytes-read)
			memory = take(bytes)
		}
		if err := r.fetch(memory, index[at].position); err != nil {
			return err
		}
		for end := at + n; at < end; at++ {
			size := int(index[at].bytes)
			more, err := r.hand(log, &index[at], memory[:size:size], from, func(e Entry) bool {
				read += len(e.Record)
				return add(e) && read < maxBytes
			})
			if err != nil || !more {
				return err
			}
			memory = memory[size:]
		}
	}
	return nil
}

// hand hands out the records of a block that end behind from; it reports false
// once add declines one.
func (r *Reader) hand(log record.LogID, x *indexEntry, memory []byte, from record.Offset, add func(Entry) bool) (bool, error) {
	b, err := r.verify(log, x, memory)
	if err != nil {
		return false, err
	}
	var e Entry
	var env record.Envelope
	for {
		more, ok := b.next(&e, &env)
		if !ok {
			return false, r.corrupt(x.position, "malformed record")
		}
		if !more {
			return true, nil
		}
		if e.Offset+record.Offset(env.Count) > from && !add(e) {
			return false, nil
		}
	}
}

// OffsetByTime returns the offset of the log's first record whose timestamp is
// at or after unixMillis; false is that this file has none.
func (r *Reader) OffsetByTime(log record.LogID, unixMillis int64) (record.Offset, bool, error) {
	i, ok := r.find(log)
	if !ok || r.runs[i].MaxTimestamp < unixMillis {
		return 0, false, nil
	}
	index, err := r.index(i)
	if err != nil {
		return 0, false, err
	}
	for at := range index {
		if index[at].maxTimestamp < unixMillis {
			continue
		}
		b, err := r.block(log, &index[at])
		if err != nil {
			return 0, false, err
		}
		var e Entry
		var env record.Envelope
		for {
			more, ok := b.next(&e, &env)
			if !ok {
				return 0, false, r.corrupt(index[at].position, "malformed record")
			}
			if !more {
				break
			}
			if env.Timestamp >= unixMillis {
				return e.Offset, true, nil
			}
		}
	}
	return 0, false, nil
}

// Attributes calls add for the log's records that have a priority, an expiry or
// a due time (unix milliseconds, 0 for none), in order, without reading bodies.
func (r *Reader) Attributes(
	log record.LogID, add func(offset record.Offset, priority uint8, expiry, due int64),
) error {
	i, ok := r.find(log)
	if !ok {
		return nil
	}
	run := &r.runs[i]
	from, to := run.end()-run.attributeBytes, run.end()
	return r.table(from, to, kindAttributes, attributeBytes, func(_ int64, row []byte) error {
		a := readAttribute(row)
		add(a.offset, a.priority, a.expiry, a.due)
		return nil
	})
}
