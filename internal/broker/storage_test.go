package broker_test

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"weir/internal/broker"
	"weir/internal/record"
	"weir/internal/vfs"
)

// size is what the files below dir take.
func size(t *testing.T, fs vfs.FS, dir string) (bytes int64) {
	t.Helper()
	for _, name := range files(t, fs, dir) {
		f, err := fs.Open(name)
		if err != nil {
			continue // removed meanwhile
		}
		n, err := f.Size()
		if err != nil {
			t.Fatal(err)
		}
		bytes += n
		f.Close()
	}
	return bytes
}

// TestFewerShardsThanTheStoreHas must not lose the queues of the others.
func TestFewerShardsThanTheStoreHas(t *testing.T) {
	for _, shards := range []int{1, 3, 8} {
		disk := vfs.NewMem()
		n := start(t, disk, func(o *broker.Options) { o.Shards = 3 })
		s := n.session()
		for i := range 6 {
			name := fmt.Sprint("q", i)
			declare(t, s, broker.QueueSpec{Name: name, Durable: true})
			p := newPublisher(s)
			p.send(t, "", name, name)
			p.wait()
		}
		n.stop()
		n = start(t, disk, func(o *broker.Options) { o.Shards = shards })
		s = n.session()
		for i := range 6 {
			name := fmt.Sprint("q", i)
			if got := drain(t, s, name); got != name+" " {
				t.Errorf("%d shards: %s holds %q", shards, name, got)
			}
		}
		n.stop()
	}
}

// TestBacklogLeavesMemoryAndDisk goes beyond the tail's budget, reads the backlog
// while more is published, and expects the space to be given back.
func TestBacklogLeavesMemoryAndDisk(t *testing.T) {
	disk := vfs.NewMem()
	n := start(t, disk, func(o *broker.Options) { o.WALFileBytes, o.TailBytes = 1<<20, 512<<10 })
	defer n.stop()
	s, c := n.session(), n.session()
	declare(t, s, broker.QueueSpec{Name: "q", Durable: true})
	declare(t, s, broker.QueueSpec{Name: "stuck", Durable: true})
	p := newPublisher(s)
	for _, q := range []string{"stuck", "q"} {
		p.send(t, "", q, "first")
	}
	p.wait()
	filler := strings.Repeat("x", 2000)
	const backlog, more = 4000, 4000
	publish := func(from, to int) {
		for i := from; i < to; i++ {
			p.send(t, "", "q", fmt.Sprintf("%06d%s", i, filler))
			if i%50 == 49 {
				p.wait()
			}
		}
		p.wait()
	}
	publish(0, backlog)
	if got := size(t, disk, "data/shard-0001/segments"); got < backlog*2000/2 {
		t.Fatalf("%d bytes on the shelf", got)
	}
	in := newInbox()
	a, err := c.Attach(broker.AttachOptions{Queue: "q", Credit: 1 << 40}, in)
	if err != nil {
		t.Fatal(err)
	}
	published := make(chan struct{})
	go func() {
		defer close(published)
		publish(backlog, backlog+more)
	}()
	for seen := 0; seen < backlog+more+1; {
		got := in.take(t, seen+1)
		for _, d := range got[seen:] {
			if b := body(d); seen > 0 && b[:6] != fmt.Sprintf("%06d", seen-1) {
				t.Fatalf("%q where %d was due", b[:6], seen-1)
			}
			seen++
			c.Sent(len(d.Record))
		}
		// The first message of the queue stays unsettled and pins nothing else.
		if seen > 1 {
			a.Settle(got[1].Offset, got[seen-1].Offset+1, broker.Accept)
		}
		c.Flush()
	}
	<-published
	publish(backlog+more, backlog+more+600) // what begins the next flushes
	got := in.take(t, backlog+more+601)
	a.Settle(got[backlog+more].Offset, got[backlog+more+600].Offset+1, broker.Accept)
	c.Flush()
	eventually(t, "segments are given back", func() bool {
		p.send(t, "", "q", filler)
		p.wait()
		return size(t, disk, "data/shard-0001/segments") < 2<<20
	})
	if got := drain(t, s, "stuck"); got != "first " {
		t.Fatalf("stuck holds %q", got)
	}
}

// TestTimeToLiveOnTheShelf restarts with messages that have not expired yet, by
// their own time and by their queue's.
func TestTimeToLiveOnTheShelf(t *testing.T) {
	for _, maxBytes := range []*int64{nil, ptr(int64(1 << 20))} {
		disk := vfs.NewMem()
		n := start(t, disk)
		s := n.session()
		const ttl = 1500
		declare(t, s, broker.QueueSpec{Name: "by-queue", Durable: true, Settings: broker.Settings{TTLMillis: ptr(int64(ttl)), MaxBytes: maxBytes}})
		declare(t, s, broker.QueueSpec{Name: "by-message", Durable: true, Settings: broker.Settings{MaxBytes: maxBytes}})
		p := newPublisher(s)
		for range 3 {
			p.send(t, "", "by-queue", "goes")
			p.send(t, "", "by-message", "goes", func(m *broker.Outgoing) { m.TTL = ttl })
			p.send(t, "", "by-message", "stays")
		}
		p.wait()
		end := time.Now().Add(ttl * time.Millisecond)
		n.stop()
		n = start(t, disk)
		s = n.session()
		ready := func(q string) uint64 { return declare(t, s, broker.QueueSpec{Name: q, Passive: true}).Ready }
		if time.Now().Before(end.Add(-500*time.Millisecond)) && (ready("by-queue") != 3 || ready("by-message") != 6) {
			t.Fatalf("too early: %d and %d", ready("by-queue"), ready("by-message"))
		}
		eventually(t, "expiry", func() bool { return ready("by-queue") == 0 && ready("by-message") == 3 })
		if time.Now().Before(end.Add(-100 * time.Millisecond)) {
			t.Error("expired too early")
		}
		n.stop()
	}
}

// deadLetterAsIs rewrites nothing and sees no cycles.
func deadLetterAsIs(native []byte, c broker.DeadLetterContext) (broker.DeadLettered, error) {
	key := "dlq"
	if c.Key != nil {
		key = *c.Key
	}
	return broker.DeadLettered{
		Native: [3][]byte{nil, nil, append([]byte(fmt.Sprint(c.Why, ":")), native...)},
		Keys:   []string{key}, Cycled: func(string) bool { return false },
	}, nil
}

func withDeadLetter(o *broker.Options) {
	o.DeadLetter = map[record.Dialect]broker.DeadLetterFunc{record.DialectAMQP091: deadLetterAsIs}
}

// TestDeadLetterAcrossPowerCuts rejects messages and cuts the power at random
// moments: each is in its queue or in the dead-letter queue, or in both.
func TestDeadLetterAcrossPowerCuts(t *testing.T) {
	disk := vfs.NewMem()
	var mu sync.Mutex
	var clones []*vfs.Mem
	confirmed := false
	fs := vfs.Inject(disk, func(op vfs.Op) error {
		mu.Lock()
		defer mu.Unlock()
		if op.Kind == vfs.OpSync && confirmed {
			clones = append(clones, disk.CrashClone(func() bool { return false }))
		}
		return nil
	})
	one := func(o *broker.Options) { o.WALFileBytes = 1 << 20; withDeadLetter(o) }
	n := start(t, fs, one)
	s := n.session()
	declare(t, s, broker.QueueSpec{Name: "dlq", Durable: true})
	declare(t, s, broker.QueueSpec{Name: "q", Durable: true, Settings: broker.Settings{DeadLetterTo: ptr("")}})
	p := newPublisher(s)
	const messages = 20
	for i := range messages {
		p.send(t, "", "q", fmt.Sprint("m", i))
	}
	p.wait()
	mu.Lock()
	confirmed = true
	mu.Unlock()
	for range messages {
		got, ok, err := s.Pull("q", false)
		if !ok || err != nil {
			t.Fatal(ok, err)
		}
		got.Attachment.Settle(got.Delivery.Offset, got.Delivery.Offset+1, broker.Reject)
		s.Flush()
	}
	eventually(t, "all dead letters are stored", func() bool {
		return declare(t, s, broker.QueueSpec{Name: "dlq", Passive: true}).Ready == messages
	})
	n.stop()
	for _, clone := range clones {
		n := start(t, clone, one)
		s := n.session()
		have := map[string]bool{}
		eventually(t, "every message is somewhere", func() bool {
			for _, q := range []string{"q", "dlq"} {
				for m := range strings.FieldsSeq(drainIfThere(t, s, q)) {
					_, name, found := strings.Cut(m, ":")
					if !found {
						name = m
					}
					have[name] = true
				}
			}
			return len(have) == messages
		})
		n.stop()
	}
	t.Logf("%d power cuts", len(clones))
}

func drainIfThere(t *testing.T, s *broker.Session, queue string) string {
	t.Helper()
	if _, _, err := s.DeclareQueue(broker.QueueSpec{Name: queue, Passive: true}); err != nil {
		return ""
	}
	return drain(t, s, queue)
}

// TestRetentionByBytes keeps about as much as it says, over restarts, and a
// rewind goes no further back than that.
func TestRetentionByBytes(t *testing.T) {
	disk := vfs.NewMem()
	small := func(o *broker.Options) { o.WALFileBytes, o.TailBytes = 1<<20, 256<<10 }
	n := start(t, disk, small)
	s := n.session()
	declare(t, s, broker.QueueSpec{Name: "q", Durable: true, Settings: broker.Settings{RetainBytes: ptr(int64(1 << 20)), RetainMillis: ptr(int64(3_600_000))}})
	p := newPublisher(s)
	filler := strings.Repeat("x", 2000)
	const messages = 3000
	for i := range messages {
		p.send(t, "", "q", fmt.Sprintf("%06d%s", i, filler))
		if i%20 == 19 {
			p.wait()
			for range 20 {
				if _, ok, err := s.Pull("q", true); !ok || err != nil {
					t.Fatal(ok, err)
				}
			}
		}
	}
	first := func() int {
		got, _, err := s.Read("q", broker.Position{}, 1)
		if err != nil || len(got) == 0 {
			t.Fatal(err, len(got))
		}
		return int(got[0].Offset)
	}
	eventually(t, "the oldest are gone", func() bool { return messages-first() < 2*(1<<20)/2000 })
	n.stop()
	n = start(t, disk, small)
	defer n.stop()
	s = n.session()
	begin := first()
	if kept := messages - begin; kept < (1<<20)/2000/2 {
		t.Fatalf("only %d messages are kept", kept)
	}
	if err := s.Rewind("q", broker.Position{}); err != nil {
		t.Fatal(err)
	}
	in := newInbox()
	a, err := s.Attach(broker.AttachOptions{Queue: "q", Credit: 1 << 40, AutoSettle: true}, in)
	if err != nil {
		t.Fatal(err)
	}
	for seen := 0; seen < messages-begin; seen++ {
		d := in.take(t, seen+1)[seen]
		s.Sent(len(d.Record))
		if body(d)[:6] != fmt.Sprintf("%06d", begin+seen) {
			t.Fatalf("%s where %d was due", body(d)[:6], begin+seen)
		}
	}
	a.Detach()
}

// TestReadAcrossShelfAndTail finds every message by offset and by time, whether it
// was moved to the shelf or not.
func TestReadAcrossShelfAndTail(t *testing.T) {
	disk := vfs.NewMem()
	n := start(t, disk, func(o *broker.Options) { o.WALFileBytes, o.TailBytes = 1<<20, 128<<10 })
	defer n.stop()
	s := n.session()
	declare(t, s, broker.QueueSpec{Name: "q", Durable: true, Settings: broker.Settings{RetainMillis: ptr(int64(3_600_000))}})
	p := newPublisher(s)
	filler := strings.Repeat("x", 1000)
	const messages = 1000
	for i := range messages {
		p.send(t, "", "q", fmt.Sprintf("%06d%s", i, filler))
		if i%10 == 9 {
			p.wait()
		}
	}
	for from := 0; from < messages; from += 37 {
		got, next, err := s.Read("q", broker.Position{Offset: record.Offset(from)}, 50)
		if err != nil {
			t.Fatal(err)
		}
		if want := min(50, messages-from); len(got) != want || int(next) != from+want {
			t.Fatalf("from %d: %d messages, next %d", from, len(got), next)
		}
		for i, d := range got {
			if body(d)[:6] != fmt.Sprintf("%06d", from+i) {
				t.Fatalf("from %d: %s", from, body(d)[:6])
			}
		}
		var e record.Envelope
		if _, err := record.Decode(got[0].Record, &e); err != nil {
			t.Fatal(err)
		}
		at, _, err := s.Read("q", broker.Position{UnixMillis: e.Timestamp}, 1)
		if err != nil || len(at) != 1 || int(at[0].Offset) > from {
			t.Fatalf("by time of %d: %v", from, err)
		}
		if _, err2 := record.Decode(at[0].Record, &e); err2 != nil || errors.Is(err2, record.ErrMalformed) {
			t.Fatal(err2)
		}
	}
}
