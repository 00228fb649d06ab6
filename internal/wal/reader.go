package wal

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"weir/internal/vfs"
)

// readBytes is how much of a file is read at once; each piece is a fresh slice
// that the replayed payloads keep alive.
const readBytes = 1 << 20

// reader reads records of one file. It never allocates more than the file is
// long, whatever a length field claims.
type reader struct {
	f    vfs.File
	name string
	size int64

	chunk []byte
	base  int64 // offset of chunk in the file
}

// view returns the n bytes at off, which must be inside the file.
func (r *reader) view(off, n int64) ([]byte, error) {
	if off < r.base || off+n > r.base+int64(len(r.chunk)) {
		chunk := make([]byte, min(max(n, readBytes), r.size-off))
		if k, err := r.f.ReadAt(chunk, off); k < len(chunk) {
			if err == nil || errors.Is(err, io.EOF) {
				err = io.ErrUnexpectedEOF
			}
			return nil, fmt.Errorf("read %s at %d: %w", r.name, off, err)
		}
		r.chunk, r.base = chunk, off
	}
	at := off - r.base
	return r.chunk[at : at+n : at+n], nil
}

// record reads the record of file t at off; false is that there is none. An
// error is the device's.
func (r *reader) record(t tag, off int64) (s stored, ok bool, err error) {
	if off < 0 || r.size-off < headerBytes {
		return stored{}, false, nil
	}
	header, err := r.view(off, headerBytes)
	if err != nil {
		return stored{}, false, err
	}
	n := headerBytes + payloadSize(header)
	if headerTag(header) != t || n > r.size-off {
		return stored{}, false, nil
	}
	b, err := r.view(off, n)
	if err != nil {
		return stored{}, false, err
	}
	s, ok = decode(b, off)
	return s, ok, nil
}

// promised reports whether a record behind off says that the byte at off was
// durable when it was written. It tells rot from a torn tail: what is torn was
// never promised.
func (r *reader) promised(t tag, off int64) (bool, error) {
	var pattern [8]byte
	binary.LittleEndian.PutUint64(pattern[:], uint64(t))
	const tagAt = 16
	window := make([]byte, min(readBytes, max(0, r.size-off)))
	for pos := off + 1 + tagAt; r.size-pos >= int64(len(pattern)); {
		piece := window[:min(int64(len(window)), r.size-pos)]
		if k, err := r.f.ReadAt(piece, pos); k < len(piece) {
			return false, fmt.Errorf("read %s at %d: %w", r.name, pos, err)
		}
		for at := 0; ; at++ {
			hit := bytes.Index(piece[at:], pattern[:])
			if hit < 0 {
				break
			}
			at += hit
			s, ok, err := r.record(t, pos+int64(at)-tagAt)
			if err != nil {
				return false, err
			}
			if ok && s.syncOffset > off {
				return true, nil
			}
		}
		pos += max(1, int64(len(piece))-int64(len(pattern))+1)
	}
	return false, nil
}

func (r *reader) corrupt(off int64, reason string) error {
	return &vfs.CorruptError{File: r.name, Offset: off, Reason: reason}
}
