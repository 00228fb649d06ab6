package broker_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"weir/internal/broker"
	"weir/internal/record"
	"weir/internal/vfs"
)

// scene is the disk as a power cut would leave it, and what clients had been
// promised by then.
type scene struct {
	disk      *vfs.Mem
	what      string
	confirmed [queuesUnderTest]int // messages confirmed per queue, from 0
	settled   [queuesUnderTest]int // acks sent, from 0: these may be gone
}

const (
	queuesUnderTest = 3
	streamUnderTest = 2 // the last of them
)

// history is what a workload knows of its messages.
type history struct {
	confirmed [queuesUnderTest]atomic.Int64
	settled   [queuesUnderTest]atomic.Int64
	published [queuesUnderTest]atomic.Int64
}

// tiny makes files, budgets and checkpoints small, so that a short run goes
// through every stage of storage.
func tiny(o *broker.Options) {
	o.WALFileBytes = 64 << 10
	o.TailBytes = 48 << 10
	o.Shards = 2
}

// TestPowerCutAtEverySyncPoint cuts the power before every operation that makes
// something durable, keeping a random part of what was not durable yet, and
// starts a broker on what is left.
func TestPowerCutAtEverySyncPoint(t *testing.T) {
	for seed := range uint64(seeds(t)) {
		t.Run(fmt.Sprint("seed", seed), func(t *testing.T) { powerCuts(t, seed) })
	}
}

func seeds(t *testing.T) int {
	t.Helper()
	if long() {
		return 12
	}
	return 2
}

func powerCuts(t *testing.T, seed uint64) {
	rng := rand.New(rand.NewPCG(seed, 1))
	disk := vfs.NewMem()
	var h history
	var mu sync.Mutex
	var scenes []scene
	points := 0
	fs := vfs.Inject(disk, func(op vfs.Op) error {
		if op.Kind != vfs.OpSync && op.Kind != vfs.OpRename && op.Kind != vfs.OpSyncDir && op.Kind != vfs.OpRemove {
			return nil
		}
		mu.Lock()
		defer mu.Unlock()
		points++
		if !long() && rng.IntN(4) != 0 {
			return nil
		}
		if op.Kind == vfs.OpSync && rng.IntN(8) != 0 {
			return nil // most are of the log; a sample of those is enough
		}
		s := scene{what: fmt.Sprint(op.Kind, " ", op.Name, " at point ", points)}
		for i := range queuesUnderTest {
			s.confirmed[i] = int(h.confirmed[i].Load())
		}
		s.disk = disk.CrashClone(func() bool { return rng.IntN(2) == 0 })
		for i := range queuesUnderTest {
			s.settled[i] = int(h.settled[i].Load())
		}
		scenes = append(scenes, s)
		return nil
	})
	n := start(t, fs, tiny)
	work(t, n, &h, 1500)
	n.stop()
	mu.Lock()
	defer mu.Unlock()
	for i := range scenes {
		checkScene(t, &scenes[i])
		if t.Failed() {
			return
		}
	}
	t.Logf("%d scenes of %d points", len(scenes), points)
}

// work publishes to every queue and consumes all but the last one slowly.
func work(t *testing.T, n *node, h *history, messages int) {
	s, c := n.session(), n.session()
	var publishers [queuesUnderTest]*broker.Publisher
	var wait [queuesUnderTest]chan struct{}
	for i := range queuesUnderTest {
		spec := broker.QueueSpec{Name: queueName(i), Durable: true}
		if i == streamUnderTest {
			spec.Settings.Stream = ptr(true)
		}
		declare(t, s, spec)
		wait[i] = make(chan struct{}, messages)
		publishers[i] = s.Publisher(func(done broker.Completion) {
			h.confirmed[i].Store(int64(done.Last))
			wait[i] <- struct{}{}
		})
	}
	in := newInbox()
	a, err := c.Attach(broker.AttachOptions{Queue: queueName(0), Credit: 1 << 40}, in)
	if err != nil {
		t.Fatal(err)
	}
	for m := 0; m < messages; m += 10 {
		for i, p := range publishers {
			for k := range 10 {
				h.published[i].Add(1)
				out := &broker.Outgoing{Key: []byte(queueName(i)), TTL: -1, Dialect: 1, Native: [3][]byte{nil, nil, message(i, m+k)}}
				if _, err := p.Publish(out); err != nil {
					t.Fatal(err)
				}
			}
		}
		s.Flush()
		for i := range wait {
			<-wait[i]
		}
		got := in.take(t, m+10)
		h.settled[0].Store(int64(m + 5))
		a.Settle(got[max(m-5, 0)].Offset, got[m+5].Offset, broker.Accept)
		c.Sent(1 << 10)
		c.Flush()
	}
}

func queueName(i int) string { return "q" + strconv.Itoa(i) }

func message(queue, i int) []byte {
	return []byte(fmt.Sprintf("%d:%d:%s", queue, i, strings.Repeat("x", 20+i%300)))
}

// checkScene starts a broker on the disk and compares.
func checkScene(t *testing.T, s *scene) {
	t.Helper()
	n := start(t, s.disk, tiny)
	defer n.stop()
	session := n.session()
	for i := range queuesUnderTest {
		_, _, err := session.DeclareQueue(broker.QueueSpec{Name: queueName(i), Passive: true})
		if err != nil {
			if s.confirmed[i] > 0 {
				t.Errorf("%s: queue %d: %v", s.what, i, err)
			}
			continue
		}
		next := -1
		take := taking(session, i)
		for {
			d, ok, err := take()
			if err != nil {
				t.Fatal(err)
			}
			if !ok {
				break
			}
			number, err2 := parse(i, body(d))
			switch {
			case err2 != nil:
				t.Fatalf("%s: queue %d: invented %q: %v", s.what, i, body(d), err2)
			case next < 0 && number > s.settled[i]:
				t.Fatalf("%s: queue %d begins with message %d, acks were sent up to %d", s.what, i, number, s.settled[i])
			case next >= 0 && number != next:
				t.Fatalf("%s: queue %d: message %d where %d was due", s.what, i, number, next)
			}
			next = number + 1
		}
		if next < s.confirmed[i] && (next >= 0 || s.settled[i] < s.confirmed[i]) {
			t.Fatalf("%s: queue %d ends with message %d, %d were confirmed", s.what, i, next-1, s.confirmed[i])
		}
	}
}

// taking returns what takes the next message of a queue, or reads that of the
// stream.
func taking(s *broker.Session, queue int) func() (broker.Delivery, bool, *broker.Error) {
	if queue != streamUnderTest {
		return func() (broker.Delivery, bool, *broker.Error) {
			p, ok, err := s.Pull(queueName(queue), true)
			return p.Delivery, ok, err
		}
	}
	at := record.Offset(0)
	return func() (broker.Delivery, bool, *broker.Error) {
		ds, next, err := s.Read(queueName(queue), broker.Position{Offset: at}, 1)
		if err != nil || len(ds) == 0 {
			return broker.Delivery{}, false, err
		}
		at = next
		return ds[0], true, nil
	}
}

var errInvented = errors.New("not a message that was sent")

func parse(queue int, text string) (int, error) {
	parts := strings.SplitN(text, ":", 3)
	if len(parts) != 3 || parts[0] != strconv.Itoa(queue) {
		return 0, errInvented
	}
	n, err := strconv.Atoi(parts[1])
	if err != nil || text != string(message(queue, n)) {
		return 0, errInvented
	}
	return n, nil
}

// TestCalmStopKeepsWhatMayHaveBeenDelivered ends a life in the middle of a delivery,
// the next one in order without a consumer: the third still says that the messages
// may have been delivered.
func TestCalmStopKeepsWhatMayHaveBeenDelivered(t *testing.T) {
	disk := vfs.NewMem()
	n := start(t, disk, tiny)
	s := n.session()
	declare(t, s, broker.QueueSpec{Name: "q", Durable: true})
	p := newPublisher(s)
	for i := range 10 {
		p.send(t, "", "q", fmt.Sprint(i))
	}
	p.wait()
	in := newInbox()
	if _, err := s.Attach(broker.AttachOptions{Queue: "q", Credit: 10}, in); err != nil {
		t.Fatal(err)
	}
	in.take(t, 10)
	clone := disk.CrashClone(func() bool { return true })
	n.stop()
	start(t, clone, tiny).stop()
	n = start(t, clone, tiny)
	defer n.stop()
	in = newInbox()
	if _, err := n.session().Attach(broker.AttachOptions{Queue: "q", Credit: 10}, in); err != nil {
		t.Fatal(err)
	}
	for i, d := range in.take(t, 10) {
		if !d.Redelivered {
			t.Errorf("message %d was delivered before, and comes as if it was not", i)
		}
	}
}
