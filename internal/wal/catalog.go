package wal

import (
	"errors"
	"fmt"
	"path/filepath"
	"sort"
	"strconv"
	"strings"

	"weir/internal/vfs"
)

const (
	liveSuffix  = ".wal"
	spareSuffix = ".spare"
)

func liveName(dir string, number uint32) string {
	return filepath.Join(dir, fmt.Sprintf("%08x%s", number, liveSuffix))
}

func spareName(dir string, number uint32) string {
	return filepath.Join(dir, fmt.Sprintf("%08x%s", number, spareSuffix))
}

// catalog is what a directory holds, before anything is changed in it.
type catalog struct {
	files      []*fileScan // by number; each has an intact header
	spares     []uint32
	lastNumber uint32
}

// fileScan is a file found at start-up.
type fileScan struct {
	reader
	tag    tag
	link   link
	linked bool  // the link is intact: a group was written here
	end    int64 // where its records end, as the next file's link says; 0 is unknown
}

func parseName(name, suffix string) (uint32, bool) {
	digits, ok := strings.CutSuffix(name, suffix)
	if !ok || len(digits) != 8 {
		return 0, false
	}
	n, err := strconv.ParseUint(digits, 16, 32)
	return uint32(n), err == nil && n > 0
}

// readCatalog opens every file of dir with open and reads header and link.
func readCatalog(fs vfs.FS, dir string, open func(string) (vfs.File, error)) (*catalog, error) {
	names, err := fs.List(dir)
	if err != nil {
		return nil, fmt.Errorf("list %s: %w", dir, err)
	}
	c := &catalog{}
	for _, name := range names {
		if n, ok := parseName(name, spareSuffix); ok {
			c.spares = append(c.spares, n)
			c.lastNumber = max(c.lastNumber, n)
			continue
		}
		n, ok := parseName(name, liveSuffix)
		if !ok {
			continue
		}
		c.lastNumber = max(c.lastNumber, n)
		s, err := openScan(liveName(dir, n), n, open)
		if err != nil {
			return nil, errors.Join(err, c.close())
		}
		c.files = append(c.files, s)
	}
	sort.Slice(c.files, func(i, j int) bool { return c.files[i].tag.number() < c.files[j].tag.number() })
	return c, nil
}

func (c *catalog) close() error {
	var errs []error
	for _, s := range c.files {
		errs = append(errs, s.f.Close())
	}
	return errors.Join(errs...)
}

func openScan(name string, number uint32, open func(string) (vfs.File, error)) (*fileScan, error) {
	f, err := open(name)
	if err != nil {
		return nil, err
	}
	s := &fileScan{reader: reader{f: f, name: name}}
	if err := s.readHead(number); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return s, nil
}

// readHead reads header and link. A file gets its name only once its header is
// durable, so a header that does not read is always damage.
func (s *fileScan) readHead(number uint32) (err error) {
	if s.size, err = s.f.Size(); err != nil {
		return fmt.Errorf("size of %s: %w", s.name, err)
	}
	if s.size < fileHeaderBytes {
		return s.corrupt(0, "shorter than a header")
	}
	b, err := s.view(0, fileHeaderBytes)
	if err != nil {
		return err
	}
	head, ok := decode(b, 0)
	s.tag = headerTag(b)
	switch {
	case !ok || head.Kind != kindHeader || payloadSize(b) != int64(len(magic)):
		return s.corrupt(0, "no file header")
	case string(head.Payload) != magic:
		return s.corrupt(0, "a format this version does not know")
	case s.tag.number() != number:
		return s.corrupt(0, fmt.Sprintf("header of file %08x", s.tag.number()))
	}
	first, ok, err := s.record(s.tag, fileHeaderBytes)
	if err != nil || !ok {
		return err
	}
	if first.Kind != kindLink {
		return s.corrupt(fileHeaderBytes, "no link")
	}
	if s.link, s.linked = decodeLink(first.Payload); !s.linked {
		return s.corrupt(fileHeaderBytes, "malformed link")
	}
	return nil
}

// chain splits the files into those whose records count, oldest first, and the
// void ones: prepared but never written, torn in their first group, or given up.
func (c *catalog) chain(dir string) (live, void []*fileScan, err error) {
	byNumber := make(map[uint32]*fileScan, len(c.files))
	var at *fileScan
	for _, s := range c.files {
		byNumber[s.tag.number()] = s
		if s.linked {
			at = s
		}
	}
	used := make(map[*fileScan]bool)
	for at != nil {
		used[at] = true
		live = append(live, at)
		prev := byNumber[at.link.number]
		if prev == nil {
			if at.link.number != 0 && c.files[0].tag.number() < at.link.number {
				return nil, nil, &vfs.CorruptError{File: liveName(dir, at.link.number), Reason: "file is missing"}
			}
			break
		}
		if prev.tag.number() >= at.tag.number() || !prev.linked {
			return nil, nil, prev.corrupt(fileHeaderBytes, "no link, but a later file goes on from here")
		}
		prev.end = at.link.end
		at = prev
	}
	for i, j := 0, len(live)-1; i < j; i, j = i+1, j-1 {
		live[i], live[j] = live[j], live[i]
	}
	for _, s := range c.files {
		if used[s] {
			continue
		}
		if !s.linked {
			if rotten, err := s.promised(s.tag, fileHeaderBytes); err != nil {
				return nil, nil, err
			} else if rotten {
				return nil, nil, s.corrupt(fileHeaderBytes, "damaged link")
			}
		}
		void = append(void, s)
	}
	return live, void, nil
}

// tail is how the last file ends.
type tail struct {
	end     int64 // behind the last intact record
	durable int64 // highest sync-offset: what is behind may not be on the device yet
}

// scan calls each with every record of the file in order, and reports the end.
// Damage to what was once durable is a *vfs.CorruptError.
func (s *fileScan) scan(each func(off int64, r *stored) error) (tail, error) {
	t := tail{end: fileHeaderBytes, durable: fileHeaderBytes}
	for s.end == 0 || t.end < s.end {
		r, ok, err := s.record(s.tag, t.end)
		if err != nil {
			return t, err
		}
		if !ok && s.end == 0 {
			if ok, err = s.promised(s.tag, t.end); err == nil && ok {
				err = s.corrupt(t.end, "record fails its checksum, but was durable")
			}
			return t, err
		}
		if !ok {
			return t, s.corrupt(t.end, "record fails its checksum, but was durable")
		}
		if r.Kind > KindMax && r.Kind != kindMark && (r.Kind != kindLink || t.end != fileHeaderBytes) {
			return t, s.corrupt(t.end, fmt.Sprintf("unknown kind %d", r.Kind))
		}
		if err := each(t.end, &r); err != nil {
			return t, err
		}
		t.end += r.size
		t.durable = max(t.durable, r.syncOffset)
	}
	if s.end != 0 && t.end != s.end {
		return t, s.corrupt(s.end, "records do not end where the next file says")
	}
	return t, nil
}
