package broker_test

import (
	"testing"

	"weir/internal/broker"
	"weir/internal/vfs"
)

func TestTopicsAndSharesAreNoQueues(t *testing.T) {
	n := start(t, vfs.NewMem())
	defer n.stop()
	s := n.session()
	if _, err := s.CreateTopic(broker.TopicSpec{Name: "t", Partitions: 2}); err != nil {
		t.Fatal(err)
	}
	for i := range 5 {
		blob(t, s, "t", i%2, i, 3)
	}
	declare(t, s, broker.QueueSpec{Name: "q", Durable: true})
	p := newPublisher(s)
	p.send(t, "", "q", "one")
	p.wait()
	if _, err := s.Share(broker.ShareSpec{Group: "g", Topic: "t", LeaseMillis: 1000, Deliveries: 5}); err != nil {
		t.Fatal(err)
	}
	if got := n.Stats(); got.Ready != 1 || got.Unsettled != 0 || got.TopicMessages != 15 {
		t.Fatalf("%d ready, %d unsettled, %d in topics", got.Ready, got.Unsettled, got.TopicMessages)
	}
	if g, err := s.Group("g"); err != nil || g.State != "Empty" {
		t.Fatal(g, err)
	}
	if err := s.DeleteGroup("g"); err != nil {
		t.Fatal(err)
	}
	if left := s.Shares("g"); len(left) != 0 {
		t.Fatal(left)
	}
	if _, err := s.Group("g"); err == nil || err.Code != broker.CodeNotFound {
		t.Fatal(err)
	}
}
