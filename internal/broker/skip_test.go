package broker_test

import (
	"strings"
	"sync"
	"testing"

	"weir/internal/broker"
	"weir/internal/record"
	"weir/internal/replica"
	"weir/internal/vfs"
)

// watcher notes in which entry each of its words came.
type watcher struct {
	mu   sync.Mutex
	seen map[string]record.Index
}

func (w *watcher) Applied(shard record.ShardID, e replica.Entry, _ replica.Machine) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for word := range w.seen {
		if shard == 1 && strings.Contains(string(e.Data), word) {
			w.seen[word] = e.Index
		}
	}
}

// TestSkippedEntryOfAStore starts without one entry: what it held is gone, all else
// is there, also after the next start without the setting.
func TestSkippedEntryOfAStore(t *testing.T) {
	disk := vfs.NewMem()
	w := &watcher{seen: map[string]record.Index{"poison": 0}}
	n := start(t, disk, tiny, func(o *broker.Options) { o.Shards, o.Observer = 1, w })
	s := n.session()
	declare(t, s, broker.QueueSpec{Name: "q", Durable: true})
	p := newPublisher(s)
	for _, text := range []string{"before", "poison", "behind"} {
		p.send(t, "", "q", text)
		p.wait()
	}
	clone := disk.CrashClone(func() bool { return true })
	n.stop()
	w.mu.Lock()
	skip := map[record.ShardID][]record.Index{1: {w.seen["poison"]}}
	w.mu.Unlock()
	if skip[1][0] == 0 {
		t.Fatal("the entry was not seen")
	}
	n = start(t, clone, tiny, func(o *broker.Options) { o.Shards, o.Skip = 1, skip })
	p = newPublisher(n.session())
	p.send(t, "", "q", "later")
	p.wait()
	n.stop()
	n = start(t, clone, tiny, func(o *broker.Options) { o.Shards = 1 })
	defer n.stop()
	if got := drain(t, n.session(), "q"); got != "before behind later " {
		t.Errorf("the queue has %q", got)
	}
}
