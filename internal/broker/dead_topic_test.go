package broker_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"weir/internal/broker"
	"weir/internal/record"
	"weir/internal/shard"
	"weir/internal/vfs"
)

const rejected = 60

// givingUp stores where a message stood.
func givingUp(o *broker.Options) {
	tiny(o)
	o.DeadTopicAs = 2
	o.DeadTopic = func(g *broker.GivenUp) (broker.Blob, error) {
		return broker.Blob{Dialect: 2, Count: 1, Timestamp: 1, Native: fmt.Appendf(nil, "%d", g.Offset)}, nil
	}
}

// TestMessagesGivenUpSurvivePowerCuts has a group reject messages one by one and
// cuts the power: each of them is still to be taken or is in the topic for what was
// given up, and those whose rejection was acknowledged are there.
func TestMessagesGivenUpSurvivePowerCuts(t *testing.T) {
	for seed := range uint64(seeds(t)) {
		t.Run(fmt.Sprint("seed", seed), func(t *testing.T) { givenUpCuts(t, seed) })
	}
}

func givenUpCuts(t *testing.T, seed uint64) {
	type cut struct {
		disk    *vfs.Mem
		decided int
	}
	rng := rand.New(rand.NewPCG(seed, 5))
	disk := vfs.NewMem()
	var mu sync.Mutex
	var cuts []cut
	var decided atomic.Int64
	var running atomic.Bool
	fs := vfs.Inject(disk, func(op vfs.Op) error {
		if !running.Load() || op.Kind != vfs.OpSync && op.Kind != vfs.OpRename {
			return nil
		}
		mu.Lock()
		defer mu.Unlock()
		if long() || rng.IntN(8) == 0 {
			c := cut{decided: int(decided.Load())}
			c.disk = disk.CrashClone(func() bool { return rng.IntN(2) == 0 })
			cuts = append(cuts, c)
		}
		return nil
	})
	n := start(t, fs, givingUp)
	s := n.session()
	if _, err := s.CreateTopic(broker.TopicSpec{Name: "t", Partitions: 1}); err != nil {
		t.Fatal(err)
	}
	takes := broker.TopicSpec{Name: "dead", Partitions: 1}
	takes.Settings.TakesDead = ptr(true)
	if _, err := s.CreateTopic(takes); err != nil {
		t.Fatal(err)
	}
	for i := range rejected / 3 {
		blob(t, s, "t", 0, i, 3)
	}
	if _, err := s.Share(broker.ShareSpec{Group: "g", Topic: "t", LeaseMillis: 1e6, Deliveries: 5, DeadTopic: "dead"}); err != nil {
		t.Fatal(err)
	}
	running.Store(true)
	h, got := takeAll(t, s)
	if len(got) != rejected {
		t.Fatalf("%d taken", len(got))
	}
	for i, o := range got {
		done := make(chan *broker.Error, 1)
		h.Decide([]broker.Decision{{Lo: o, Hi: o + 1, Outcome: broker.Reject}}, func(err *broker.Error) { done <- err })
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		decided.Store(int64(i) + 1)
	}
	running.Store(false)
	n.stop()
	t.Logf("%d cuts", len(cuts))
	for _, c := range cuts {
		checkGivenUp(t, c.disk, c.decided)
	}
	checkGivenUp(t, disk, rejected)
}

// takeAll takes all there is to be taken.
func takeAll(t *testing.T, s *broker.Session) (*broker.Sharing, []record.Offset) {
	t.Helper()
	h, err := s.Join("g", "t", 0)
	if err != nil {
		t.Fatal(err)
	}
	limits := broker.TakeLimits{TakeLimits: shard.TakeLimits{Messages: 1000, Bytes: 1 << 20, LeasedMax: 1000}}
	var all []record.Offset
	for {
		ds := s.Take([]*broker.Sharing{h}, limits)[0]
		if len(ds) == 0 {
			return h, all
		}
		for i := range ds {
			all = append(all, ds[i].Offset)
		}
	}
}

func checkGivenUp(t *testing.T, disk *vfs.Mem, decided int) {
	t.Helper()
	n := start(t, disk, givingUp)
	defer n.stop()
	s := n.session()
	_, left := takeAll(t, s)
	if len(left) > rejected-decided {
		t.Fatalf("%v are left, %d were decided about", left, decided)
	}
	dead := func() (all []string) {
		for at := record.Offset(0); ; {
			f := s.Fetch([]broker.FetchPart{{Topic: "dead", From: at, MaxBytes: 1 << 20}}, broker.FetchLimits{MaxBytes: 1 << 20})
			if len(f[0].Records) == 0 {
				return all
			}
			for _, rec := range f[0].Records {
				var e record.Envelope
				native, err := record.Decode(rec, &e)
				if err != nil {
					t.Fatal(err)
				}
				all, at = append(all, string(native)), at+1
			}
			broker.ReleaseFetched(f)
		}
	}
	eventually(t, "what was given up is in its topic", func() bool {
		there := dead()
		for o := range record.Offset(rejected) {
			if !slices.Contains(left, o) && !slices.Contains(there, fmt.Sprint(o)) {
				return false
			}
		}
		return true
	})
}
