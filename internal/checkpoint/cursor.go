package checkpoint

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"weir/internal/vfs"
)

// cursor walks the entries of one file in order of key.
type cursor struct {
	f      vfs.File
	name   string
	number uint64
	size   int64
	at     int64 // of the next frame
	frame  int64 // of the current one

	fileType uint8
	meta     Meta

	buf     []byte // of the current frame; reused
	rest    []byte
	entries int

	// The current entry; key and value lie in buf.
	op         uint8
	key, value []byte
	done       bool

	last          []byte // key before
	any           bool
	puts, deletes uint64
}

func openCursor(fs vfs.FS, name string, number uint64) (*cursor, error) {
	f, err := fs.Open(name)
	if err != nil {
		return nil, fmt.Errorf("open checkpoint: %w", err)
	}
	c := &cursor{f: f, name: name, number: number}
	if err := c.start(); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return c, nil
}

func (c *cursor) close() error { return c.f.Close() }

func (c *cursor) corrupt(off int64, reason string) error {
	return &vfs.CorruptError{File: c.name, Offset: off, Reason: reason}
}

func (c *cursor) start() (err error) {
	if c.size, err = c.f.Size(); err != nil {
		return fmt.Errorf("size of checkpoint %s: %w", c.name, err)
	}
	b, err := c.fetch(0, int64(len(magic)))
	if err != nil {
		return err
	}
	if string(b) != magic {
		return c.corrupt(0, "no magic, or a format this version does not know")
	}
	c.at = int64(len(magic))
	f, err := c.nextFrame()
	if err != nil {
		return err
	}
	fileType, meta, ok := readHead(f.body)
	if f.kind != kindHead || !ok || fileType != typeBase && fileType != typeDelta {
		return c.corrupt(c.frame, "no head")
	}
	c.fileType, c.meta = fileType, meta
	return nil
}

// fetch reads n bytes at off into the cursor's buffer.
func (c *cursor) fetch(off, n int64) ([]byte, error) {
	if n > c.size-off {
		return nil, c.corrupt(off, "file ends too early")
	}
	if int64(cap(c.buf)) < n {
		c.buf = make([]byte, n, max(n, min(c.size-off, blockBytes+frameHeaderBytes)))
	}
	b := c.buf[:n]
	if k, err := c.f.ReadAt(b, off); k < len(b) {
		if err == nil || errors.Is(err, io.EOF) {
			return nil, c.corrupt(off, "file ends too early")
		}
		return nil, fmt.Errorf("read checkpoint %s at %d: %w", c.name, off, err)
	}
	return b, nil
}

func (c *cursor) nextFrame() (frame, error) {
	c.frame = c.at
	b, err := c.fetch(c.at, frameHeaderBytes)
	if err != nil {
		return frame{}, err
	}
	n := frameHeaderBytes + int64(binary.LittleEndian.Uint32(b[4:]))
	if b, err = c.fetch(c.at, n); err != nil {
		return frame{}, err
	}
	f, reason := openFrame(b, c.number, c.at)
	if reason != "" {
		return frame{}, c.corrupt(c.at, reason)
	}
	c.at += n
	return f, nil
}

// next moves to the next entry, or sets done.
func (c *cursor) next() error {
	for c.entries == 0 {
		if len(c.rest) > 0 {
			return c.corrupt(c.frame, "bytes behind the last entry")
		}
		f, err := c.nextFrame()
		if err != nil {
			return err
		}
		if f.kind == kindEnd {
			return c.finish(f)
		}
		if f.kind != kindData || f.entries == 0 {
			return c.corrupt(c.frame, "frame of the wrong kind")
		}
		c.entries, c.rest = f.entries, f.body
	}
	op, key, value, rest, ok := readPair(c.rest)
	if !ok {
		return c.corrupt(c.frame, "malformed entry")
	}
	if op == opDelete && c.fileType == typeBase {
		return c.corrupt(c.frame, "delete in a base")
	}
	if c.any && bytes.Compare(key, c.last) <= 0 {
		return c.corrupt(c.frame, "keys are not in order")
	}
	c.any = true
	c.last = append(c.last[:0], key...)
	c.op, c.key, c.value, c.rest = op, key, value, rest
	c.entries--
	if op == opPut {
		c.puts++
	} else {
		c.deletes++
	}
	return nil
}

func (c *cursor) finish(f frame) error {
	puts, deletes, ok := readEnd(f.body)
	if !ok || puts != c.puts || deletes != c.deletes || c.at != c.size {
		return c.corrupt(c.frame, "end does not match what is before and behind it")
	}
	c.done = true
	return nil
}

// merge calls add for the newest entry of every key of the cursors, which come
// oldest first, in order of key. Keys and values are valid only during the call.
func merge(cursors []*cursor, add func(op uint8, key, value []byte) error) error {
	h := make(cursorHeap, 0, len(cursors))
	for _, c := range cursors {
		if err := c.next(); err != nil {
			return err
		}
		if !c.done {
			h = append(h, c)
		}
	}
	for i := len(h)/2 - 1; i >= 0; i-- {
		h.sink(i)
	}
	var last []byte
	for begun := false; len(h) > 0; begun = true {
		c := h[0]
		if !begun || !bytes.Equal(c.key, last) {
			if err := add(c.op, c.key, c.value); err != nil {
				return err
			}
			last = append(last[:0], c.key...)
		}
		if err := c.next(); err != nil {
			return err
		}
		if c.done {
			h[0] = h[len(h)-1]
			h = h[:len(h)-1]
		}
		h.sink(0)
	}
	return nil
}

// cursorHeap has the lowest key on top, and of equal ones the newest file's.
type cursorHeap []*cursor

func (h cursorHeap) less(i, j int) bool {
	if c := bytes.Compare(h[i].key, h[j].key); c != 0 {
		return c < 0
	}
	return h[i].number > h[j].number
}

func (h cursorHeap) sink(i int) {
	for {
		child := 2*i + 1
		if child >= len(h) {
			return
		}
		if child+1 < len(h) && h.less(child+1, child) {
			child++
		}
		if !h.less(child, i) {
			return
		}
		h[i], h[child] = h[child], h[i]
		i = child
	}
}
