package broker_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"weir/internal/broker"
	"weir/internal/vfs"
)

// TestMisplacedFiles truncates, deletes and zeroes each file of a stopped broker,
// and swaps it with every other one of its kind, of its own shard and of others. A
// start either is refused, or the process ends, or all that was confirmed is
// served as it was. Left out is the end of the log: nobody else knows how far it
// went.
func TestMisplacedFiles(t *testing.T) {
	disk := vfs.NewMem()
	n := start(t, disk, tiny)
	var h history
	work(t, n, &h, 400)
	n.stop()
	names := files(t, disk, "data")
	outcomes := map[string]int{}
	segments := 0
	for i, name := range names {
		if strings.Contains(name, "segments") {
			segments++
		}
		if kind(name) == "wal" && (i+2 >= len(names) || kind(names[i+2]) != "wal") {
			continue // it, or the one before it, is the last with something in it
		}
		for what, change := range map[string]func(fs *vfs.Mem) error{
			"deleted":   func(fs *vfs.Mem) error { return fs.Remove(name) },
			"emptied":   func(fs *vfs.Mem) error { return resize(fs, name, 0, 1) },
			"halved":    func(fs *vfs.Mem) error { return resize(fs, name, 1, 2) },
			"cut short": func(fs *vfs.Mem) error { return resize(fs, name, 99, 100) },
			"zeroed":    func(fs *vfs.Mem) error { return replace(fs, name, make([]byte, len(contents(fs, name)))) },
		} {
			outcomes[misplaced(t, disk, name+" "+what, change, &h)]++
		}
		for _, other := range names[i+1:] {
			if kind(other) == kind(name) {
				swap := func(fs *vfs.Mem) error {
					a, b := contents(fs, name), contents(fs, other)
					return errors.Join(replace(fs, name, b), replace(fs, other, a))
				}
				outcomes["swapped: "+misplaced(t, disk, name+" swapped with "+other, swap, &h)]++
			}
		}
		if t.Failed() {
			return
		}
	}
	t.Logf("%d files, %d of them segments: %v", len(names), segments, outcomes)
	if segments < 4 || outcomes["swapped: refused"] == 0 {
		t.Error("there was too little to mix up")
	}
}

// kind is what a file's name says besides its number.
func kind(name string) string { return name[strings.LastIndexByte(name, '.')+1:] }

func resize(fs *vfs.Mem, name string, part, of int64) error {
	f, err := fs.OpenReadWrite(name)
	if err != nil {
		return err
	}
	size, err := f.Size()
	if err != nil {
		return err
	}
	return errors.Join(f.Truncate(size*part/of), f.Close())
}

func contents(fs *vfs.Mem, name string) []byte {
	f, err := fs.Open(name)
	if err != nil {
		return nil
	}
	size, _ := f.Size()
	b := make([]byte, size)
	_, _ = f.ReadAt(b, 0)
	return b
}

func replace(fs *vfs.Mem, name string, b []byte) error {
	f, err := fs.OpenReadWrite(name)
	if err != nil {
		return err
	}
	_, err = f.WriteAt(b, 0)
	return errors.Join(err, f.Truncate(int64(len(b))), f.Close())
}

// misplaced says what becomes of a changed directory.
func misplaced(t *testing.T, disk *vfs.Mem, what string, change func(fs *vfs.Mem) error, h *history) string {
	t.Helper()
	clone := disk.CrashClone(func() bool { return true })
	if err := change(clone); err != nil {
		t.Fatalf("%s: %v", what, err)
	}
	end := &fatality{c: make(chan struct{})}
	o := broker.Options{FS: clone, Dir: "data", Fatal: end.fatal}
	tiny(&o)
	before := len(files(t, clone, "data"))
	n, err := broker.Open(o)
	if err != nil {
		if after := len(files(t, clone, "data")); after < before {
			t.Errorf("%s: of %d files %d are left after the start was refused", what, before, after)
		}
		return "refused"
	}
	defer func() { go n.Close() }()
	checked := make(chan struct{})
	go func() {
		defer close(checked)
		checkIntact(t, &node{n, t}, what, h, end.c)
	}()
	select {
	case <-end.c:
		return "ended"
	case <-checked:
		return "intact"
	case <-time.After(20 * time.Second):
		t.Errorf("%s: neither served nor ended", what)
		return "stuck"
	}
}
