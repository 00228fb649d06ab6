package broker_test

import (
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"weir/internal/broker"
	"weir/internal/record"
	"weir/internal/vfs"
)

// node is a broker on some file system, with what a test needs around it.
type node struct {
	*broker.Broker
	t *testing.T
}

func start(t *testing.T, fs vfs.FS, change ...func(*broker.Options)) *node {
	t.Helper()
	o := broker.Options{FS: fs, Dir: "data", Fatal: func(err error) { t.Errorf("fatal: %v", err) }, WALFileBytes: 1 << 20}
	for _, f := range change {
		f(&o)
	}
	b, err := broker.Open(o)
	if err != nil {
		t.Fatal(err)
	}
	n := &node{b, t}
	return n
}

func (n *node) stop() {
	n.t.Helper()
	if err := n.Close(); err != nil {
		n.t.Fatal(err)
	}
}

func (n *node) session() *broker.Session {
	n.t.Helper()
	p, err := n.Authenticate("guest", "guest", loopback)
	if err != nil {
		n.t.Fatal(err)
	}
	s, err := n.Open(p, broker.SessionOptions{Namespace: "/", Name: n.t.Name()})
	if err != nil {
		n.t.Fatal(err)
	}
	return s
}

func declare(t *testing.T, s *broker.Session, spec broker.QueueSpec) broker.QueueInfo {
	t.Helper()
	info, _, err := s.DeclareQueue(spec)
	if err != nil {
		t.Fatal(err)
	}
	return info
}

// publisher publishes and waits for completions.
type publisher struct {
	*broker.Publisher
	s    *broker.Session
	mu   sync.Mutex
	cond *sync.Cond
	last uint64
	no   []broker.Refusal
}

func newPublisher(s *broker.Session) *publisher {
	p := &publisher{s: s}
	p.cond = sync.NewCond(&p.mu)
	p.Publisher = s.Publisher(func(c broker.Completion) {
		p.mu.Lock()
		defer p.mu.Unlock()
		if c.First != p.last+1 {
			panic(fmt.Sprintf("completion %d follows %d", c.First, p.last))
		}
		p.last = c.Last
		p.no = append(p.no, c.Refused...)
		p.cond.Broadcast()
	})
	return p
}

func (p *publisher) send(t *testing.T, exchange, key, body string, change ...func(*broker.Outgoing)) {
	t.Helper()
	m := &broker.Outgoing{Exchange: exchange, Key: []byte(key), TTL: -1, Dialect: record.DialectAMQP091, Native: [3][]byte{nil, nil, []byte(body)}}
	for _, f := range change {
		f(m)
	}
	if _, err := p.Publish(m); err != nil {
		t.Fatal(err)
	}
}

// wait flushes and waits until everything is confirmed.
func (p *publisher) wait() {
	p.s.Flush()
	p.mu.Lock()
	defer p.mu.Unlock()
	for p.last < p.Sequence() {
		p.cond.Wait()
	}
}

// inbox is a sink that keeps what it is given.
type inbox struct {
	mu       sync.Mutex
	cond     *sync.Cond
	got      []broker.Delivery
	detached *broker.Error
}

func newInbox() *inbox {
	i := &inbox{}
	i.cond = sync.NewCond(&i.mu)
	return i
}

func (i *inbox) Deliver(_ *broker.Attachment, ds []broker.Delivery) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.got = append(i.got, ds...)
	i.cond.Broadcast()
}

func (i *inbox) Detached(_ *broker.Attachment, cause *broker.Error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.detached = cause
	i.cond.Broadcast()
}

// take waits for n deliveries in all and returns them.
func (i *inbox) take(t *testing.T, n int) []broker.Delivery {
	t.Helper()
	timer := time.AfterFunc(10*time.Second, func() {
		i.mu.Lock()
		defer i.mu.Unlock()
		i.detached = &broker.Error{Text: "timeout"}
		i.cond.Broadcast()
	})
	defer timer.Stop()
	i.mu.Lock()
	defer i.mu.Unlock()
	for len(i.got) < n {
		if i.detached != nil {
			t.Fatalf("%v after %d of %d deliveries", i.detached, len(i.got), n)
		}
		i.cond.Wait()
	}
	return i.got
}

func body(d broker.Delivery) string {
	var e record.Envelope
	native, err := record.Decode(d.Record, &e)
	if err != nil {
		return err.Error()
	}
	return string(native)
}

func bodies(ds []broker.Delivery) string {
	var s []string
	for _, d := range ds {
		s = append(s, body(d))
	}
	return strings.Join(s, " ")
}

func ptr[T any](v T) *T { return &v }

func TestPublishDeliverSettleSurvivesRestart(t *testing.T) {
	fs := vfs.NewMem()
	n := start(t, fs)
	s := n.session()
	declare(t, s, broker.QueueSpec{Name: "q", Durable: true})
	p := newPublisher(s)
	for i := range 10 {
		p.send(t, "", "q", fmt.Sprint("m", i))
	}
	p.wait()
	in := newInbox()
	a, err := s.Attach(broker.AttachOptions{Queue: "q", Credit: 4}, in)
	if err != nil {
		t.Fatal(err)
	}
	got := in.take(t, 4)
	if b := bodies(got); b != "m0 m1 m2 m3" {
		t.Fatalf("delivered %q", b)
	}
	a.Settle(got[0].Offset, got[2].Offset, broker.Accept)
	s.Flush()
	s.Close()
	n.stop()

	n = start(t, fs)
	defer n.stop()
	s = n.session()
	info := declare(t, s, broker.QueueSpec{Name: "q", Durable: true})
	if info.Ready != 8 {
		t.Fatalf("%d ready after the restart", info.Ready)
	}
	in = newInbox()
	if _, err := s.Attach(broker.AttachOptions{Queue: "q", Credit: 100}, in); err != nil {
		t.Fatal(err)
	}
	got = in.take(t, 8)
	if b := bodies(got); b != "m2 m3 m4 m5 m6 m7 m8 m9" {
		t.Fatalf("delivered %q", b)
	}
	if !got[0].Redelivered || !got[1].Redelivered || got[2].Redelivered {
		t.Errorf("redelivered flags: %v %v %v", got[0].Redelivered, got[1].Redelivered, got[2].Redelivered)
	}
}

func TestReleaseKeepsPosition(t *testing.T) {
	for _, durable := range []bool{false, true} {
		t.Run(fmt.Sprint("durable ", durable), func(t *testing.T) { releaseKeepsPosition(t, durable) })
	}
}

func releaseKeepsPosition(t *testing.T, durable bool) {
	n := start(t, vfs.NewMem())
	defer n.stop()
	s := n.session()
	declare(t, s, broker.QueueSpec{Name: "q", Durable: durable})
	p := newPublisher(s)
	for i := range 3 {
		p.send(t, "", "q", fmt.Sprint("m", i))
	}
	p.wait()
	in := newInbox()
	a, err := s.Attach(broker.AttachOptions{Queue: "q", Credit: 1}, in)
	if err != nil {
		t.Fatal(err)
	}
	got := in.take(t, 1)
	a.Settle(got[0].Offset, got[0].Offset+1, broker.Release)
	a.Credit(2)
	s.Flush()
	got = in.take(t, 3)
	if b := bodies(got); b != "m0 m0 m1" {
		t.Fatalf("delivered %q", b)
	}
	if got[1].Count != 1 || !got[1].Redelivered {
		t.Errorf("second delivery of m0: %+v", got[1])
	}
}

func TestPullAfterReleaseGetsTheReleased(t *testing.T) {
	n := start(t, vfs.NewMem())
	defer n.stop()
	s := n.session()
	declare(t, s, broker.QueueSpec{Name: "q", Durable: true})
	p := newPublisher(s)
	p.send(t, "", "q", "first")
	p.send(t, "", "q", "second")
	p.wait()
	for range 3 {
		got, ok, err := s.Pull("q", false)
		if err != nil || !ok || body(got.Delivery) != "first" {
			t.Fatalf("%v %v %q", err, ok, body(got.Delivery))
		}
		got.Attachment.Settle(got.Delivery.Offset, got.Delivery.Offset+1, broker.Release)
	}
}

func TestRejectWhenFull(t *testing.T) {
	n := start(t, vfs.NewMem())
	defer n.stop()
	s := n.session()
	declare(t, s, broker.QueueSpec{Name: "q", Durable: true, Settings: broker.Settings{MaxLength: ptr(int64(2)), Overflow: ptr(broker.OverflowReject)}})
	p := newPublisher(s)
	for i := range 5 {
		p.send(t, "", "q", fmt.Sprint("m", i))
	}
	p.wait()
	if len(p.no) != 3 || p.no[0].Sequence != 3 || p.no[0].Code != broker.CodeFull {
		t.Fatalf("refused: %+v", p.no)
	}
}

func TestDropHead(t *testing.T) {
	n := start(t, vfs.NewMem())
	defer n.stop()
	s := n.session()
	declare(t, s, broker.QueueSpec{Name: "q", Durable: true, Settings: broker.Settings{MaxLength: ptr(int64(2))}})
	p := newPublisher(s)
	for i := range 5 {
		p.send(t, "", "q", fmt.Sprint("m", i))
	}
	p.wait()
	info := declare(t, s, broker.QueueSpec{Name: "q", Passive: true})
	if info.Ready != 2 {
		t.Fatalf("%d ready", info.Ready)
	}
	d, ok, err := s.Pull("q", true)
	if err != nil || !ok || body(d.Delivery) != "m3" || d.Ready != 1 {
		t.Fatalf("%v %v %q %d", err, ok, body(d.Delivery), d.Ready)
	}
}

func TestBlockedPublisherGoesOnWhenThereIsRoom(t *testing.T) {
	n := start(t, vfs.NewMem())
	defer n.stop()
	s, c := n.session(), n.session()
	declare(t, s, broker.QueueSpec{Name: "q", Durable: true, Settings: broker.Settings{MaxLength: ptr(int64(2)), Overflow: ptr(broker.OverflowBlock)}})
	p := newPublisher(s)
	for i := range 6 {
		p.send(t, "", "q", fmt.Sprint("m", i))
	}
	s.Flush()
	in := newInbox()
	a, err := c.Attach(broker.AttachOptions{Queue: "q", Credit: 1}, in)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 6 {
		d := in.take(t, i+1)[i]
		a.Settle(d.Offset, d.Offset+1, broker.Accept)
		a.Credit(1)
		c.Flush()
	}
	p.wait()
	if b := bodies(in.take(t, 6)); b != "m0 m1 m2 m3 m4 m5" {
		t.Fatalf("delivered %q", b)
	}
	if len(p.no) != 0 {
		t.Fatalf("refused: %+v", p.no)
	}
}

func TestExpiryAnywhereInTheQueue(t *testing.T) {
	n := start(t, vfs.NewMem())
	defer n.stop()
	s := n.session()
	declare(t, s, broker.QueueSpec{Name: "q", Durable: true})
	p := newPublisher(s)
	p.send(t, "", "q", "stays")
	p.send(t, "", "q", "goes", func(m *broker.Outgoing) { m.TTL = 5 })
	p.send(t, "", "q", "stays too")
	p.wait()
	deadline := time.Now().Add(5 * time.Second)
	for {
		info := declare(t, s, broker.QueueSpec{Name: "q", Passive: true})
		if info.Ready == 2 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d ready", info.Ready)
		}
	}
}

func TestDedupWindowSurvivesRestart(t *testing.T) {
	fs := vfs.NewMem()
	n := start(t, fs)
	s := n.session()
	spec := broker.QueueSpec{Name: "q", Durable: true, Settings: broker.Settings{DedupMillis: ptr(int64(60_000))}}
	declare(t, s, spec)
	id := func(m *broker.Outgoing) { m.Dedup = record.DedupID{7} }
	p := newPublisher(s)
	p.send(t, "", "q", "once", id)
	p.send(t, "", "q", "once", id)
	p.wait()
	s.Close()
	n.stop()
	n = start(t, fs)
	defer n.stop()
	s = n.session()
	p = newPublisher(s)
	p.send(t, "", "q", "once", id)
	p.wait()
	if info := declare(t, s, spec); info.Ready != 1 {
		t.Fatalf("%d ready", info.Ready)
	}
}

func TestExclusiveQueueGoesWithItsSession(t *testing.T) {
	n := start(t, vfs.NewMem())
	defer n.stop()
	s, other := n.session(), n.session()
	declare(t, s, broker.QueueSpec{Name: "x", Exclusive: true})
	if _, _, err := other.DeclareQueue(broker.QueueSpec{Name: "x", Exclusive: true}); err == nil || err.Code != broker.CodeLocked {
		t.Fatalf("declared by another: %v", err)
	}
	s.Close()
	if _, _, err := other.DeclareQueue(broker.QueueSpec{Name: "x", Passive: true}); err == nil || err.Code != broker.CodeNotFound {
		t.Fatalf("after the session: %v", err)
	}
}

func TestFanOutStoresTheBodyOncePerShard(t *testing.T) {
	n := start(t, vfs.NewMem(), func(o *broker.Options) { o.Shards = 2 })
	defer n.stop()
	s := n.session()
	if err := s.DeclareExchange(broker.ExchangeSpec{Name: "f", Kind: "fanout", Durable: true}); err != nil {
		t.Fatal(err)
	}
	for i := range 6 {
		name := fmt.Sprint("q", i)
		declare(t, s, broker.QueueSpec{Name: name, Durable: i < 4})
		if err := s.Bind(broker.BindingSpec{Source: "f", Destination: name}); err != nil {
			t.Fatal(err)
		}
	}
	p := newPublisher(s)
	p.send(t, "f", "", "hello")
	p.wait()
	for i := range 6 {
		d, ok, err := s.Pull(fmt.Sprint("q", i), true)
		if err != nil || !ok || body(d.Delivery) != "hello" {
			t.Fatalf("q%d: %v %v", i, ok, err)
		}
	}
}

var loopback = netip.MustParseAddrPort("127.0.0.1:5000")

func TestShardsOfAStoreStay(t *testing.T) {
	fs := vfs.NewMem()
	for _, shards := range []int{3, 1, 4} {
		n := start(t, fs, func(o *broker.Options) { o.Shards = shards })
		s := n.session()
		for i := range 6 {
			name := fmt.Sprint("q", i)
			declare(t, s, broker.QueueSpec{Name: name, Durable: true})
			p := newPublisher(s)
			p.send(t, "", name, fmt.Sprint("with ", shards))
			p.wait()
		}
		s.Close()
		n.stop()
	}
	n := start(t, fs)
	defer n.stop()
	s := n.session()
	for i := range 6 {
		if got := drain(t, s, fmt.Sprint("q", i)); got != "with 3 with 1 with 4 " {
			t.Fatalf("q%d holds %q", i, got)
		}
	}
}

// TestCrashFlagsWhatWasDelivered cuts the power the moment a consumer has its
// messages: every one of them is flagged when it comes again.
func TestCrashFlagsWhatWasDelivered(t *testing.T) {
	fs := vfs.NewMem()
	n := start(t, fs)
	s := n.session()
	declare(t, s, broker.QueueSpec{Name: "q", Durable: true})
	declare(t, s, broker.QueueSpec{Name: "untouched", Durable: true})
	p := newPublisher(s)
	for i := range 10 {
		p.send(t, "", "q", fmt.Sprint("m", i))
		p.send(t, "", "untouched", "x")
	}
	p.wait()
	in := newInbox()
	if _, err := s.Attach(broker.AttachOptions{Queue: "q", Credit: 4}, in); err != nil {
		t.Fatal(err)
	}
	in.take(t, 4)
	after := fs.CrashClone(func() bool { return false })
	n.stop()

	n = start(t, after)
	defer n.stop()
	s = n.session()
	in = newInbox()
	if _, err := s.Attach(broker.AttachOptions{Queue: "q", Credit: 10}, in); err != nil {
		t.Fatal(err)
	}
	for _, d := range in.take(t, 10)[:4] {
		if !d.Redelivered {
			t.Errorf("%s is not flagged", body(d))
		}
	}
	if d, ok, err := s.Pull("untouched", true); err != nil || !ok || d.Delivery.Redelivered {
		t.Errorf("untouched: %v %v %v", ok, err, d.Delivery.Redelivered)
	}
}
