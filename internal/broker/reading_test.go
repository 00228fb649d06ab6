package broker_test

import (
	"fmt"
	"testing"
	"time"

	"weir/internal/broker"
	"weir/internal/record"
	"weir/internal/vfs"
)

// retained declares a queue that keeps settled messages and fills it with n
// messages, consumed up to settled.
func retained(t *testing.T, n *node, messages, settled int) *broker.Session {
	t.Helper()
	s := n.session()
	declare(t, s, broker.QueueSpec{Name: "q", Durable: true, Settings: broker.Settings{RetainMillis: ptr(int64(3_600_000))}})
	p := newPublisher(s)
	for i := range messages {
		p.send(t, "", "q", fmt.Sprint("m", i))
	}
	p.wait()
	for range settled {
		if _, ok, err := s.Pull("q", true); !ok || err != nil {
			t.Fatal(ok, err)
		}
	}
	return s
}

func drain(t *testing.T, s *broker.Session, queue string) (got string) {
	t.Helper()
	for {
		p, ok, err := s.Pull(queue, true)
		if err != nil {
			t.Fatal(err)
		}
		if !ok {
			return got
		}
		got += body(p.Delivery) + " "
	}
}

func TestRewindByOffsetAcrossRestart(t *testing.T) {
	fs := vfs.NewMem()
	n := start(t, fs)
	retained(t, n, 5, 5).Close()
	n.stop()
	n = start(t, fs)
	defer n.stop()
	s := n.session()
	if got := drain(t, s, "q"); got != "" {
		t.Fatalf("before the rewind: %q", got)
	}
	if err := s.Rewind("q", broker.Position{Offset: 2}); err != nil {
		t.Fatal(err)
	}
	deadline := time.Now().Add(5 * time.Second)
	got := ""
	for got == "" && time.Now().Before(deadline) {
		got = drain(t, s, "q")
	}
	if got != "m2 m3 m4 " {
		t.Fatalf("after the rewind: %q", got)
	}
}

func TestRewindByTime(t *testing.T) {
	n := start(t, vfs.NewMem())
	defer n.stop()
	s := retained(t, n, 2, 2)
	middle := time.Now()
	for time.Now().UnixMilli() <= middle.UnixMilli() {
	}
	p := newPublisher(s)
	p.send(t, "", "q", "late")
	p.wait()
	drain(t, s, "q")
	if err := s.Rewind("q", broker.Position{UnixMillis: middle.UnixMilli() + 1}); err != nil {
		t.Fatal(err)
	}
	if p, ok, err := s.Pull("q", true); err != nil || !ok || body(p.Delivery) != "late" {
		t.Fatalf("%v %v %q", err, ok, body(p.Delivery))
	}
}

func TestRewindNeedsRetention(t *testing.T) {
	n := start(t, vfs.NewMem())
	defer n.stop()
	s := n.session()
	declare(t, s, broker.QueueSpec{Name: "q", Durable: true})
	if err := s.Rewind("q", broker.Position{}); err == nil || err.Code != broker.CodeInvalid {
		t.Fatalf("%v", err)
	}
}

func TestReadChangesNothing(t *testing.T) {
	fs := vfs.NewMem()
	n := start(t, fs)
	retained(t, n, 6, 2).Close()
	n.stop() // the messages are on the shelf now
	n = start(t, fs)
	defer n.stop()
	s := n.session()
	p := newPublisher(s)
	p.send(t, "", "q", "tail")
	p.wait()
	for range 2 {
		got, next, err := s.Read("q", broker.Position{Offset: 1}, 100)
		if err != nil {
			t.Fatal(err)
		}
		if b := bodies(got); b != "m1 m2 m3 m4 m5 tail" || next != 7 {
			t.Fatalf("read %q, next %d", b, next)
		}
	}
	if got, next, err := s.Read("q", broker.Position{Offset: 1}, 2); err != nil || bodies(got) != "m1 m2" || next != 3 {
		t.Fatalf("read %q, next %d, %v", bodies(got), next, err)
	}
	if info := declare(t, s, broker.QueueSpec{Name: "q", Passive: true}); info.Ready != 5 {
		t.Fatalf("%d ready", info.Ready)
	}
}

func TestCommitSurvivesRestart(t *testing.T) {
	fs := vfs.NewMem()
	n := start(t, fs)
	s := retained(t, n, 3, 0)
	if _, ok, err := s.Committed("q", "me"); ok || err != nil {
		t.Fatal(ok, err)
	}
	if err := s.Commit("q", "me", 2); err != nil {
		t.Fatal(err)
	}
	s.Close()
	n.stop()
	n = start(t, fs)
	defer n.stop()
	if o, ok, err := n.session().Committed("q", "me"); err != nil || !ok || o != record.Offset(2) {
		t.Fatal(o, ok, err)
	}
}

func TestRetentionByAge(t *testing.T) {
	n := start(t, vfs.NewMem())
	defer n.stop()
	s := n.session()
	declare(t, s, broker.QueueSpec{Name: "q", Durable: true, Settings: broker.Settings{RetainMillis: ptr(int64(50))}})
	p := newPublisher(s)
	p.send(t, "", "q", "old")
	p.wait()
	drain(t, s, "q")
	deadline := time.Now().Add(10 * time.Second)
	for {
		got, _, err := s.Read("q", broker.Position{}, 10)
		if err != nil {
			t.Fatal(err)
		}
		if len(got) == 0 {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal("still there")
		}
	}
}

func TestFollowersReadTheShelfAndTheTail(t *testing.T) {
	n := start(t, vfs.NewMem(), tiny)
	defer n.stop()
	s, c := n.session(), n.session()
	declare(t, s, broker.QueueSpec{Name: queueName(0), Durable: true, Settings: broker.Settings{Stream: ptr(true)}})
	p := newPublisher(s)
	const messages = 3000
	send := func(from, to int) {
		for i := from; i < to; i++ {
			p.send(t, "", queueName(0), string(message(0, i)))
			if i%100 == 99 {
				p.wait()
			}
		}
	}
	send(0, messages/2)
	type reader struct {
		in    *inbox
		a     *broker.Attachment
		first int
	}
	var readers []reader
	for _, first := range []int{0, 700, messages / 2} {
		in := newInbox()
		a, err := c.Attach(broker.AttachOptions{Queue: queueName(0), Credit: 1 << 40, From: &broker.Position{Offset: record.Offset(first)}}, in)
		if err != nil {
			t.Fatal(err)
		}
		readers = append(readers, reader{in, a, first})
	}
	send(messages/2, messages)
	p.wait()
	for _, r := range readers {
		for i, d := range r.in.take(t, messages-r.first) {
			if d.Offset != record.Offset(r.first+i) || body(d) != string(message(0, r.first+i)) {
				t.Fatalf("offset %d, %q where %d is due", d.Offset, body(d), r.first+i)
			}
		}
	}
	if info, _ := n.Queue("/", queueName(0)); info.Ready != messages || info.Consumers != len(readers) {
		t.Fatalf("%+v", info)
	}
	readers[0].a.Detach()
	if err := s.Rewind(queueName(0), broker.Position{}); err == nil || err.Code != broker.CodeInvalid {
		t.Fatal(err)
	}
	if _, _, err := s.Pull(queueName(0), true); err == nil || err.Code != broker.CodeNotImplemented {
		t.Fatal(err)
	}
}
