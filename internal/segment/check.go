package segment

import (
	"errors"
	"fmt"
	"io"

	"weir/internal/record"
	"weir/internal/vfs"
)

// Verify reads all of a file and reports the first bad place.
func Verify(fs vfs.FS, name string) error {
	return walk(fs, name, nil, nil)
}

// Dump prints what a file holds, checking all of it on the way.
func Dump(fs vfs.FS, name string, w io.Writer) error {
	const (
		run   = "log %d offsets %d to %d count %d records %d bytes %d blocks %d times %d to %d expiry from %d\n"
		entry = "  block %d offset %d count %d dialect %d priority %d timestamp %d expiry %d due %d bytes %d\n"
	)
	return walk(fs, name, func(r *RunInfo) error {
		_, err := fmt.Fprintf(w, run, r.Log, r.First, r.Last, r.Count, r.Entries, r.Bytes, r.blocks,
			r.MinTimestamp, r.MaxTimestamp, r.MinExpiry)
		return err
	}, func(position int64, e Entry, env *record.Envelope) error {
		_, err := fmt.Fprintf(w, entry, position, e.Offset, env.Count, env.Dialect, env.Priority,
			env.Timestamp, env.Expiry, env.Due, len(e.Record))
		return err
	})
}

func walk(fs vfs.FS, name string, head func(*RunInfo) error,
	each func(position int64, e Entry, env *record.Envelope) error,
) (err error) {
	r, err := Open(fs, name)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	var b [len(magic)]byte
	if err := r.fetch(b[:], 0); err != nil {
		return err
	}
	if string(b[:]) != magic {
		return r.corrupt(0, "no magic")
	}
	for i := range r.runs {
		if head != nil {
			if err := head(&r.runs[i]); err != nil {
				return err
			}
		}
		if err := r.walkRun(i, each); err != nil {
			return err
		}
	}
	return nil
}

// walkRun reads a run and compares it with what footer, index and attributes
// say of it.
func (r *Reader) walkRun(i int, each func(position int64, e Entry, env *record.Envelope) error) error {
	run := &r.runs[i]
	index, err := r.index(i)
	if err != nil {
		return err
	}
	var marked []attribute
	if err := r.Attributes(run.Log, func(offset record.Offset, priority uint8, expiry, due int64) {
		marked = append(marked, attribute{offset: offset, priority: priority, expiry: expiry, due: due})
	}); err != nil {
		return err
	}
	found := RunInfo{
		Log: run.Log, position: run.position, blockBytes: run.blockBytes,
		indexBytes: run.indexBytes, attributeBytes: run.attributeBytes, blocks: run.blocks,
	}
	for at := range index {
		b, err := r.block(run.Log, &index[at])
		if err != nil {
			return err
		}
		highest := int64(0)
		var e Entry
		var env record.Envelope
		for {
			more, ok := b.next(&e, &env)
			if !ok || more && found.Entries > 0 && e.Offset <= found.Last {
				return r.corrupt(index[at].position, "malformed record")
			}
			if !more {
				break
			}
			found.add(e.Offset, len(e.Record), &env)
			highest = max(highest, env.Timestamp)
			if a := attributeOf(e.Offset, &env); a.isSet() {
				if len(marked) == 0 || marked[0] != a {
					return r.corrupt(run.end()-run.attributeBytes, "attributes do not match the records")
				}
				marked = marked[1:]
			}
			if each != nil {
				if err := each(index[at].position, e, &env); err != nil {
					return err
				}
			}
		}
		if highest != index[at].maxTimestamp {
			return r.corrupt(index[at].position, "timestamps do not match the index")
		}
	}
	if len(marked) > 0 {
		return r.corrupt(run.end()-run.attributeBytes, "attributes do not match the records")
	}
	if found != *run {
		return r.corrupt(run.position, "records do not match the footer")
	}
	return nil
}
