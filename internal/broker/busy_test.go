package broker_test

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"weir/internal/broker"
	"weir/internal/record"
	"weir/internal/vfs"
)

// TestDeletedWhileBusy deletes a queue and a topic and makes them again, while they
// are published to, consumed from and read. Everybody is answered or told that there
// is none, nobody hangs, and at the end they are as usable as new ones.
func TestDeletedWhileBusy(t *testing.T) {
	n := start(t, vfs.NewMem(), tiny)
	defer n.stop()
	stop := make(chan struct{})
	var running sync.WaitGroup
	var published, pulled, fetched atomic.Int64
	loop := func(turn func(s *broker.Session, p *publisher) *broker.Error) {
		running.Go(func() {
			s := n.session()
			p := newPublisher(s)
			for {
				select {
				case <-stop:
					return
				default:
				}
				if err := turn(s, p); err != nil && err.Code != broker.CodeNotFound && err.Code != broker.CodeInvalid && err.Code != broker.CodeUnavailable {
					t.Error(err)
					return
				}
			}
		})
	}
	for range 2 {
		loop(func(_ *broker.Session, p *publisher) *broker.Error {
			for range 20 {
				if _, err := p.Publish(&broker.Outgoing{Key: []byte("q"), TTL: -1, Dialect: 1, Native: [3][]byte{nil, nil, []byte("m")}}); err != nil {
					return err
				}
			}
			p.wait()
			published.Add(20)
			return nil
		})
		loop(func(s *broker.Session, _ *publisher) *broker.Error {
			_, ok, err := s.Pull("q", true)
			if ok {
				pulled.Add(1)
			}
			return err
		})
		loop(func(s *broker.Session, _ *publisher) *broker.Error {
			done := make(chan *broker.Error, 1)
			b := &broker.Blob{Dialect: 2, Count: 1, Timestamp: 1, Native: []byte("b")}
			if err := s.Append("t", 0, b, func(_, _ record.Offset, err *broker.Error) { done <- err }); err != nil {
				return err
			}
			return <-done
		})
		loop(func(s *broker.Session, _ *publisher) *broker.Error {
			f := s.Fetch([]broker.FetchPart{{Topic: "t", MaxBytes: 1000}}, broker.FetchLimits{MaxBytes: 1000})[0]
			fetched.Add(int64(len(f.Records)))
			broker.ReleaseFetched([]broker.Fetched{f})
			return f.Err
		})
	}
	s := n.session()
	for round := range 20 {
		declare(t, s, broker.QueueSpec{Name: "q", Durable: true})
		if _, err := s.CreateTopic(broker.TopicSpec{Name: "t", Partitions: 1}); err != nil {
			t.Fatalf("round %d: %v", round, err)
		}
		before := published.Load()
		eventually(t, "somebody publishes", func() bool { return published.Load() > before })
		if _, err := s.DeleteQueue("q", broker.DeleteOptions{}); err != nil {
			t.Fatalf("round %d: %v", round, err)
		}
		if err := s.DeleteTopic("t"); err != nil {
			t.Fatalf("round %d: %v", round, err)
		}
	}
	close(stop)
	running.Wait()
	declare(t, s, broker.QueueSpec{Name: "q", Durable: true})
	p := newPublisher(s)
	for i := range 5 {
		p.send(t, "", "q", fmt.Sprint(i))
	}
	p.wait()
	if got := drain(t, s, "q"); got != "0 1 2 3 4 " {
		t.Errorf("the last one has %q", got)
	}
	t.Logf("%d published, %d pulled, %d fetched", published.Load(), pulled.Load(), fetched.Load())
}
