package replica_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"

	"weir/internal/record"
	"weir/internal/replica"
	"weir/internal/vfs"
	"weir/internal/wal"
)

const poison = "an entry of poison"

// delicate is a machine that one entry is too much for.
type delicate struct{ journal }

func (d *delicate) Apply(e replica.Entry) {
	if string(e.Data) == poison {
		panic("broken invariant")
	}
	d.journal.Apply(e)
}

// replay applies a log and says what panic that ended in.
func replay(t *testing.T, fs vfs.FS, log *slog.Logger, skip ...record.Index) (applied []string, reason any) {
	t.Helper()
	var records []wal.Record
	w, err := wal.Open(wal.Options{FS: fs, Dir: "wal", FileBytes: 64 << 10}, func(r wal.Record) error {
		r.Payload = slices.Clone(r.Payload)
		records = append(records, r)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
	}()
	m := &delicate{}
	wake := make(chan struct{}, 1)
	g, err := replica.Open(replica.Config{
		Shard: shard, Incarnation: 1, NodeID: 1, WAL: w, Machine: m, Entries: records, Log: log, Skip: skip,
		Wake: func() {
			select {
			case wake <- struct{}{}:
			default:
			}
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		applied, reason = m.applied, recover()
	}()
	if err := g.Campaign(); err != nil {
		t.Fatal(err)
	}
	for g.Process(); !g.Leading(); g.Process() {
		<-wake
		g.Step()
	}
	return nil, nil
}

// TestEntryThatCannotBeApplied has an entry in the log that its machine cannot
// apply: each start ends with it and names it, and one that skips it goes on.
func TestEntryThatCannotBeApplied(t *testing.T) {
	disk := vfs.NewMem()
	n := open(t, disk, nil, nil)
	n.until(t, n.Leading)
	for _, data := range []string{"before the poison", poison, "behind the poison"} {
		if err := n.Propose([]byte(data)); err != nil {
			t.Fatal(err)
		}
	}
	n.until(t, func() bool { return len(n.applied) == 3 })
	at := n.Applied() - 1
	if err := n.wal.Close(); err != nil {
		t.Fatal(err)
	}
	var said bytes.Buffer
	log := slog.New(slog.NewTextHandler(&said, nil))
	for range 2 {
		said.Reset()
		applied, reason := replay(t, disk, log)
		if reason != "broken invariant" || len(applied) != 1 || !strings.Contains(said.String(), "skip=3/"+fmt.Sprint(at)) {
			t.Fatalf("%v after %q, saying %s", reason, applied, said.String())
		}
	}
	applied, reason := replay(t, disk, log, at)
	if reason != nil || !slices.Equal(applied, []string{"before the poison", "behind the poison"}) {
		t.Fatalf("%v after %q", reason, applied)
	}
}
