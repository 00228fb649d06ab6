package replica_test

import (
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"testing"
	"time"

	"weir/internal/record"
	"weir/internal/replica"
	"weir/internal/vfs"
	"weir/internal/wal"
)

const shard record.ShardID = 3

// journal is a machine that remembers what it applied.
type journal struct{ applied []string }

func (j *journal) Apply(e replica.Entry) { j.applied = append(j.applied, string(e.Data)) }

// node is one group on a log.
type node struct {
	*replica.Group
	journal
	wal  *wal.WAL
	wake chan struct{}
}

func open(t *testing.T, fs vfs.FS, keep func(n int) bool, fatal func(error)) *node {
	t.Helper()
	n := &node{wake: make(chan struct{}, 1)}
	var records []wal.Record
	var err error
	n.wal, err = wal.Open(wal.Options{FS: fs, Dir: "wal", FileBytes: 64 << 10, Fatal: fatal}, func(r wal.Record) error {
		if keep == nil || keep(len(records)) {
			r.Payload = slices.Clone(r.Payload)
			records = append(records, r)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	n.Group, err = replica.Open(replica.Config{
		Shard: shard, Incarnation: 1, NodeID: 1, WAL: n.wal, Machine: &n.journal, Entries: records,
		Wake: func() {
			select {
			case n.wake <- struct{}{}:
			default:
			}
		}, Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := n.Campaign(); err != nil {
		t.Fatal(err)
	}
	return n
}

// until runs the group until done.
func (n *node) until(t *testing.T, done func() bool) {
	t.Helper()
	late := time.After(10 * time.Second)
	for {
		n.Step()
		n.Process()
		if done() {
			return
		}
		select {
		case <-n.wake:
		case <-late:
			t.Fatal("no progress")
		}
	}
}

func (n *node) propose(t *testing.T, lo, hi int) {
	t.Helper()
	n.until(t, n.Leading)
	for i := lo; i < hi; i++ {
		if err := n.Propose([]byte(fmt.Sprintf("proposal %04d", i))); err != nil {
			t.Fatal(err)
		}
		n.Step()
		n.Process()
	}
}

func inOrder(t *testing.T, applied []string, n int) {
	t.Helper()
	if len(applied) != n {
		t.Fatalf("%d applied, not %d", len(applied), n)
	}
	for i, s := range applied {
		if s != fmt.Sprintf("proposal %04d", i) {
			t.Fatalf("%q applied at %d", s, i)
		}
	}
}

// TestRestartAtEveryPrefix opens the group on every prefix of its log: it leads
// again, in a later term, and has applied the same entries in order.
func TestRestartAtEveryPrefix(t *testing.T) {
	disk := vfs.NewMem()
	const proposals = 20
	n := open(t, disk, nil, nil)
	n.propose(t, 0, proposals)
	n.until(t, func() bool { return len(n.applied) == proposals })
	term := n.Term()
	if err := n.wal.Close(); err != nil {
		t.Fatal(err)
	}
	last := -1
	for prefix := 0; last < proposals; prefix++ {
		clone := disk.CrashClone(func() bool { return true })
		n := open(t, clone, func(i int) bool { return i < prefix }, nil)
		n.until(t, n.Leading)
		if len(n.applied) < last {
			t.Fatalf("prefix %d has %d entries, a shorter one had %d", prefix, len(n.applied), last)
		}
		last = len(n.applied)
		inOrder(t, n.applied, last)
		if prefix > 2 && n.Term() <= term {
			t.Fatalf("prefix %d: term %d again", prefix, n.Term())
		}
		if err := n.wal.Close(); err != nil {
			t.Fatal(err)
		}
		if prefix > 3*proposals {
			t.Fatalf("only %d entries in the log", last)
		}
	}
}

// TestFullLogStallsInOrder runs out of room: nothing is applied beyond it, and a
// Retry applies everything in order once there is room.
func TestFullLogStallsInOrder(t *testing.T) {
	disk := vfs.NewMem()
	n := open(t, disk, nil, func(err error) { t.Errorf("fatal: %v", err) })
	n.until(t, n.Leading)
	disk.SetFreeLimit(0)
	big := make([]byte, 4<<10)
	const proposals = 60
	for i := range proposals {
		b := append(binary.BigEndian.AppendUint64(nil, uint64(i)), big...)
		if err := n.Propose(b); err != nil {
			t.Fatal(err)
		}
		n.Step()
		n.Process()
	}
	n.until(t, n.Stalled)
	before := len(n.applied)
	if before == proposals {
		t.Fatal("everything fitted")
	}
	disk.SetFreeLimit(-1)
	n.until(t, func() bool {
		n.Retry()
		if n.Stalled() {
			time.AfterFunc(time.Millisecond, func() { n.wake <- struct{}{} })
		}
		return len(n.applied) == proposals
	})
	for i, s := range n.applied {
		if binary.BigEndian.Uint64([]byte(s)) != uint64(i) {
			t.Fatalf("%d applied at %d", binary.BigEndian.Uint64([]byte(s)), i)
		}
	}
	if err := n.wal.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestNothingIsAppliedAfterAFailedSync lets a sync fail.
func TestNothingIsAppliedAfterAFailedSync(t *testing.T) {
	disk := vfs.NewMem()
	broken := make(chan struct{})
	fs := vfs.Inject(disk, func(op vfs.Op) error {
		select {
		case <-broken:
			if op.Kind == vfs.OpSync {
				return errors.New("input/output error")
			}
		default:
		}
		return nil
	})
	fatal := make(chan error, 1)
	n := open(t, fs, nil, func(err error) {
		select {
		case fatal <- err:
		default:
		}
	})
	n.propose(t, 0, 5)
	n.until(t, func() bool { return len(n.applied) == 5 })
	close(broken)
	n.propose(t, 5, 10)
	select {
	case <-fatal:
	case <-time.After(10 * time.Second):
		t.Fatal("the process goes on")
	}
	for range 10 {
		n.Step()
		n.Process()
		time.Sleep(time.Millisecond)
	}
	inOrder(t, n.applied, 5)
}

func TestVolatileAppliesInOrder(t *testing.T) {
	var j journal
	v := replica.NewVolatile(&j)
	for i := range 10 {
		if err := v.Propose([]byte(fmt.Sprintf("proposal %04d", i))); err != nil {
			t.Fatal(err)
		}
	}
	v.Process()
	inOrder(t, j.applied, 10)
	if v.Applied() != 10 || v.Busy() {
		t.Fatal(v.Applied(), v.Busy())
	}
}
