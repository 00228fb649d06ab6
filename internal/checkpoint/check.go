package checkpoint

import (
	"errors"
	"fmt"
	"io"

	"weir/internal/vfs"
)

// Verify reads every file of a state that nobody has open and changes nothing.
func Verify(fs vfs.FS, dir string) error {
	c, err := readCatalog(fs, dir)
	if err != nil {
		return err
	}
	_, err = load(fs, c.chain(), func(uint8, []byte, []byte) error { return nil })
	return err
}

// Dump prints every file of a state that nobody has open, entry by entry.
func Dump(fs vfs.FS, dir string, w io.Writer) error {
	c, err := readCatalog(fs, dir)
	if err != nil {
		return err
	}
	for _, name := range c.stale {
		if _, err := fmt.Fprintf(w, "stale %s\n", name); err != nil {
			return err
		}
	}
	for _, f := range c.chain() {
		if err := dumpFile(fs, f, w); err != nil {
			return err
		}
	}
	return nil
}

func dumpFile(fs vfs.FS, f fileInfo, w io.Writer) (err error) {
	c, err := openCursor(fs, f.name, f.number)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.close()) }()
	m := &c.meta
	if _, err := fmt.Fprintf(w, "file %s shard %d incarnation %d index %d term %d vote %d configuration %x\n",
		c.name, m.Shard, m.Incarnation, m.Index, m.Term, m.Vote, m.ConfState); err != nil {
		return err
	}
	for {
		if err := c.next(); err != nil {
			return err
		}
		if c.done {
			_, err := fmt.Fprintf(w, "end %d puts %d deletes\n", c.puts, c.deletes)
			return err
		}
		verb := "put"
		if c.op == opDelete {
			verb = "delete"
		}
		if _, err := fmt.Fprintf(w, "%d %s %q %d bytes\n", c.frame, verb, c.key, len(c.value)); err != nil {
			return err
		}
	}
}
