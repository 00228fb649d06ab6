package broker_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"weir/internal/broker"
	"weir/internal/vfs"
)

// TestTransactionsSurvivePowerCutsWhole moves messages between queues of two
// shards and cuts the power before every sync.
func TestTransactionsSurvivePowerCutsWhole(t *testing.T) {
	for seed := range uint64(seeds(t)) {
		t.Run(fmt.Sprint("seed", seed), func(t *testing.T) { transactionCuts(t, seed) })
	}
}

const moved = 60

func transactionCuts(t *testing.T, seed uint64) {
	type cut struct {
		disk      *vfs.Mem
		committed int
	}
	rng := rand.New(rand.NewPCG(seed, 2))
	disk := vfs.NewMem()
	var mu sync.Mutex
	var cuts []cut
	var committed atomic.Int64
	var running atomic.Bool
	fs := vfs.Inject(disk, func(op vfs.Op) error {
		if !running.Load() || op.Kind != vfs.OpSync && op.Kind != vfs.OpRename {
			return nil
		}
		mu.Lock()
		defer mu.Unlock()
		if long() || rng.IntN(6) == 0 {
			c := cut{committed: int(committed.Load())}
			c.disk = disk.CrashClone(func() bool { return rng.IntN(2) == 0 })
			cuts = append(cuts, c)
		}
		return nil
	})
	n := start(t, fs, tiny)
	s := n.session()
	p := newPublisher(s)
	for i := range queuesUnderTest {
		declare(t, s, broker.QueueSpec{Name: queueName(i), Durable: true})
	}
	for i := range moved {
		p.send(t, "", queueName(0), string(message(0, i)))
	}
	p.wait()
	running.Store(true)
	in := newInbox()
	a, err := s.Attach(broker.AttachOptions{Queue: queueName(0), Credit: moved}, in)
	if err != nil {
		t.Fatal(err)
	}
	tx := s.Begin()
	for i, d := range in.take(t, moved) {
		for _, to := range []int{1, 2} {
			out := &broker.Outgoing{Key: []byte(queueName(to)), TTL: -1, Dialect: 1, Native: [3][]byte{nil, nil, message(to, i)}}
			if n, err := tx.Publish(out); err != nil || n != 1 {
				t.Fatal(n, err)
			}
		}
		tx.Settle(a, d.Offset, d.Offset+1, broker.Accept)
		if i%7 == 3 && i+1 < moved { // some have company
			continue
		}
		if err := tx.Commit(); err != nil {
			t.Fatal(err)
		}
		committed.Store(int64(i) + 1)
	}
	running.Store(false)
	n.stop()
	t.Logf("%d cuts", len(cuts))
	for _, c := range cuts {
		checkTransfer(t, c.disk, c.committed)
	}
	checkTransfer(t, disk, moved)
}

// checkTransfer starts a broker on the disk: every message is in the first queue
// or in both others, and where it is by what was committed.
func checkTransfer(t *testing.T, disk *vfs.Mem, committed int) {
	t.Helper()
	n := start(t, disk, tiny)
	defer n.stop()
	s := n.session()
	var got [queuesUnderTest][]int
	for i := range queuesUnderTest {
		for {
			p, ok, err := s.Pull(queueName(i), true)
			if err != nil {
				t.Fatal(err)
			}
			if !ok {
				break
			}
			number, bad := parse(i, body(p.Delivery))
			if bad != nil {
				t.Fatal(bad)
			}
			got[i] = append(got[i], number)
		}
	}
	if !slices.Equal(got[1], got[2]) {
		t.Fatalf("one target has %v, the other %v", got[1], got[2])
	}
	all := slices.Concat(got[1], got[0])
	for i := range moved {
		if len(all) != moved || all[i] != i {
			t.Fatalf("moved %v, left %v", got[1], got[0])
		}
	}
	if len(got[1]) < committed {
		t.Fatalf("%d committed, %d moved", committed, len(got[1]))
	}
}

func TestTransactionThatIsTooLargeIsRefused(t *testing.T) {
	n := start(t, vfs.NewMem())
	defer n.stop()
	s := n.session()
	declare(t, s, broker.QueueSpec{Name: "q", Durable: true})
	tx := s.Begin()
	out := &broker.Outgoing{Key: []byte("q"), TTL: -1, Dialect: 1, Native: [3][]byte{nil, nil, make([]byte, 1<<20)}}
	var err *broker.Error
	published := 0
	for ; err == nil; published++ {
		_, err = tx.Publish(out)
	}
	if err.Code != broker.CodeTooLarge || published < 60 {
		t.Fatal(published, err)
	}
	tx.Abort()
	if err := tx.Commit(); err != nil {
		t.Fatal(err)
	}
	if info, _, _ := s.DeclareQueue(broker.QueueSpec{Name: "q", Passive: true}); info.Ready != 0 {
		t.Fatalf("%d messages", info.Ready)
	}
}
