package checkpoint

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
	baseSuffix  = ".base"
	deltaSuffix = ".delta"
)

// fileInfo is one finished file. A base holds the state up to its number, a
// delta what its number added.
type fileInfo struct {
	name   string
	number uint64
	bytes  int64
}

func fileName(dir string, number uint64, suffix string) string {
	return filepath.Join(dir, fmt.Sprintf("%016x%s", number, suffix))
}

func parseName(name, suffix string) (uint64, bool) {
	digits, ok := strings.CutSuffix(name, suffix)
	if !ok || len(digits) != 16 {
		return 0, false
	}
	n, err := strconv.ParseUint(digits, 16, 64)
	return n, err == nil && n > 0
}

// catalog is what a directory holds.
type catalog struct {
	base   *fileInfo // nil before the first compaction
	deltas []fileInfo
	stale  []string // replaced, or never finished
}

// chain returns the files of the state, oldest first.
func (c *catalog) chain() []fileInfo {
	var files []fileInfo
	if c.base != nil {
		files = append(files, *c.base)
	}
	return append(files, c.deltas...)
}

func readCatalog(fs vfs.FS, dir string) (*catalog, error) {
	names, err := fs.List(dir)
	if err != nil {
		return nil, fmt.Errorf("list checkpoints: %w", err)
	}
	c := &catalog{}
	var bases, deltas []uint64
	for _, name := range names {
		if n, ok := parseName(name, baseSuffix); ok {
			bases = append(bases, n)
		} else if n, ok := parseName(name, deltaSuffix); ok {
			deltas = append(deltas, n)
		} else if strings.HasSuffix(name, temporarySuffix) {
			c.stale = append(c.stale, filepath.Join(dir, name))
		}
	}
	sort.Slice(bases, func(i, j int) bool { return bases[i] < bases[j] })
	sort.Slice(deltas, func(i, j int) bool { return deltas[i] < deltas[j] })
	last := uint64(0)
	for i, n := range bases {
		name := fileName(dir, n, baseSuffix)
		if i < len(bases)-1 {
			c.stale = append(c.stale, name)
			continue
		}
		c.base = &fileInfo{name: name, number: n}
		last = n
	}
	for _, n := range deltas {
		name := fileName(dir, n, deltaSuffix)
		if n <= last && (c.base != nil && n <= c.base.number) {
			c.stale = append(c.stale, name)
			continue
		}
		if n != last+1 {
			return nil, &vfs.CorruptError{File: fileName(dir, last+1, deltaSuffix), Reason: "file is missing"}
		}
		c.deltas = append(c.deltas, fileInfo{name: name, number: n})
		last = n
	}
	return c, nil
}

// load merges the files and fills in their sizes; meta is the newest file's.
func load(fs vfs.FS, files []fileInfo, add func(op uint8, key, value []byte) error) (meta Meta, err error) {
	cursors := make([]*cursor, 0, len(files))
	defer func() {
		for _, c := range cursors {
			err = errors.Join(err, c.close())
		}
	}()
	for i := range files {
		c, err := openCursor(fs, files[i].name, files[i].number)
		if err != nil {
			return Meta{}, err
		}
		cursors = append(cursors, c)
		files[i].bytes = c.size
		if isBase := strings.HasSuffix(c.name, baseSuffix); isBase != (c.fileType == typeBase) {
			return Meta{}, c.corrupt(int64(len(magic)), "a base named as a delta, or a delta as a base")
		}
		if i > 0 && !c.meta.follows(&meta) {
			return Meta{}, c.corrupt(int64(len(magic)), "a delta that does not follow the file before it")
		}
		meta = c.meta
	}
	return meta, merge(cursors, add)
}
