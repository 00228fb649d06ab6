package segment

import (
	"encoding/binary"
	"errors"
	"fmt"
	"path/filepath"

	"weir/internal/invariant"
	"weir/internal/record"
	"weir/internal/vfs"
)

// flushBytes is collected before it is written.
const flushBytes = 1 << 20

// Writer makes one file. Any error is final: the caller ends with Abort.
type Writer struct {
	fs   vfs.FS
	name string
	f    vfs.File

	out     []byte // frames not yet written
	written int64  // bytes in the file
	runs    []RunInfo

	identity uint32

	// The run and the block being filled. A block is filled in out itself,
	// from blockAt on.
	open         bool
	run          RunInfo
	end          record.Offset // behind the last record of the run
	blockAt      int
	entries      int
	first        record.Offset
	last         record.Offset
	maxTimestamp int64
	index        []indexEntry
	attributes   []attribute
}

// Identify stores what tells the file from all others that could stand in its
// place; 0 is nothing.
func (w *Writer) Identify(identity uint32) { w.identity = identity }

// Create starts the file name under a temporary name.
func Create(fs vfs.FS, name string) (*Writer, error) {
	f, err := fs.Create(name + TemporarySuffix)
	if err != nil {
		return nil, fmt.Errorf("create segment: %w", err)
	}
	w := &Writer{fs: fs, name: name, f: f}
	w.out = append(w.out, magic...)
	return w, nil
}

// position is where the next byte goes.
func (w *Writer) position() int64 { return w.written + int64(len(w.out)) }

// Bytes returns how large the file is so far, index and footer not counted.
func (w *Writer) Bytes() int64 { return w.position() }

// Begin starts the run of a log. Logs come in ascending order; one that gets no
// record leaves no trace.
func (w *Writer) Begin(log record.LogID) error {
	if err := w.endRun(); err != nil {
		return err
	}
	if n := len(w.runs); n > 0 {
		invariant.Check(log > w.runs[n-1].Log, "segment: log %d behind log %d", log, w.runs[n-1].Log)
	}
	w.open = true
	w.run = RunInfo{Log: log, position: w.position()}
	w.end = 0
	return nil
}

// Add appends a record to the run. Offsets ascend; gaps are allowed.
func (w *Writer) Add(e Entry) error {
	invariant.Check(w.open, "segment: a record without a run")
	if size, err := record.Size(e.Record); err != nil || size != len(e.Record) {
		return fmt.Errorf("segment %s: record at %d: %w", w.name, e.Offset, record.ErrMalformed)
	}
	var env record.Envelope
	if _, err := record.Decode(e.Record, &env); err != nil {
		return fmt.Errorf("segment %s: record at %d: %w", w.name, e.Offset, err)
	}
	if w.run.Entries > 0 && e.Offset < w.end {
		// Tested first, for the arguments cost an allocation each.
		invariant.Check(false, "segment: log %d: offset %d behind %d", w.run.Log, e.Offset, w.end)
	}
	if w.entries > 0 && len(w.out)-w.blockAt-frameHeaderBytes+len(e.Record)+binary.MaxVarintLen64 > blockBytes {
		if err := w.endBlock(); err != nil {
			return err
		}
	}
	if w.entries == 0 {
		w.beginBlock(e.Offset)
	}
	w.out = binary.AppendUvarint(w.out, uint64(e.Offset-w.last))
	w.out = append(w.out, e.Record...)
	w.last = e.Offset
	w.end = e.Offset + record.Offset(env.Count)
	w.entries++
	w.maxTimestamp = max(w.maxTimestamp, env.Timestamp)
	w.run.add(e.Offset, len(e.Record), &env)
	if a := attributeOf(e.Offset, &env); a.isSet() {
		w.attributes = append(w.attributes, a)
	}
	return nil
}

func (w *Writer) beginBlock(first record.Offset) {
	w.blockAt = len(w.out)
	w.out = append(w.out, make([]byte, frameHeaderBytes)...)
	w.out = binary.LittleEndian.AppendUint64(w.out, uint64(w.run.Log))
	w.out = binary.LittleEndian.AppendUint64(w.out, uint64(first))
	w.first, w.last, w.maxTimestamp = first, first, 0
}

func (w *Writer) endBlock() error {
	frame := w.out[w.blockAt:]
	at := w.written + int64(w.blockAt)
	sealFrame(frame, kindBlock, w.entries, at)
	w.index = append(w.index, indexEntry{
		first: w.first, position: at, bytes: uint32(len(frame)), maxTimestamp: w.maxTimestamp,
	})
	w.entries = 0
	return w.flush(flushBytes)
}

// endRun writes what follows a run's blocks and enters it into the footer.
func (w *Writer) endRun() error {
	if w.entries > 0 {
		if err := w.endBlock(); err != nil {
			return err
		}
	}
	if w.open && w.run.Entries > 0 {
		w.run.blocks = uint64(len(w.index))
		w.run.blockBytes = w.position() - w.run.position
		if len(w.index) > 1 {
			w.run.indexBytes = appendTable(w, kindIndex, w.index, indexEntryBytes, (*indexEntry).appendTo)
		}
		w.run.attributeBytes = appendTable(w, kindAttributes, w.attributes, attributeBytes, (*attribute).appendTo)
		w.runs = append(w.runs, w.run)
	}
	w.open = false
	w.index, w.attributes = w.index[:0], w.attributes[:0]
	return w.flush(flushBytes)
}

// appendTable writes rows of a fixed size as frames and returns their bytes.
func appendTable[T any](
	w *Writer, kind uint8, rows []T, rowBytes int, appendTo func(*T, []byte) []byte,
) int64 {
	begin := w.position()
	for len(rows) > 0 {
		n := min(len(rows), blockBytes/rowBytes)
		at := len(w.out)
		w.out = append(w.out, make([]byte, frameHeaderBytes)...)
		for i := range rows[:n] {
			w.out = appendTo(&rows[i], w.out)
		}
		sealFrame(w.out[at:], kind, n, w.written+int64(at))
		rows = rows[n:]
	}
	return w.position() - begin
}

func (w *Writer) flush(above int) error {
	if len(w.out) <= above {
		return nil
	}
	if _, err := w.f.WriteAt(w.out, w.written); err != nil {
		return fmt.Errorf("write segment %s: %w", w.name, err)
	}
	w.written += int64(len(w.out))
	w.out = w.out[:0]
	return nil
}

// Finish makes the file durable under its name. Errors other than a full disk
// (vfs.ErrFull) leave it unknown what is durable.
func (w *Writer) Finish() (Info, error) {
	if err := w.endRun(); err != nil {
		return Info{}, err
	}
	footer := w.position()
	appendTable(w, kindFooter, w.runs, runBytes, (*RunInfo).appendTo)
	w.out = appendTrailer(w.out, w.identity, footer, len(w.runs))
	if err := w.flush(0); err != nil {
		return Info{}, err
	}
	if err := w.f.Sync(); err != nil {
		return Info{}, fmt.Errorf("sync segment %s: %w", w.name, err)
	}
	if err := w.f.Close(); err != nil {
		return Info{}, fmt.Errorf("close segment %s: %w", w.name, err)
	}
	w.f = nil
	if err := w.fs.Rename(w.name+TemporarySuffix, w.name); err != nil {
		return Info{}, fmt.Errorf("rename segment: %w", err)
	}
	if err := w.fs.SyncDir(filepath.Dir(w.name)); err != nil {
		return Info{}, fmt.Errorf("sync segment directory: %w", err)
	}
	return Info{Name: w.name, Bytes: w.written, Runs: w.runs}, nil
}

// Abort drops an unfinished file. It may follow any error.
func (w *Writer) Abort() {
	if w.f != nil {
		// Nothing of the file matters any more; the next start removes it if
		// this does not.
		_ = errors.Join(w.f.Close(), w.fs.Remove(w.name+TemporarySuffix))
		w.f = nil
	}
}
