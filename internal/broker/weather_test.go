package broker_test

import (
	"fmt"
	"math"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"weir/internal/broker"
	"weir/internal/clock"
	"weir/internal/vfs"
)

// TestSyncStall has the disk stand still in the middle of a sync. Publishers wait,
// nothing is confirmed or delivered that is not synced, reads go on; afterwards all
// is confirmed, and what was confirmed survives a power cut.
func TestSyncStall(t *testing.T) {
	disk := vfs.NewMem()
	var stall atomic.Bool
	stalled, release := make(chan struct{}), make(chan struct{})
	var once sync.Once
	fs := vfs.Inject(disk, func(op vfs.Op) error {
		if op.Kind == vfs.OpSync && strings.Contains(op.Name, "wal") && stall.Load() {
			once.Do(func() { close(stalled) })
			<-release
		}
		return nil
	})
	n := start(t, fs, tiny)
	s := n.session()
	for _, q := range []string{"before", "during"} {
		declare(t, s, broker.QueueSpec{Name: q, Durable: true})
	}
	p := newPublisher(s)
	for i := range 20 {
		p.send(t, "", "before", fmt.Sprint(i))
	}
	p.send(t, "", "during", "first")
	p.wait()
	stall.Store(true)
	for i := range 20 {
		p.send(t, "", "during", fmt.Sprint(i))
	}
	s.Flush()
	<-stalled
	if got, _, err := n.session().Read("before", broker.Position{}, 100); err != nil || len(got) != 20 {
		t.Errorf("%d messages, %v", len(got), err)
	}
	if got, _, err := n.session().Read("during", broker.Position{}, 100); err != nil || len(got) != 1 {
		t.Errorf("%d messages are there before they are synced, %v", len(got), err)
	}
	p.mu.Lock()
	confirmed := p.last
	p.mu.Unlock()
	if confirmed != 21 {
		t.Errorf("%d are confirmed before they are synced", confirmed)
	}
	stall.Store(false)
	close(release)
	p.wait()
	n.stop()
	n = start(t, disk.CrashClone(func() bool { return false }), tiny)
	defer n.stop()
	if got, want := drain(t, n.session(), "during"), "first 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 "; got != want {
		t.Errorf("after a power cut: %q", got)
	}
}

// wandering is a clock whose wall time jumps. What waits for a time to pass waits
// for real.
type wandering struct {
	clock.Clock
	by atomic.Int64 // ms
}

func (w *wandering) Now() time.Time {
	return w.Clock.Now().Add(time.Duration(w.by.Load()) * time.Millisecond)
}
func (w *wandering) Millis() int64 { return w.Clock.Millis() + w.by.Load() }

// TestWallClockJumps moves the clock by an hour, a day and a century, back and
// forth, while messages are published, consumed and kept over restarts: none is
// lost, doubled or out of order. An expiry is an instant: a jump over it reaches it.
func TestWallClockJumps(t *testing.T) {
	const hour = int64(time.Hour / time.Millisecond)
	disk := vfs.NewMem()
	c := &wandering{Clock: clock.System()}
	with := func(o *broker.Options) {
		tiny(o)
		o.Clock = c
	}
	n := start(t, disk, with)
	declare(t, n.session(), broker.QueueSpec{Name: "q", Durable: true})
	declare(t, n.session(), broker.QueueSpec{Name: "kept", Durable: true})
	sent, got := 0, 0
	for turn, by := range []int64{0, hour, -hour, 24 * hour, -24 * hour, 24 * 365 * 100 * hour, -24 * 365 * 30 * hour, 0} {
		c.by.Store(by)
		s := n.session()
		p := newPublisher(s)
		for range 100 {
			p.send(t, "", "q", fmt.Sprint(sent))
			p.send(t, "", "kept", fmt.Sprint(sent))
			sent++
		}
		p.wait()
		for range 70 {
			d, ok, err := s.Pull("q", true)
			if err != nil || !ok || body(d.Delivery) != fmt.Sprint(got) {
				t.Fatalf("turn %d: %v, %v where %d was due", turn, d, err, got)
			}
			got++
		}
		if turn%2 == 1 {
			n.stop()
			n = start(t, disk, with)
		}
	}
	defer func() { n.stop() }()
	s := n.session()
	for _, rest := range strings.Fields(drain(t, s, "q")) {
		if rest != fmt.Sprint(got) {
			t.Fatalf("%s where %d was due", rest, got)
		}
		got++
	}
	if kept := strings.Fields(drain(t, s, "kept")); got != sent || len(kept) != sent || kept[sent-1] != fmt.Sprint(sent-1) {
		t.Fatalf("%d received, %d kept of %d", got, len(kept), sent)
	}
	p := newPublisher(s)
	p.send(t, "", "q", "short", func(m *broker.Outgoing) { m.TTL = 10 * hour })
	p.send(t, "", "q", "long", func(m *broker.Outgoing) { m.TTL = math.MaxInt64 })
	p.wait()
	c.by.Store(11 * hour)
	if got := drain(t, s, "q"); got != "long " {
		t.Errorf("behind the expiry: %q", got)
	}
}

// TestBusyQueueLeavesRoom publishes to one queue as fast as it can, with others
// beside it in the same shard: their messages get through in no time.
func TestBusyQueueLeavesRoom(t *testing.T) {
	n := start(t, vfs.NewMem(), func(o *broker.Options) { o.Shards = 1 })
	defer n.stop()
	s := n.session()
	for _, q := range []string{"busy", "calm"} {
		declare(t, s, broker.QueueSpec{Name: q, Durable: true})
	}
	stop, stopped := make(chan struct{}), make(chan struct{})
	var flooded atomic.Int64
	go func() {
		defer close(stopped)
		p := newPublisher(n.session())
		for {
			select {
			case <-stop:
				return
			default:
			}
			for range 500 {
				p.send(t, "", "busy", strings.Repeat("x", 1000))
			}
			p.wait()
			flooded.Add(500)
		}
	}()
	eventually(t, "the flood", func() bool { return flooded.Load() > 5000 })
	in := newInbox()
	if _, err := n.session().Attach(broker.AttachOptions{Queue: "calm", Credit: 1 << 30}, in); err != nil {
		t.Fatal(err)
	}
	p := newPublisher(s)
	slowest := time.Duration(0)
	for i := range 200 {
		begun := time.Now()
		p.send(t, "", "calm", fmt.Sprint(i))
		p.wait()
		in.take(t, i+1)
		slowest = max(slowest, time.Since(begun))
	}
	close(stop)
	<-stopped
	if slowest > 2*time.Second {
		t.Errorf("a message of the calm queue took %v, with %d in the busy one", slowest, flooded.Load())
	}
	t.Logf("slowest of 200: %v beside %d", slowest, flooded.Load())
}
