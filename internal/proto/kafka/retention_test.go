package kafka

import (
	"net/netip"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"weir/internal/broker"
	"weir/internal/clock"
	"weir/internal/proto/kafka/group"
	"weir/internal/vfs"
)

// later is a clock that can be set forward.
type later struct {
	clock.Clock
	by atomic.Int64 // ms
}

func (l *later) Millis() int64 { return l.Clock.Millis() + l.by.Load() }

func TestOffsetsExpire(t *testing.T) {
	b, err := broker.Open(broker.Options{FS: vfs.NewMem(), Dir: "data", WALFileBytes: 4 << 20, Fatal: func(err error) { t.Errorf("fatal: %v", err) }})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	}()
	c := &later{Clock: clock.System()}
	server, err := New(Options{Broker: b, Clock: c})
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	p, refused := b.Identify("guest", netip.MustParseAddrPort("127.0.0.1:1"))
	if refused != nil {
		t.Fatal(refused)
	}
	s, refused := b.Open(p, broker.SessionOptions{Namespace: "/"})
	if refused != nil {
		t.Fatal(refused)
	}
	defer s.Close()
	for _, topic := range []string{"read", "left", "gone"} {
		if _, err := s.CreateTopic(broker.TopicSpec{Name: topic, Partitions: 1}); err != nil {
			t.Fatal(err)
		}
	}
	commit := func(name string, positions ...broker.GroupPosition) {
		t.Helper()
		done := make(chan *broker.Error, 1)
		for i := range positions {
			positions[i].Committed = c.Millis()
		}
		if _, err := s.CommitPositions(name, positions, func(err *broker.Error) { done <- err }); err != nil {
			t.Fatal(err)
		}
		if err := <-done; err != nil {
			t.Fatal(err)
		}
	}
	commit("simple", broker.GroupPosition{Topic: "read"}, broker.GroupPosition{Topic: "gone"})
	commit("short", broker.GroupPosition{Topic: "read", Expires: c.Millis() + 1000})
	commit("busy", broker.GroupPosition{Topic: "read"}, broker.GroupPosition{Topic: "left"})
	beat := func(epoch group.Generation) group.Generation {
		t.Helper()
		r := &group.BeatRequest{Member: "m", Epoch: epoch, Rebalance: 1000, Names: []string{"read"}, Owned: &group.Parts{}}
		var out group.Beat
		err := server.groups.inGroup(server.groups.ended, "busy", func(h *hosted) { out = (&conn{server: server, session: s}).beat(h, r, false) })
		if err != nil || out.Code != 0 {
			t.Fatalf("%+v %v", out, err)
		}
		return out.Epoch
	}
	epoch := beat(0)
	check := func(after time.Duration, want ...string) {
		t.Helper()
		c.by.Store(after.Milliseconds())
		if epoch > 0 {
			beat(epoch)
		}
		server.groups.sweep()
		var got []string
		for _, name := range []string{"busy", "short", "simple"} {
			positions, err := s.Positions(name)
			if err != nil {
				t.Fatal(err)
			}
			for _, p := range positions {
				got = append(got, name+" "+p.Topic)
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("after %v: %q, not %q", after, got, want)
		}
	}
	if err := s.DeleteTopic("gone"); err != nil {
		t.Fatal(err)
	}
	check(0, "busy left", "busy read", "short read", "simple read")
	check(time.Minute, "busy left", "busy read", "simple read")
	check(6*24*time.Hour, "busy left", "busy read", "simple read")
	check(offsetsKept+time.Hour, "busy read")
	err = server.groups.inGroup(server.groups.ended, "busy", func(h *hosted) {
		h.modern.Heartbeat(server.groups.now(), &group.BeatRequest{Member: "m", Epoch: group.EpochLeave}, catalog{s})
	})
	if err != nil {
		t.Fatal(err)
	}
	epoch = 0
	check(offsetsKept+2*time.Hour, "busy read")
	check(2*offsetsKept + 3*time.Hour)
	if kept := server.groups.Kept(s); len(kept) != 0 {
		t.Error(kept, "are known still")
	}
}
