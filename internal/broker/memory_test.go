package broker_test

import (
	"fmt"
	"runtime"
	"testing"

	"weir/internal/broker"
	"weir/internal/vfs"
)

// TestIdleQueuesAreSmall declares 100,000 durable queues.
func TestIdleQueuesAreSmall(t *testing.T) {
	if testing.Short() || raceEnabled {
		t.Skip("takes a while")
	}
	const queues, bytesMax = 100_000, 2048
	disk := vfs.NewMem()
	n := start(t, disk, func(o *broker.Options) { o.WALFileBytes = 64 << 20 })
	defer n.stop()
	heap := func() uint64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	before, disks := heap(), size(t, disk, "data")
	const workers = 64
	failed := make(chan *broker.Error, workers)
	for w := range workers {
		s := n.session()
		go func() {
			for i := w; i < queues; i += workers {
				if _, _, err := s.DeclareQueue(broker.QueueSpec{Name: fmt.Sprint("queue-", i), Durable: true}); err != nil {
					failed <- err
					return
				}
			}
			failed <- nil
		}()
	}
	for range workers {
		if err := <-failed; err != nil {
			t.Fatal(err)
		}
	}
	used := int64(heap()-before) - (size(t, disk, "data") - disks) // the disk is in memory too
	t.Logf("%d bytes per queue", used/queues)
	if used/queues > bytesMax {
		t.Errorf("%d bytes per idle queue, at most %d", used/queues, bytesMax)
	}
}

// TestHostileNames survive a restart, or are refused.
func TestHostileNames(t *testing.T) {
	names := []string{"a\x00b", "\xff\xfe", "../../etc/passwd", " ", "a\nb", "日本"}
	disk := vfs.NewMem()
	n := start(t, disk)
	s := n.session()
	taken := map[string]bool{}
	for _, name := range names {
		if _, _, err := s.DeclareQueue(broker.QueueSpec{Name: name, Durable: true}); err != nil {
			continue
		}
		if err := s.DeclareExchange(broker.ExchangeSpec{Name: name, Kind: "fanout", Durable: true}); err != nil {
			t.Errorf("%q names a queue but not an exchange: %v", name, err)
			continue
		}
		if err := s.Bind(broker.BindingSpec{Source: name, Destination: name, Key: name}); err != nil {
			t.Errorf("%q: %v", name, err)
		}
		taken[name] = true
	}
	n.stop()
	n = start(t, disk)
	defer n.stop()
	s = n.session()
	for name := range taken {
		p := newPublisher(s)
		p.send(t, name, name, "hello")
		p.wait()
		if got, ok, err := s.Pull(name, true); err != nil || !ok || body(got.Delivery) != "hello" {
			t.Errorf("%q after the restart: %v %v", name, ok, err)
		}
	}
	for _, name := range names[:2] {
		if taken[name] {
			t.Errorf("%q is taken", name)
		}
	}
	if err := s.Bind(broker.BindingSpec{Source: "日本", Destination: "日本", Key: "\xff"}); err == nil {
		t.Error("a routing key that is not UTF-8 is taken")
	}
}
