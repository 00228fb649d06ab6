package broker_test

import (
	"testing"

	"weir/internal/broker"
	"weir/internal/vfs"
)

func TestPositionsBelongToOneTopic(t *testing.T) {
	disk := vfs.NewMem()
	n := start(t, disk, tiny)
	s := n.session()
	create := func() {
		t.Helper()
		if _, err := s.CreateTopic(broker.TopicSpec{Name: "t", Partitions: 2}); err != nil {
			t.Fatal(err)
		}
	}
	commit := func(ps ...broker.GroupPosition) []*broker.Error {
		t.Helper()
		done := make(chan *broker.Error, 1)
		refused, err := s.CommitPositions("g", ps, func(err *broker.Error) { done <- err })
		if err != nil {
			t.Fatal(err)
		}
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		return refused
	}
	create()
	refused := commit(
		broker.GroupPosition{Topic: "t", Partition: 1, Next: 7, Epoch: -1, Text: "mine", Committed: 5},
		broker.GroupPosition{Topic: "t", Partition: 2, Next: 8},
		broker.GroupPosition{Topic: "none", Next: 9},
		broker.GroupPosition{Topic: "t", Text: string(make([]byte, 5000))},
	)
	for i, want := range []broker.Code{0, broker.CodeNotFound, broker.CodeNotFound, broker.CodeInvalid} {
		if (refused[i] == nil) != (want == 0) || want != 0 && refused[i].Code != want {
			t.Errorf("position %d: %v", i, refused[i])
		}
	}
	n.stop()
	n = start(t, disk, tiny)
	defer n.stop()
	s = n.session()
	got, err := s.Positions("g")
	if err != nil || len(got) != 1 || got[0].Topic != "t" || got[0].Partition != 1 || got[0].Next != 7 || got[0].Epoch != -1 || got[0].Text != "mine" || got[0].Committed != 5 {
		t.Fatalf("%+v %v", got, err)
	}
	if all := s.Groups(); len(all) != 1 || all[0] != "g" {
		t.Fatal(all)
	}
	if err := s.DeleteTopic("t"); err != nil {
		t.Fatal(err)
	}
	create()
	if got, err = s.Positions("g"); err != nil || len(got) != 0 {
		t.Fatalf("%+v %v: the new topic has nothing to do with the old one", got, err)
	}
	done := make(chan *broker.Error, 1)
	if err := s.DropPositions("g", nil, func(err *broker.Error) { done <- err }); err != nil || <-done != nil {
		t.Fatal(err)
	}
	if all := s.Groups(); len(all) != 0 {
		t.Fatal(all)
	}
}

// TestPositionsInAQueue: what is read like a topic has positions like one.
func TestPositionsInAQueue(t *testing.T) {
	n := start(t, vfs.NewMem(), tiny)
	s := n.session()
	if _, _, err := s.DeclareQueue(broker.QueueSpec{Name: "q", Durable: true}); err != nil {
		t.Fatal(err)
	}
	done := make(chan *broker.Error, 1)
	refused, err := s.CommitPositions("g", []broker.GroupPosition{{Topic: "q", Next: 7}}, func(err *broker.Error) { done <- err })
	if err != nil || refused[0] != nil {
		t.Fatal(refused, err)
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	all, err := s.Positions("g")
	if err != nil || len(all) != 1 || all[0].Topic != "q" || all[0].Next != 7 {
		t.Fatal(all, err)
	}
}
