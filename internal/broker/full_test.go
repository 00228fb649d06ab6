package broker_test

import (
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"weir/internal/broker"
	"weir/internal/vfs"
)

// diskful is a broker on a disk that holds so many bytes more.
func diskful(t *testing.T, room, tail int64) (*node, *vfs.Mem) {
	t.Helper()
	disk := vfs.NewMem()
	slow := vfs.Inject(disk, func(op vfs.Op) error {
		if op.Kind == vfs.OpSync {
			time.Sleep(100 * time.Microsecond) // no device is instantaneous
		}
		return nil
	})
	n := start(t, slow, func(o *broker.Options) {
		o.WALFileBytes, o.TailBytes = 2<<20, tail
	})
	disk.SetFreeLimit(room)
	return n, disk
}

// pressed opens a session that notes when it is held back.
func (n *node) pressed(held *atomic.Int64) *broker.Session {
	n.t.Helper()
	p, err := n.Authenticate("guest", "guest", loopback)
	if err != nil {
		n.t.Fatal(err)
	}
	s, err := n.Open(p, broker.SessionOptions{Namespace: "/", Name: "publisher", Pressure: func(blocked bool, _ string) {
		if blocked {
			held.Add(1)
		}
	}})
	if err != nil {
		n.t.Fatal(err)
	}
	return s
}

// eventually waits for a condition that another goroutine brings about.
func eventually(t *testing.T, what string, condition func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !condition(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("never happened: %s", what)
		}
	}
}

// flood publishes numbered messages, with at most a hundred on their way.
func flood(t *testing.T, s *broker.Session, messages, size int) (p *publisher, done chan struct{}) {
	t.Helper()
	p, done = newPublisher(s), make(chan struct{})
	go func() {
		defer close(done)
		filler := strings.Repeat("x", size)
		for i := range messages {
			p.send(t, "", "q", fmt.Sprintf("%06d%s", i, filler))
			if i%10 == 9 {
				s.Flush()
				p.mu.Lock()
				for p.Sequence()-p.last > 100 {
					p.cond.Wait()
				}
				p.mu.Unlock()
			}
		}
		p.wait()
	}()
	return p, done
}

// waitHeld waits until the publisher was told to stop, or is not answered although
// it goes no further without.
func waitHeld(t *testing.T, p *publisher, held *atomic.Int64) {
	t.Helper()
	last, since := uint64(0), time.Now()
	eventually(t, "the publisher is held", func() bool {
		p.mu.Lock()
		defer p.mu.Unlock()
		if p.last != last {
			last, since = p.last, time.Now()
		}
		return held.Load() > 0 || time.Since(since) > 300*time.Millisecond
	})
}

// TestFullDisk fills the disk, lets consumers make room and expects everything
// that was published, in order, without anybody's help.
func TestFullDisk(t *testing.T) {
	for _, tail := range []int64{256 << 10, 64 << 20} {
		t.Run(fmt.Sprint("tail ", tail), func(t *testing.T) { fullDisk(t, tail) })
	}
}

func fullDisk(t *testing.T, tail int64) {
	n, _ := diskful(t, 12<<20, tail)
	defer n.stop()
	c := n.session()
	declare(t, c, broker.QueueSpec{Name: "q", Durable: true})
	var held atomic.Int64
	const messages, size = 6000, 4 << 10
	p, done := flood(t, n.pressed(&held), messages, size)
	waitHeld(t, p, &held)
	in := newInbox()
	a, err := c.Attach(broker.AttachOptions{Queue: "q", Credit: 1 << 40}, in)
	if err != nil {
		t.Fatal(err)
	}
	for seen := 0; seen < messages; {
		got := in.take(t, seen+1)
		for _, d := range got[seen:] {
			if number := body(d)[:6]; number != fmt.Sprintf("%06d", seen) {
				t.Fatalf("message %s where %d was due", number, seen)
			}
			seen++
			c.Sent(len(d.Record))
		}
		a.Settle(got[0].Offset, got[seen-1].Offset+1, broker.Accept)
		c.Flush()
	}
	select {
	case <-done:
	case <-time.After(20 * time.Second):
		p.mu.Lock()
		defer p.mu.Unlock()
		t.Fatalf("held for good: %d of %d confirmed", p.last, messages)
	}
	if len(p.no) > 0 {
		t.Fatalf("refused: %v", p.no)
	}
}

// TestFullDiskWithRoomGivenBack expects service to resume when somebody else
// frees space, and what was confirmed before to be there after a power cut.
func TestFullDiskWithRoomGivenBack(t *testing.T) {
	n, disk := diskful(t, 8<<20, 256<<10)
	c := n.session()
	declare(t, c, broker.QueueSpec{Name: "q", Durable: true})
	var held atomic.Int64
	const messages = 4000
	p, done := flood(t, n.pressed(&held), messages, 4<<10)
	waitHeld(t, p, &held)
	p.mu.Lock()
	confirmed := int(p.last)
	clone := disk.CrashClone(func() bool { return false })
	p.mu.Unlock()
	disk.SetFreeLimit(-1)
	<-done
	n.stop()

	clone.SetFreeLimit(-1)
	for _, fs := range []*vfs.Mem{clone, disk} {
		again := start(t, fs)
		s := again.session()
		for i := range confirmed {
			got, ok, err := s.Pull("q", true)
			if err != nil || !ok || body(got.Delivery)[:6] != fmt.Sprintf("%06d", i) {
				t.Fatalf("message %d of %d: %v %v", i, confirmed, ok, err)
			}
		}
		again.stop()
		confirmed = messages
	}
}
