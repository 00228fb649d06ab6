package broker_test

import (
	"fmt"
	"slices"
	"testing"

	"weir/internal/broker"
	"weir/internal/vfs"
)

func note(t *testing.T, s *broker.Session, ledger string, notes ...broker.Note) {
	t.Helper()
	done := make(chan *broker.Error, 1)
	if err := s.Note(ledger, notes, func(err *broker.Error) { done <- err }); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}

func TestLedgersSurviveRestart(t *testing.T) {
	disk := vfs.NewMem()
	n := start(t, disk, tiny)
	s := n.session()
	if _, err := s.CreateTopic(broker.TopicSpec{Name: "t", Partitions: 1}); err != nil {
		t.Fatal(err)
	}
	for i := range 400 { // enough beside them for checkpoints in between
		note(t, s, "a", broker.Note{Key: fmt.Sprint(i % 7), Value: fmt.Append(nil, i)}, broker.Note{Key: "gone", Value: []byte("x")})
		note(t, s, "b", broker.Note{Key: "empty", Value: []byte{}})
		blob(t, s, "t", 0, i, 1)
		if i%3 == 0 {
			note(t, s, "a", broker.Note{Key: "gone"})
		}
	}
	check := func() {
		t.Helper()
		notes, err := s.Ledger("a")
		if err != nil || len(notes) != 7 {
			t.Fatal(notes, err)
		}
		for i, x := range notes {
			if last := 399 - (399-i)%7; x.Key != fmt.Sprint(i) || string(x.Value) != fmt.Sprint(last) {
				t.Errorf("%s: %s, not %d", x.Key, x.Value, last)
			}
		}
		if v, err := s.Noted("b", "empty"); err != nil || v == nil || len(v) != 0 {
			t.Errorf("an empty value became %v, %v", v, err)
		}
		names := s.Ledgers("")
		if slices.Sort(names); !slices.Equal(names, []string{"a", "b"}) {
			t.Errorf("ledgers %q", names)
		}
	}
	check()
	n.stop()
	n = start(t, disk, tiny)
	s = n.session()
	check()
	note(t, s, "b", broker.Note{Key: "empty"})
	if names := s.Ledgers(""); !slices.Equal(names, []string{"a"}) {
		t.Errorf("ledgers %q", names)
	}
}
