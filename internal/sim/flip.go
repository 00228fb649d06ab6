package sim

import (
	"errors"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"weir/internal/vfs"
)

// flipBit ends the process, changes a bit of the disk and lets the node start in
// private: it has to refuse, or to know everything it knew. Then the bit is put
// right and the node starts for everybody.
func flipBit(w *World, n *Node) func() {
	n.kill()
	damaged := newDisk(w)
	damaged.mem = n.disk.mem.CrashClone(func() bool { return true })
	where, err := damaged.flip(dataDir)
	if err != nil {
		w.violated("world", "no bit can be changed: %v", err)
	}
	w.note(n.name, "a bit of %s changes", where)
	w.tryDamaged(n, damaged)
	w.note(n.name, "the bit is put right")
	n.start()
	return nil
}

// tryDamaged starts a life that counts for nothing on a damaged disk.
func (w *World) tryDamaged(n *Node, damaged *disk) {
	network := newNetwork(w.dice)
	l := newLife(n, 0)
	l.private = true
	started := make(chan error, 1)
	go func() {
		_, err := n.launch(l, damaged, network, nil)
		started <- err
	}()
	defer func() {
		if l.end() {
			network.abandon(l, true)
		}
	}()
	select {
	case err := <-started:
		switch {
		case errors.Is(err, vfs.ErrCorrupt):
			w.note(n.name, "refuses: %v", err)
			return
		case err != nil:
			w.violated(n.name, "starts neither nor says what is damaged: %v", err)
			return
		}
	case <-time.After(patience):
		if !l.over() {
			w.violated(n.name, "neither starts nor refuses")
		}
		return
	}
	p := w.program("prober")
	p.net = network
	found := map[messageID]bool{}
	err := p.readAll("events", func(r *kgo.Record) {
		id, err := identify(r.Value)
		if err != nil {
			w.violated(n.name, "serves events/%d offset %d: %v", r.Partition, r.Offset, err)
			return
		}
		w.book.locate("prober", id, "events", r.Partition, r.Offset)
		found[id] = true
	})
	if err != nil || l.over() {
		w.note(n.name, "does not serve what is damaged: %v", err)
		return
	}
	for _, e := range w.book.of("events") {
		if e.fate == confirmed && !found[e.id] {
			w.violated(n.name, "does not know message %d, and does not say so", e.id)
		}
	}
	w.note(n.name, "serves all %d messages all the same", len(found))
}
