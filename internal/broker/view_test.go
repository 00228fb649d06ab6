package broker_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"weir/internal/auth"
	"weir/internal/broker"
	"weir/internal/record"
	"weir/internal/vfs"
)

func attach(t *testing.T, s *broker.Session, o broker.AttachOptions) (*broker.Attachment, *inbox) {
	t.Helper()
	in := newInbox()
	a, err := s.Attach(o, in)
	if err != nil {
		t.Fatal(err)
	}
	return a, in
}

func topic(t *testing.T, s *broker.Session, name string, partitions int) {
	t.Helper()
	if _, err := s.CreateTopic(broker.TopicSpec{Name: name, Partitions: partitions}); err != nil {
		t.Fatal(err)
	}
}

// seen tells a delivery's message: which blob, and which message of it.
func seen(d *broker.Delivery) string {
	var e record.Envelope
	native, _ := record.Decode(d.Record, &e)
	text, _, _ := strings.Cut(string(native), ":")
	return fmt.Sprintf("%s/%d", text, d.Index)
}

func TestViewsConsumeATopic(t *testing.T) {
	for _, partitions := range []int{1, 3} {
		t.Run(fmt.Sprint(partitions), func(t *testing.T) {
			disk := vfs.NewMem()
			n := start(t, disk, tiny)
			s := n.session()
			topic(t, s, "t", partitions)
			const blobs, each = 60, 7
			put := func(from int) {
				for i := from; i < from+blobs; i++ {
					blob(t, s, "t", i%partitions, i, each)
				}
			}
			put(0)
			declare(t, s, broker.QueueSpec{Name: "t::late", Durable: true})
			info := declare(t, s, broker.QueueSpec{Name: "t::all", Durable: true, Begin: &broker.Position{}})
			if got, _, _ := s.DeclareQueue(broker.QueueSpec{Name: "t::all", Passive: true}); got.Ready != blobs*each || info.Views != "t" {
				t.Fatalf("%+v, %+v", got, info)
			}
			put(blobs)
			a, in := attach(t, s, broker.AttachOptions{Queue: "t::all", Credit: 1 << 20})
			want := map[string]bool{}
			for _, d := range in.take(t, 2*blobs*each) {
				want[seen(&d)] = true
				if d.Redelivered || d.Of != each {
					t.Fatalf("%+v", d)
				}
			}
			if len(want) != 2*blobs*each {
				t.Fatalf("%d different messages", len(want))
			}
			returned := in.got[100]
			for i, d := range in.got {
				switch {
				case i == 100:
					a.Settle(d.Offset, d.Offset+1, broker.Release)
				case i < 300:
					a.Settle(d.Offset, d.Offset+1, broker.Accept)
				}
			}
			s.Flush()
			again := in.take(t, 2*blobs*each+1)[2*blobs*each]
			if seen(&again) != seen(&returned) || !again.Redelivered || again.Count != 1 {
				t.Fatalf("%s came back with %+v, not %s", seen(&again), again, seen(&returned))
			}
			a.Settle(again.Offset, again.Offset+1, broker.Accept)
			s.Flush()
			s.Close()
			n.stop()

			n = start(t, disk, tiny)
			s = n.session()
			q, ok := n.Queue("/", "t::all")
			if !ok || q.Ready != 2*blobs*each-300 {
				t.Fatalf("after a restart %+v", q)
			}
			if q, _ := n.Queue("/", "t::late"); q.Ready != blobs*each {
				t.Fatalf("from its end on %+v", q)
			}
			left := map[string]bool{}
			for range q.Ready {
				p, ok, err := s.Pull("t::all", false)
				if !ok || err != nil {
					t.Fatal(ok, err)
				}
				left[seen(&p.Delivery)] = true
				p.Attachment.Settle(p.Delivery.Offset, p.Delivery.Offset+1, broker.Accept)
			}
			if len(left) != 2*blobs*each-300 {
				t.Fatalf("%d different messages", len(left))
			}
			if err := s.Rewind("t::all", broker.Position{}); err != nil {
				t.Fatal(err)
			}
			if n, err := s.PurgeQueue("t::all"); n != 2*blobs*each || err != nil {
				t.Fatal(n, err)
			}
			ds, _, err := s.Read("t::late", broker.Position{}, 1000)
			if err != nil || len(ds) != blobs*each || seen(&ds[0]) != fmt.Sprintf("%d/0", blobs) {
				t.Fatal(len(ds), err)
			}
			if err := s.DeleteTopic("t"); err != nil {
				t.Fatal(err)
			}
			if _, ok := n.Queue("/", "t::late"); ok {
				t.Fatal("a view outlives its topic")
			}
			s.Close()
			n.stop()
		})
	}
}

// TestViewsWiden finds what comes to partitions that a topic got later.
func TestViewsWiden(t *testing.T) {
	disk := vfs.NewMem()
	n := start(t, disk)
	s := n.session()
	topic(t, s, "t", 1)
	declare(t, s, broker.QueueSpec{Name: "t::c", Durable: true})
	a, in := attach(t, s, broker.AttachOptions{Queue: "t::c", Credit: 1})
	blob(t, s, "t", 0, 0, 2)
	held := in.take(t, 1)[0]
	err := s.AlterTopic("t", auth.Alter, func(now broker.TopicInfo) (broker.TopicSpec, *broker.Error) {
		return broker.TopicSpec{Partitions: 4, Settings: now.Settings}, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	in.mu.Lock()
	for in.detached == nil { // to consume again, with the new partitions
		in.cond.Wait()
	}
	in.mu.Unlock()
	for i := range 4 {
		blob(t, s, "t", i, i, 2)
	}
	a.Settle(held.Offset, held.Offset+1, broker.Accept)
	a.ReleaseAll()
	_, in = attach(t, s, broker.AttachOptions{Queue: "t::c", Credit: 100})
	in.take(t, 9)
	s.Close()
	n.stop()
	n = start(t, disk)
	defer n.stop()
	if q, _ := n.Queue("/", "t::c"); q.Ready != 9 {
		t.Fatalf("%+v", q)
	}
}

func TestViewsRefuse(t *testing.T) {
	n := start(t, vfs.NewMem())
	defer n.stop()
	s := n.session()
	topic(t, s, "t", 2)
	many := int64(5)
	_, _, err := s.DeclareQueue(broker.QueueSpec{Name: "t::c", Durable: true, Settings: broker.Settings{MaxLength: &many}})
	if err == nil || err.Code != broker.CodeInvalid {
		t.Fatal(err)
	}
	if _, _, err := s.DeclareQueue(broker.QueueSpec{Name: "t", Durable: true}); err == nil || err.Code != broker.CodeInvalid {
		t.Fatal(err)
	}
	declare(t, s, broker.QueueSpec{Name: "q", Durable: true})
	if _, err := s.CreateTopic(broker.TopicSpec{Name: "q", Partitions: 1}); err == nil || err.Code != broker.CodeMismatch {
		t.Fatal(err)
	}
	declare(t, s, broker.QueueSpec{Name: "t::c", Durable: true})
	if err := s.Bind(broker.BindingSpec{Source: "amq.topic", Destination: "t::c", Key: "#"}); err == nil || err.Code != broker.CodeInvalid {
		t.Fatal(err)
	}
	declare(t, s, broker.QueueSpec{Name: "other::c", Durable: true}) // there is no such topic: a queue like any
	if info, _ := n.Queue("/", "other::c"); info.Views != "" {
		t.Fatal(info)
	}
}

// TestExchangesRouteToTopics publishes by key, by order and by the topic's name.
func TestExchangesRouteToTopics(t *testing.T) {
	disk := vfs.NewMem()
	n := start(t, disk)
	s := n.session()
	topic(t, s, "t", 3)
	declare(t, s, broker.QueueSpec{Name: "t::c", Durable: true})
	if err := s.Bind(broker.BindingSpec{Source: "amq.topic", Destination: "t", Key: "a.#"}); err != nil {
		t.Fatal(err)
	}
	p := newPublisher(s)
	ends := func() (all [3]int) {
		for i := range all {
			b, err := s.Bounds("t", i)
			if err != nil {
				t.Fatal(err)
			}
			all[i] = int(b.End)
		}
		return all
	}
	for range 2 {
		p.send(t, "amq.topic", "a.21", "x") // murmur2 of the key puts it where the clients would
	}
	p.wait()
	first := ends()
	p.send(t, "amq.topic", "a.b", "x", func(m *broker.Outgoing) { m.Order = []byte("21") })
	p.send(t, "amq.topic", "a.c", "x", func(m *broker.Outgoing) { m.Order = []byte("21") })
	p.send(t, "", "t", "x")
	p.send(t, "", "t::c", "lost")
	p.wait()
	if now := ends(); now[0]+now[1]+now[2] != 5 || first[0]+first[1]+first[2] != 2 {
		t.Fatal(first, now)
	}
	if q, _ := n.Queue("/", "t::c"); q.Ready != 5 {
		t.Fatalf("%+v", q)
	}
	s.Close()
	n.stop()
	n = start(t, disk)
	defer n.stop()
	s = n.session()
	p = newPublisher(s)
	p.send(t, "amq.topic", "a.z", "x")
	p.wait()
	if q, _ := n.Queue("/", "t::c"); q.Ready != 6 {
		t.Fatalf("after a restart %+v", q)
	}
	if err := s.DeleteTopic("t"); err != nil {
		t.Fatal(err)
	}
	for _, b := range n.Bindings("/") {
		t.Fatalf("%+v is left", b)
	}
}

// TestViewsSurvivePowerCuts consumes while the power fails: what was settled and
// applied before a cut may come again, what was not is never lost.
func TestViewsSurvivePowerCuts(t *testing.T) {
	for seed := range uint64(4) {
		rng := rand.New(rand.NewPCG(seed, 5))
		disk := vfs.NewMem()
		n := start(t, disk, tiny)
		s := n.session()
		topic(t, s, "t", 2)
		declare(t, s, broker.QueueSpec{Name: "t::c", Durable: true})
		a, in := attach(t, s, broker.AttachOptions{Queue: "t::c", Credit: 1 << 20})
		const blobs, each = 200, 5
		type cut struct {
			disk    *vfs.Mem
			stored  int
			settled map[string]bool
		}
		var cuts []cut
		settled, done := map[string]bool{}, 0
		for i := range blobs {
			blob(t, s, "t", i%2, i, each)
			for _, d := range in.take(t, done+1)[done:] {
				if done++; rng.IntN(3) > 0 {
					settled[seen(&d)] = true
					a.Settle(d.Offset, d.Offset+1, broker.Accept)
				}
			}
			s.Flush()
			if rng.IntN(20) == 0 {
				c := cut{disk.CrashClone(func() bool { return rng.IntN(2) == 0 }), (i + 1) * each, map[string]bool{}}
				for k := range settled {
					c.settled[k] = true
				}
				cuts = append(cuts, c)
			}
		}
		n.stop()
		for _, c := range cuts {
			n := start(t, c.disk, tiny)
			s := n.session()
			_, in := attach(t, s, broker.AttachOptions{Queue: "t::c", Credit: 1 << 20})
			got := map[string]bool{}
			for _, d := range in.take(t, c.stored-len(c.settled)) {
				got[seen(&d)] = true
			}
			for i := range c.stored {
				k := fmt.Sprintf("%d/%d", i/each, i%each)
				if !got[k] && !c.settled[k] {
					for _, d := range in.take(t, len(in.got)) {
						got[seen(&d)] = true
					}
					if !got[k] {
						t.Fatalf("seed %d: message %s is lost", seed, k)
					}
				}
			}
			n.stop()
		}
	}
}

// TestTopicsBoundMessages publishes a message that one of its targets is too small
// for.
func TestTopicsBoundMessages(t *testing.T) {
	n := start(t, vfs.NewMem())
	defer n.stop()
	s := n.session()
	small := broker.TopicSpec{Name: "small", Partitions: 1}
	small.Settings.MessageBytes = ptr(int64(100))
	if _, err := s.CreateTopic(small); err != nil {
		t.Fatal(err)
	}
	declare(t, s, broker.QueueSpec{Name: "q", Durable: true})
	for _, to := range []string{"small", "q"} {
		if err := s.Bind(broker.BindingSpec{Source: "amq.fanout", Destination: to}); err != nil {
			t.Fatal(err)
		}
	}
	p := newPublisher(s)
	large := strings.Repeat("x", 101)
	p.send(t, "amq.fanout", "", large[:100])
	p.send(t, "amq.fanout", "", large)
	p.send(t, "", "small", large)
	p.send(t, "", "small", "y")
	p.wait()
	if len(p.no) != 2 || p.no[0] != (broker.Refusal{Sequence: 2, Code: broker.CodeTooLarge}) || p.no[1].Sequence != 3 {
		t.Fatalf("%+v", p.no)
	}
	if b, err := s.Bounds("small", 0); err != nil || b.End != 2 {
		t.Fatal(b, err)
	}
	if info, _, err := s.DeclareQueue(broker.QueueSpec{Name: "q", Passive: true}); err != nil || info.Ready != 2 {
		t.Fatal(info, err)
	}
	tx := s.Begin()
	m := &broker.Outgoing{Exchange: "amq.fanout", TTL: -1, Dialect: record.DialectAMQP091, Native: [3][]byte{nil, nil, []byte(large)}}
	if _, err := tx.Publish(m); err == nil || err.Code != broker.CodeTooLarge {
		t.Fatal(err)
	}
}
