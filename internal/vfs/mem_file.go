package vfs

import (
	"io"
	"os"
	"sort"
)

const (
	// sectorBytes is what a device writes whole or not at all.
	sectorBytes    = 512
	pageBytes      = 4096
	sectorsPerPage = pageBytes / sectorBytes
)

// page holds sectorsPerPage sectors. A page that is not in its inode's dirty
// map is never changed, so crash clones share it.
type page [pageBytes]byte

// dirtyPage remembers what a page was at the last sync (nil is zeros) and which
// of its sectors have been written since.
type dirtyPage struct {
	old     *page
	sectors uint8
}

// inode is a file's contents now and at its last sync. Its Mem's lock guards it.
type inode struct {
	links      int
	pages      []*page // nil is zeros; may be shorter than size
	size       int64
	reserved   int64
	syncedSize int64
	dirty      map[int]dirtyPage
}

func (n *inode) charge() int64 { return max(n.size, n.reserved) }

func (n *inode) page(i int) *page {
	if i < len(n.pages) {
		return n.pages[i]
	}
	return nil
}

// writable returns page i to be changed in the sectors given.
func (n *inode) writable(i int, sectors uint8) *page {
	for len(n.pages) <= i {
		n.pages = append(n.pages, nil)
	}
	d, ok := n.dirty[i]
	if !ok {
		d.old = n.pages[i]
		fresh := new(page)
		if d.old != nil {
			*fresh = *d.old
		}
		n.pages[i] = fresh
	}
	d.sectors |= sectors
	n.dirty[i] = d
	if n.pages[i] == nil {
		n.pages[i] = new(page)
	}
	return n.pages[i]
}

func sectorMask(from, to int) uint8 {
	var mask uint8
	for s := from / sectorBytes; s*sectorBytes < to; s++ {
		mask |= 1 << s
	}
	return mask
}

func (n *inode) write(p []byte, off int64) {
	for len(p) > 0 {
		i, at := int(off/pageBytes), int(off%pageBytes)
		k := min(len(p), pageBytes-at)
		copy(n.writable(i, sectorMask(at, at+k))[at:], p[:k])
		p, off = p[k:], off+int64(k)
	}
	n.size = max(n.size, off)
}

func (n *inode) read(p []byte, off int64) int {
	if off >= n.size {
		return 0
	}
	p = p[:min(int64(len(p)), n.size-off)]
	for done := 0; done < len(p); {
		i, at := int(off/pageBytes), int(off%pageBytes)
		k := min(len(p)-done, pageBytes-at)
		if pg := n.page(i); pg != nil {
			copy(p[done:done+k], pg[at:])
		} else {
			clear(p[done : done+k])
		}
		done, off = done+k, off+int64(k)
	}
	return len(p)
}

// truncate zeroes what it cuts, so that growing again shows zeros.
func (n *inode) truncate(size int64) {
	for i := int(size / pageBytes); i < len(n.pages); i++ {
		at := int(max(0, size-int64(i)*pageBytes))
		if n.pages[i] == nil {
			continue
		}
		clear(n.writable(i, sectorMask(at, pageBytes))[at:])
	}
	n.size = size
}

func (n *inode) sync() {
	clear(n.dirty)
	n.syncedSize = n.size
}

// crash returns what the device could hold of n after power loss.
func (n *inode) crash(keep func() bool) *inode {
	c := &inode{size: n.syncedSize, dirty: make(map[int]dirtyPage)}
	if n.size != n.syncedSize && keep() {
		c.size = n.size
	}
	c.pages = append([]*page(nil), n.pages...)
	order := make([]int, 0, len(n.dirty))
	for i := range n.dirty {
		order = append(order, i)
	}
	sort.Ints(order)
	for _, i := range order {
		d := n.dirty[i]
		pg := new(page)
		if d.old != nil {
			*pg = *d.old
		}
		for s := range sectorsPerPage {
			if d.sectors&(1<<s) != 0 && keep() {
				copy(pg[s*sectorBytes:(s+1)*sectorBytes], n.pages[i][s*sectorBytes:])
			}
		}
		c.pages[i] = pg
	}
	c.cut()
	c.syncedSize = c.size
	return c
}

// cut drops the pages beyond the size and zeroes the rest of the last one,
// which a crash may have left with sectors of a size that did not survive.
func (n *inode) cut() {
	whole := int((n.size + pageBytes - 1) / pageBytes)
	if whole < len(n.pages) {
		clear(n.pages[whole:])
		n.pages = n.pages[:whole]
	}
	at := int(n.size % pageBytes)
	if at == 0 {
		return
	}
	if last := n.page(whole - 1); last != nil {
		fresh := *last
		clear(fresh[at:])
		n.pages[whole-1] = &fresh
	}
}

type memFile struct {
	m        *Mem
	node     *inode
	name     string
	writable bool
	closed   bool
}

// use runs f under the lock, unless the handle is closed or may not write.
func (f *memFile) use(op string, write bool, do func(n *inode) error) error {
	f.m.mu.Lock()
	defer f.m.mu.Unlock()
	if f.closed {
		return &os.PathError{Op: op, Path: f.name, Err: os.ErrClosed}
	}
	if write && !f.writable {
		return &os.PathError{Op: op, Path: f.name, Err: os.ErrPermission}
	}
	return do(f.node)
}

// grow charges the file system for a change that leaves the node with the size
// and reservation given.
func (f *memFile) grow(op string, n *inode, size, reserved int64) error {
	more := max(size, reserved) - n.charge()
	if f.m.mu.limit >= 0 && more > 0 && f.m.mu.used+more > f.m.mu.limit {
		return &os.PathError{Op: op, Path: f.name, Err: ErrFull}
	}
	if n.links > 0 {
		f.m.mu.used += more
	}
	n.reserved = reserved
	return nil
}

func (f *memFile) ReadAt(p []byte, off int64) (int, error) {
	var k int
	err := f.use("read", false, func(n *inode) error {
		if off < 0 {
			return &os.PathError{Op: "read", Path: f.name, Err: os.ErrInvalid}
		}
		if k = n.read(p, off); k < len(p) {
			return io.EOF
		}
		return nil
	})
	return k, err
}

func (f *memFile) WriteAt(p []byte, off int64) (int, error) {
	err := f.use("write", true, func(n *inode) error {
		if off < 0 {
			return &os.PathError{Op: "write", Path: f.name, Err: os.ErrInvalid}
		}
		if len(p) == 0 {
			return nil
		}
		if err := f.grow("write", n, max(n.size, off+int64(len(p))), n.reserved); err != nil {
			return err
		}
		n.write(p, off)
		return nil
	})
	if err != nil {
		return 0, err
	}
	return len(p), nil
}

func (f *memFile) WriteVecAt(parts [][]byte, off int64) error {
	for _, p := range parts {
		if _, err := f.WriteAt(p, off); err != nil {
			return err
		}
		off += int64(len(p))
	}
	return nil
}

func (f *memFile) Size() (size int64, err error) {
	err = f.use("size", false, func(n *inode) error {
		size = n.size
		return nil
	})
	return size, err
}

func (f *memFile) Truncate(size int64) error {
	return f.use("truncate", true, func(n *inode) error {
		if size < 0 {
			return &os.PathError{Op: "truncate", Path: f.name, Err: os.ErrInvalid}
		}
		reserved := n.reserved
		if size < n.size {
			reserved = min(reserved, size)
		}
		if err := f.grow("truncate", n, size, reserved); err != nil {
			return err
		}
		n.truncate(size)
		return nil
	})
}

func (f *memFile) Reserve(size int64) error {
	return f.use("reserve", true, func(n *inode) error {
		return f.grow("reserve", n, n.size, max(n.reserved, size))
	})
}

func (f *memFile) Preallocate(size int64) error {
	return f.use("preallocate", true, func(n *inode) error {
		if size <= n.size {
			return nil
		}
		if err := f.grow("preallocate", n, size, n.reserved); err != nil {
			return err
		}
		n.size = size
		return nil
	})
}

func (f *memFile) Sync() error {
	return f.use("sync", false, func(n *inode) error {
		n.sync()
		return nil
	})
}

func (f *memFile) Close() error {
	return f.use("close", false, func(*inode) error {
		f.closed = true
		return nil
	})
}
