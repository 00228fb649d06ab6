package sim

import (
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
	"time"

	"weir/internal/vfs"
)

// errDevice is what a broken device answers.
var errDevice = errors.New("input/output error")

// disk is a node's storage, which outlives its processes.
type disk struct {
	world *World
	mem   *vfs.Mem

	mu      sync.Mutex
	slow    time.Duration // added to every operation
	stall   time.Duration // of the next sync
	held    int           // syncs that are taking so long
	full    bool          // less room than usual
	lies    bool          // it says it has synced what it has not
	broken  int           // operations that change something until one fails; 0: none will
	written map[string][]place
	durable map[messageID]bool
}

// place is where a marked message was written.
type place struct {
	id messageID
	at int64
}

func newDisk(w *World) *disk {
	return &disk{world: w, mem: vfs.NewMem(), written: map[string][]place{}, durable: map[messageID]bool{}}
}

// late says that what is written may take long to be synced, or have no room.
func (d *disk) late() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.slow > 0 || d.stall > 0 || d.held > 0 || d.full
}

// holds says whether the message is on stable storage.
func (d *disk) holds(id messageID) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.durable[id]
}

// fs is the disk as a process sees it.
func (d *disk) fs(l *life) vfs.FS {
	mem := d.mem
	return &diskFS{FS: vfs.Inject(mem, func(op vfs.Op) error { return d.operate(l, op) }), disk: d}
}

// operate takes the time an operation needs and perhaps lets it fail.
func (d *disk) operate(l *life, op vfs.Op) error {
	l.gate()
	d.mu.Lock()
	wait := d.slow
	switch {
	case op.Kind == vfs.OpSync || op.Kind == vfs.OpSyncDir:
		wait += d.world.dice.between(50*time.Microsecond, time.Millisecond) + d.stall
		if d.stall > 0 {
			d.stall = 0
			d.held++
			time.AfterFunc(wait, func() {
				d.mu.Lock()
				defer d.mu.Unlock()
				d.held--
			})
		}
	case op.Kind.Changes():
		wait += d.world.dice.between(0, 20*time.Microsecond)
	}
	var err error
	if op.Kind.Changes() && d.broken > 0 {
		if d.broken--; d.broken == 0 {
			err = errDevice
			d.world.note(l.node.name, "device error at %v of %s", op.Kind, op.Name)
		}
	}
	d.mu.Unlock()
	if wait > 0 {
		time.Sleep(wait)
	}
	l.gate()
	return err
}

// fill leaves so much room; a negative number is as much as anybody wants.
func (d *disk) fill(left int64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.full = left >= 0
	d.mem.SetFreeLimit(left)
}

// crash leaves on the disk what was synced, and of the rest the share given.
func (d *disk) crash(share float64) {
	d.mem = d.mem.CrashClone(func() bool { return d.world.dice.is(share) })
	d.mu.Lock()
	defer d.mu.Unlock()
	d.slow, d.stall, d.broken = 0, 0, 0
	for name, places := range d.written {
		for _, p := range places {
			if d.has(name, p) {
				d.durable[p.id] = true
			}
		}
	}
	clear(d.written)
}

func (d *disk) has(name string, p place) bool {
	f, err := d.mem.Open(name)
	if err != nil {
		return false
	}
	b := make([]byte, markBytes)
	_, err = f.ReadAt(b, p.at)
	return err == nil && messageID(binary.BigEndian.Uint64(b[len(magic):])) == p.id && f.Close() == nil
}

// flip changes one bit of one file and says which.
func (d *disk) flip(root string) (string, error) {
	names, err := files(d.mem, root)
	if err != nil || len(names) == 0 {
		return "", err
	}
	name := names[d.world.dice.n(len(names))]
	f, err := d.mem.OpenReadWrite(name)
	if err != nil {
		return "", err
	}
	size, err := f.Size()
	if err != nil || size == 0 {
		return "", errors.Join(err, f.Close())
	}
	at, b := int64(d.world.dice.n(int(size))), make([]byte, 1)
	if _, err := f.ReadAt(b, at); err != nil {
		return "", err
	}
	b[0] ^= 1 << d.world.dice.n(8)
	if _, err := f.WriteAt(b, at); err != nil {
		return "", err
	}
	return fmt.Sprintf("%s at %d", name, at), errors.Join(f.Sync(), f.Close())
}

// files lists the files below dir.
func files(fs vfs.FS, dir string) ([]string, error) {
	names, err := fs.List(dir)
	if err != nil {
		return nil, err
	}
	var all []string
	for _, name := range names {
		path := dir + "/" + name
		if f, err := fs.Open(path); err == nil {
			if err := f.Close(); err != nil {
				return nil, err
			}
			all = append(all, path)
			continue
		}
		below, err := files(fs, path)
		if err != nil {
			return nil, err
		}
		all = append(all, below...)
	}
	return all, nil
}

// diskFS notes which marked messages are written where, and which are durable.
type diskFS struct {
	vfs.FS
	disk *disk
}

func (d *diskFS) wrap(f vfs.File, err error, name string) (vfs.File, error) {
	if err != nil {
		return nil, err
	}
	return &diskFile{File: f, disk: d.disk, name: name}, nil
}

func (d *diskFS) Open(name string) (vfs.File, error) {
	f, err := d.FS.Open(name)
	return d.wrap(f, err, name)
}

func (d *diskFS) OpenReadWrite(name string) (vfs.File, error) {
	f, err := d.FS.OpenReadWrite(name)
	return d.wrap(f, err, name)
}

func (d *diskFS) Create(name string) (vfs.File, error) {
	f, err := d.FS.Create(name)
	return d.wrap(f, err, name)
}

type diskFile struct {
	vfs.File
	disk *disk
	name string
}

func (f *diskFile) WriteAt(p []byte, off int64) (int, error) {
	n, err := f.File.WriteAt(p, off)
	f.look(p[:n], off)
	return n, err
}

func (f *diskFile) WriteVecAt(parts [][]byte, off int64) error {
	if err := f.File.WriteVecAt(parts, off); err != nil {
		return err
	}
	for _, p := range parts {
		f.look(p, off)
		off += int64(len(p))
	}
	return nil
}

func (f *diskFile) look(p []byte, off int64) {
	f.disk.mu.Lock()
	defer f.disk.mu.Unlock()
	eachMark(p, func(id messageID, at int) {
		f.disk.written[f.name] = append(f.disk.written[f.name], place{id, off + int64(at)})
	})
}

func (f *diskFile) Sync() error {
	f.disk.mu.Lock()
	n, lies := len(f.disk.written[f.name]), f.disk.lies
	f.disk.mu.Unlock()
	if lies {
		return nil
	}
	if err := f.File.Sync(); err != nil {
		return err
	}
	f.disk.mu.Lock()
	defer f.disk.mu.Unlock()
	places := f.disk.written[f.name]
	for _, p := range places[:min(n, len(places))] {
		f.disk.durable[p.id] = true
	}
	f.disk.written[f.name] = places[min(n, len(places)):]
	return nil
}
