package broker_test

import (
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"weir/internal/broker"
	"weir/internal/record"
	"weir/internal/vfs"
)

// TestUnreadableFilesCostTheirReadersOnly has the device refuse to give what is in
// files. Readers of those messages are refused or wait; everybody else goes on, and
// once the device gives them again they are there, in order.
func TestUnreadableFilesCostTheirReadersOnly(t *testing.T) {
	var bad atomic.Pointer[[]string] // files there were when the device failed
	var refused atomic.Int64
	disk := vfs.NewMem()
	fs := vfs.Inject(disk, func(op vfs.Op) error {
		if names := bad.Load(); op.Kind == vfs.OpRead && names != nil && slices.Contains(*names, op.Name) {
			refused.Add(1)
			return errDevice
		}
		return nil
	})
	f := &fatality{c: make(chan struct{})}
	n := start(t, fs, tiny, func(o *broker.Options) { o.Shards, o.Fatal = 1, f.fatal })
	defer n.stop()
	s, c := n.session(), n.session()
	old := newPublisher(s)
	const messages = 1500
	for _, queue := range []string{"old", "new"} {
		declare(t, s, broker.QueueSpec{Name: queue, Durable: true})
	}
	if _, err := s.CreateTopic(broker.TopicSpec{Name: "t", Partitions: 1}); err != nil {
		t.Fatal(err)
	}
	for i := range messages {
		old.send(t, "", "old", fmt.Sprintf("%06d%s", i, strings.Repeat("x", 200)))
		if i%50 == 49 {
			old.wait()
			blob(t, s, "t", 0, i/50, 1)
		}
	}
	stored := files(t, disk, "data/shard-0001/segments")
	bad.Store(&stored)

	fetch := func(from record.Offset) broker.Fetched {
		return s.Fetch([]broker.FetchPart{{Topic: "t", From: from, MaxBytes: 1 << 20}}, broker.FetchLimits{MaxBytes: 1 << 20})[0]
	}
	if got := fetch(0); got.Err == nil || got.Err.Code != broker.CodeInternal {
		t.Fatalf("a fetch of what cannot be read: %d records, %v", len(got.Records), got.Err)
	}
	if got, _, err := s.Read("old", broker.Position{}, 10); err == nil || err.Code != broker.CodeInternal {
		t.Fatalf("a read of what cannot be read: %d messages, %v", len(got), err)
	}
	in := newInbox()
	if _, err := c.Attach(broker.AttachOptions{Queue: "old", Credit: 1 << 40}, in); err != nil {
		t.Fatal(err)
	}
	before := refused.Load()
	eventually(t, "the consumer's read is tried again", func() bool { return refused.Load() > before+1 })

	fresh := newPublisher(s)
	for i := range 10 {
		fresh.send(t, "", "new", fmt.Sprint(i))
	}
	fresh.wait()
	if got := drain(t, s, "new"); got != "0 1 2 3 4 5 6 7 8 9 " {
		t.Fatalf("the other queue has %q", got)
	}
	select {
	case <-f.c:
		t.Fatalf("the process ended: %v", f.err)
	default:
	}

	bad.Store(nil)
	for i, d := range in.take(t, messages) {
		if b := body(d); b[:6] != fmt.Sprintf("%06d", i) {
			t.Fatalf("%q where %d was due", b[:6], i)
		}
	}
	for next := record.Offset(0); next < messages/50; {
		got := fetch(next)
		if got.Err != nil || len(got.Offsets) == 0 {
			t.Fatalf("a fetch of what can be read again, at %d: %d records, %v", next, len(got.Offsets), got.Err)
		}
		for _, o := range got.Offsets {
			if o != next {
				t.Fatalf("record %d where %d was due", o, next)
			}
			next++
		}
	}
}
