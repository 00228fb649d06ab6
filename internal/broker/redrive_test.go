package broker_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"weir/internal/broker"
	"weir/internal/vfs"
)

// home moves messages of queue 0 to queue 1, in which they have other bodies.
func home(t *testing.T) func(d *broker.Delivery) *broker.Outgoing {
	return func(d *broker.Delivery) *broker.Outgoing {
		number, err := parse(0, body(*d))
		if err != nil {
			t.Error(err)
		}
		return &broker.Outgoing{Key: []byte(queueName(1)), TTL: -1, Dialect: 1, Native: [3][]byte{nil, nil, message(1, number)}}
	}
}

func ignore(*broker.Delivery, *broker.Outgoing, broker.Moved) {}

// TestRedriveSurvivesPowerCutsWhole cuts the power while messages move: each is in
// one of the two queues then, and in order.
func TestRedriveSurvivesPowerCutsWhole(t *testing.T) {
	for seed := range uint64(seeds(t)) {
		t.Run(fmt.Sprint("seed", seed), func(t *testing.T) { redriveCuts(t, seed) })
	}
}

func redriveCuts(t *testing.T, seed uint64) {
	rng := rand.New(rand.NewPCG(seed, 3))
	disk := vfs.NewMem()
	var mu sync.Mutex
	var cuts []*vfs.Mem
	var running atomic.Bool
	fs := vfs.Inject(disk, func(op vfs.Op) error {
		if running.Load() && (op.Kind == vfs.OpSync || op.Kind == vfs.OpRename) {
			mu.Lock()
			defer mu.Unlock()
			cuts = append(cuts, disk.CrashClone(func() bool { return rng.IntN(2) == 0 }))
		}
		return nil
	})
	n := start(t, fs, tiny)
	s := n.session()
	p := newPublisher(s)
	for i := range 2 { // on a shard each
		declare(t, s, broker.QueueSpec{Name: queueName(i), Durable: true})
	}
	for i := range moved {
		p.send(t, "", queueName(0), string(message(0, i)))
	}
	p.wait()
	running.Store(true)
	done, err := s.Redrive(t.Context(), &broker.Redrive{Queue: queueName(0), Rate: 1e6, Plan: home(t), Report: ignore})
	if err != nil || done.Moved != moved {
		t.Fatalf("%+v %v", done, err)
	}
	running.Store(false)
	n.stop()
	t.Logf("%d cuts", len(cuts))
	for _, disk := range append(cuts, disk) {
		checkMoved(t, disk)
	}
}

func checkMoved(t *testing.T, disk *vfs.Mem) {
	t.Helper()
	n := start(t, disk, tiny)
	defer n.stop()
	got := [2][]int{numbers(t, n.session(), 0), numbers(t, n.session(), 1)}
	all := slices.Concat(got[1], got[0])
	for i := range moved {
		if len(all) != moved || all[i] != i {
			t.Fatalf("moved %v, left %v", got[1], got[0])
		}
	}
}

// numbers takes all messages of a queue.
func numbers(t *testing.T, s *broker.Session, queue int) []int {
	t.Helper()
	var got []int
	for {
		p, ok, err := s.Pull(queueName(queue), true)
		if err != nil {
			t.Fatal(err)
		}
		if !ok {
			return got
		}
		number, bad := parse(queue, body(p.Delivery))
		if bad != nil {
			t.Fatal(bad)
		}
		got = append(got, number)
	}
}

func redriveScene(t *testing.T, messages int, spec broker.QueueSpec) (*broker.Session, *broker.Session) {
	t.Helper()
	n := start(t, vfs.NewMem())
	t.Cleanup(n.stop)
	s := n.session()
	p := newPublisher(s)
	for i := range 2 {
		spec.Name, spec.Durable = queueName(i), true
		declare(t, s, spec)
	}
	for i := range messages {
		p.send(t, "", queueName(0), string(message(0, i)))
	}
	p.wait()
	return s, n.session()
}

// A message that a consumer takes between the look and the move is the consumer's.
func TestRedriveLosesTheRaceWell(t *testing.T) {
	s, other := redriveScene(t, 4, broker.QueueSpec{})
	plan, pulled := home(t), 0
	fates := map[broker.Moved]int{}
	done, err := s.Redrive(t.Context(), &broker.Redrive{
		Queue: queueName(0),
		Plan: func(d *broker.Delivery) *broker.Outgoing {
			if pulled++; pulled == 2 { // it gets message 0, which was looked at already
				if _, ok, err := other.Pull(queueName(0), true); !ok || err != nil {
					t.Error(ok, err)
				}
			}
			return plan(d)
		},
		Report: func(_ *broker.Delivery, _ *broker.Outgoing, what broker.Moved) { fates[what]++ },
	})
	if err != nil || done != (broker.Redriven{Looked: 4, Moved: 3, Taken: 1}) || fates[broker.MovedTaken] != 1 {
		t.Errorf("%+v %v %v", done, err, fates)
	}
	if got := fmt.Sprint(numbers(t, other, 1), numbers(t, other, 0)); got != "[1 2 3] []" {
		t.Error(got)
	}
}

func TestRedriveFillsAQueueAndStops(t *testing.T) {
	s, other := redriveScene(t, 9, broker.QueueSpec{Settings: broker.Settings{}})
	overflow := broker.OverflowReject
	declare(t, s, broker.QueueSpec{Name: "small", Durable: true, Settings: broker.Settings{MaxLength: ptr(int64(5)), Overflow: &overflow}})
	done, err := s.Redrive(t.Context(), &broker.Redrive{
		Queue: queueName(0), Report: ignore,
		Plan: func(d *broker.Delivery) *broker.Outgoing {
			return &broker.Outgoing{Key: []byte("small"), TTL: -1, Dialect: 1, Native: [3][]byte{nil, nil, []byte(body(*d))}}
		},
	})
	if err == nil || err.Code != broker.CodeFull || done.Moved != 5 {
		t.Errorf("%+v %v", done, err)
	}
	if p, _, err := other.Pull(queueName(0), true); err != nil || p.Delivery.Redelivered || p.Delivery.Count != 0 {
		t.Errorf("what could not move was touched: %+v %v", p, err)
	}
	if got := fmt.Sprint(numbers(t, other, 0)); got != "[6 7 8]" {
		t.Error(got)
	}
}

func TestRedriveEndsWithItsContext(t *testing.T) {
	s, other := redriveScene(t, 300, broker.QueueSpec{})
	ctx, cancel := context.WithCancel(t.Context())
	plan, n := home(t), 0
	done, err := s.Redrive(ctx, &broker.Redrive{Queue: queueName(0), Report: ignore, Plan: func(d *broker.Delivery) *broker.Outgoing {
		if n++; n == 100 {
			cancel()
		}
		return plan(d)
	}})
	if err != nil || done.Moved < 100 || done.Moved > 200 {
		t.Errorf("%+v %v", done, err)
	}
	if a, b := numbers(t, other, 1), numbers(t, other, 0); len(a) != int(done.Moved) || len(a)+len(b) != 300 {
		t.Errorf("moved %d, left %d", len(a), len(b))
	}
}

// Messages that are moved to the queue they are in are moved once.
func TestRedriveLeavesWhatComesInAlone(t *testing.T) {
	s, other := redriveScene(t, 5, broker.QueueSpec{})
	done, err := s.Redrive(t.Context(), &broker.Redrive{Queue: queueName(0), Report: ignore, Plan: func(d *broker.Delivery) *broker.Outgoing {
		return &broker.Outgoing{Key: []byte(queueName(0)), TTL: -1, Dialect: 1, Native: [3][]byte{nil, nil, []byte(body(*d))}}
	}})
	if err != nil || done.Moved != 5 {
		t.Errorf("%+v %v", done, err)
	}
	if got := fmt.Sprint(numbers(t, other, 0)); got != "[0 1 2 3 4]" {
		t.Error(got)
	}
}
