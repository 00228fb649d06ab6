package vfs

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sort"
	"sync"
)

// Mem is a file system in memory that knows which of its sectors and names
// have been synced. See CrashClone for what it is for.
type Mem struct {
	mu struct {
		sync.Mutex
		names   map[string]*inode
		dirs    map[string]struct{}
		durable map[string]*inode // names as SyncDir last left them
		pending []nameOp          // since then, in order
		locks   map[string]struct{}
		used    int64
		limit   int64 // of used; negative is none
	}
}

// nameOp is an unsynced change of names: from is removed where not empty, and
// to names node where not empty.
type nameOp struct {
	dir      string
	from, to string
	node     *inode
}

// NewMem returns an empty file system without a size limit.
func NewMem() *Mem {
	m := &Mem{}
	m.mu.names = make(map[string]*inode)
	m.mu.dirs = map[string]struct{}{".": {}, "/": {}}
	m.mu.durable = make(map[string]*inode)
	m.mu.locks = make(map[string]struct{})
	m.mu.limit = -1
	return m
}

// SetFreeLimit lets at most bytes more be allocated from now on; what is freed
// counts as free again. A negative number lifts the limit.
func (m *Mem) SetFreeLimit(bytes int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.mu.limit = -1
	if bytes >= 0 {
		m.mu.limit = m.mu.used + bytes
	}
}

// CrashClone returns a file system as m could be found after power loss: what
// was synced, and of every unsynced directory operation, size change and
// sector, in a fixed order, those for which keep answers true. Of a sector
// written several times since its last sync only the newest version is a
// candidate. m is not changed and stays usable.
func (m *Mem) CrashClone(keep func() bool) *Mem {
	m.mu.Lock()
	defer m.mu.Unlock()
	names := make(map[string]*inode, len(m.mu.durable))
	for name, node := range m.mu.durable {
		names[name] = node
	}
	for _, op := range m.mu.pending {
		if !keep() {
			continue
		}
		if op.from != "" {
			delete(names, op.from)
		}
		if op.to != "" {
			names[op.to] = op.node
		}
	}
	c := NewMem()
	for dir := range m.mu.dirs {
		c.mu.dirs[dir] = struct{}{}
	}
	paths := make([]string, 0, len(names))
	for name := range names {
		paths = append(paths, name)
	}
	sort.Strings(paths)
	clones := make(map[*inode]*inode, len(names))
	for _, name := range paths {
		node := names[name]
		if clones[node] == nil {
			clones[node] = node.crash(keep)
			c.mu.used += clones[node].charge()
		}
		clones[node].links++
		c.mu.names[name] = clones[node]
		c.mu.durable[name] = clones[node]
	}
	if m.mu.limit >= 0 {
		c.mu.limit = max(m.mu.limit, c.mu.used)
	}
	return c
}

// Open implements FS.
func (m *Mem) Open(name string) (File, error) { return m.open(name, false) }

// OpenReadWrite implements FS.
func (m *Mem) OpenReadWrite(name string) (File, error) { return m.open(name, true) }

func (m *Mem) open(name string, writable bool) (File, error) {
	name = filepath.Clean(name)
	m.mu.Lock()
	defer m.mu.Unlock()
	node := m.mu.names[name]
	if node == nil {
		return nil, notExist("open", name)
	}
	return &memFile{m: m, node: node, name: name, writable: writable}, nil
}

// Create implements FS.
func (m *Mem) Create(name string) (File, error) {
	name = filepath.Clean(name)
	m.mu.Lock()
	defer m.mu.Unlock()
	dir := filepath.Dir(name)
	if _, ok := m.mu.dirs[dir]; !ok {
		return nil, notExist("create", name)
	}
	node := m.mu.names[name]
	if node == nil {
		node = &inode{links: 1, dirty: make(map[int]dirtyPage)}
		m.mu.names[name] = node
		m.mu.pending = append(m.mu.pending, nameOp{dir: dir, to: name, node: node})
	} else {
		before := node.charge()
		node.truncate(0)
		node.reserved = 0
		m.mu.used += node.charge() - before
	}
	return &memFile{m: m, node: node, name: name, writable: true}, nil
}

// Rename implements FS.
func (m *Mem) Rename(from, to string) error {
	from, to = filepath.Clean(from), filepath.Clean(to)
	m.mu.Lock()
	defer m.mu.Unlock()
	node := m.mu.names[from]
	if node == nil {
		return notExist("rename", from)
	}
	dir := filepath.Dir(to)
	if dir != filepath.Dir(from) {
		return &os.LinkError{Op: "rename", Old: from, New: to, Err: os.ErrInvalid}
	}
	if from == to {
		return nil
	}
	if old := m.mu.names[to]; old != nil {
		m.unlinkLocked(old)
	}
	delete(m.mu.names, from)
	m.mu.names[to] = node
	m.mu.pending = append(m.mu.pending, nameOp{dir: dir, from: from, to: to, node: node})
	return nil
}

// Remove implements FS.
func (m *Mem) Remove(name string) error {
	name = filepath.Clean(name)
	m.mu.Lock()
	defer m.mu.Unlock()
	node := m.mu.names[name]
	if node == nil {
		return notExist("remove", name)
	}
	m.unlinkLocked(node)
	delete(m.mu.names, name)
	m.mu.pending = append(m.mu.pending, nameOp{dir: filepath.Dir(name), from: name})
	return nil
}

func (m *Mem) unlinkLocked(node *inode) {
	if node.links--; node.links == 0 {
		m.mu.used -= node.charge()
	}
}

// MkdirAll implements FS.
func (m *Mem) MkdirAll(dir string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	for d := filepath.Clean(dir); ; d = filepath.Dir(d) {
		if m.mu.names[d] != nil {
			return &os.PathError{Op: "mkdir", Path: d, Err: os.ErrExist}
		}
		m.mu.dirs[d] = struct{}{}
		if d == filepath.Dir(d) {
			return nil
		}
	}
}

// List implements FS.
func (m *Mem) List(dir string) ([]string, error) {
	dir = filepath.Clean(dir)
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, ok := m.mu.dirs[dir]; !ok {
		return nil, notExist("list", dir)
	}
	var names []string
	for name := range m.mu.names {
		if filepath.Dir(name) == dir {
			names = append(names, filepath.Base(name))
		}
	}
	for d := range m.mu.dirs {
		if d != dir && filepath.Dir(d) == dir {
			names = append(names, filepath.Base(d))
		}
	}
	sort.Strings(names)
	return names, nil
}

// SyncDir implements FS.
func (m *Mem) SyncDir(dir string) error {
	dir = filepath.Clean(dir)
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, ok := m.mu.dirs[dir]; !ok {
		return notExist("sync", dir)
	}
	left := m.mu.pending[:0]
	for _, op := range m.mu.pending {
		if op.dir != dir {
			left = append(left, op)
			continue
		}
		if op.from != "" {
			delete(m.mu.durable, op.from)
		}
		if op.to != "" {
			m.mu.durable[op.to] = op.node
		}
	}
	clear(m.mu.pending[len(left):])
	m.mu.pending = left
	return nil
}

// Lock implements FS; the lock is this Mem's, and a crash clone holds none.
func (m *Mem) Lock(name string) (io.Closer, error) {
	name = filepath.Clean(name)
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, taken := m.mu.locks[name]; taken {
		return nil, fmt.Errorf("%w: %s", ErrLocked, name)
	}
	m.mu.locks[name] = struct{}{}
	return memLock{m: m, name: name}, nil
}

type memLock struct {
	m    *Mem
	name string
}

func (l memLock) Close() error {
	l.m.mu.Lock()
	defer l.m.mu.Unlock()
	delete(l.m.mu.locks, l.name)
	return nil
}

// Free implements FS.
func (m *Mem) Free(string) (uint64, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.mu.limit < 0 {
		return 1 << 40, nil
	}
	return uint64(max(0, m.mu.limit-m.mu.used)), nil
}

// Total implements FS.
func (m *Mem) Total(string) (uint64, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.mu.limit < 0 {
		return 1 << 40, nil
	}
	return uint64(m.mu.limit), nil
}

func notExist(op, name string) error {
	return &os.PathError{Op: op, Path: name, Err: os.ErrNotExist}
}
