package broker_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"weir/internal/broker"
	"weir/internal/vfs"
)

// long says that a test should be exhaustive where it usually samples.
func long() bool { return os.Getenv("WEIR_LONG") != "" }

var errDevice = errors.New("input/output error")

// fatality is the end of a process that a test lives through.
type fatality struct {
	once sync.Once
	c    chan struct{}
	err  error
}

func (f *fatality) fatal(err error) {
	f.once.Do(func() {
		f.err = err
		close(f.c)
	})
}

// TestDeviceErrors lets one operation after the other fail for good. The process
// has to be told to end, and what was confirmed until then has to be there after
// a power cut.
func TestDeviceErrors(t *testing.T) {
	stride := 23
	if long() {
		stride = 3
	}
	rng := rand.New(rand.NewPCG(7, 7))
	tried := 0
	n := 1
	for ; deviceError(t, n, rng) && !t.Failed(); n += 1 + rng.IntN(2*stride-1) {
		tried++
	}
	t.Logf("%d of %d changes failed", tried, n)
}

// deviceError lets change n and all later ones fail. It reports false when there
// are not that many.
func deviceError(t *testing.T, n int, rng *rand.Rand) bool {
	disk := vfs.NewMem()
	f := &fatality{c: make(chan struct{})}
	var count atomic.Int64
	var what atomic.Value
	fs := vfs.Inject(disk, func(op vfs.Op) error {
		if !op.Kind.Changes() || op.Kind == vfs.OpMkdir || count.Add(1) < int64(n) {
			return nil
		}
		what.CompareAndSwap(nil, fmt.Sprint("change ", n, ": ", op.Kind, " ", op.Name))
		return errDevice
	})
	o := broker.Options{FS: fs, Dir: "data", Fatal: f.fatal}
	tiny(&o)
	opened := make(chan error, 1)
	var b *broker.Broker
	go func() {
		var err error
		b, err = broker.Open(o)
		opened <- err
	}()
	select {
	case err := <-opened:
		if err != nil {
			return true // refused to start: nothing was promised
		}
	case <-f.c:
		return true
	case <-time.After(10 * time.Second):
		t.Fatalf("%v: start-up neither ends nor fails", what.Load())
	}
	var h history
	if workUntil(&node{b, t}, &h, 600, f.c) {
		select {
		case <-f.c:
		default:
			if what.Load() == nil {
				b.Close()
				return false
			}
			// The failed operation belongs to work in the background.
			select {
			case <-f.c:
			case <-time.After(5 * time.Second):
				t.Errorf("%v: the process goes on", what.Load())
			}
		}
	}
	go b.Close() // of no use to anybody any more
	s := scene{what: fmt.Sprint(what.Load()), disk: disk.CrashClone(func() bool { return rng.IntN(2) == 0 })}
	for i := range queuesUnderTest {
		s.confirmed[i], s.settled[i] = int(h.confirmed[i].Load()), int(h.settled[i].Load())
	}
	checkScene(t, &s)
	return true
}

// workUntil is like work, but ends where the process would. It reports whether it
// got to its own end.
func workUntil(n *node, h *history, messages int, end chan struct{}) bool {
	finished := make(chan bool, 1)
	go func() { finished <- workOnce(n, h, messages, end) }()
	select {
	case ok := <-finished:
		return ok
	case <-end:
		return false
	case <-time.After(20 * time.Second):
		n.t.Error("neither work nor an end of the process")
		return false
	}
}

func workOnce(n *node, h *history, messages int, end chan struct{}) bool {
	s, err := n.Open(broker.Principal{User: "guest"}, broker.SessionOptions{Namespace: "/"})
	if err != nil {
		return false
	}
	var publishers [queuesUnderTest]*broker.Publisher
	confirmed := make(chan struct{}, 2*messages)
	for i := range queuesUnderTest {
		if _, _, err := s.DeclareQueue(broker.QueueSpec{Name: queueName(i), Durable: true}); err != nil {
			return false
		}
		publishers[i] = s.Publisher(func(done broker.Completion) {
			h.confirmed[i].Store(int64(done.Last))
			confirmed <- struct{}{}
		})
	}
	for m := 0; m < messages; m += 10 {
		for i, p := range publishers {
			for k := range 10 {
				out := &broker.Outgoing{Key: []byte(queueName(i)), TTL: -1, Dialect: 1, Native: [3][]byte{nil, nil, message(i, m+k)}}
				if _, err := p.Publish(out); err != nil {
					return false
				}
			}
		}
		s.Flush()
		for range publishers {
			select {
			case <-confirmed:
			case <-end:
				return false
			}
		}
		h.settled[0].Store(int64(m + 5))
		for range 5 {
			if _, _, err := s.Pull(queueName(0), true); err != nil {
				return false
			}
		}
	}
	return true
}

// TestPowerCutDuringRecovery cuts the power during load, during the recovery from
// that, and during the recovery from this.
func TestPowerCutDuringRecovery(t *testing.T) {
	runs := 25
	if long() {
		runs = 500
	}
	for seed := range uint64(runs) {
		rng := rand.New(rand.NewPCG(seed, 3))
		disk := vfs.NewMem()
		s := cutAt(t, disk, rng, 200+rng.IntN(800), func(n *node, h *history) { work(t, n, h, 400) })
		for range 2 {
			again := cutAt(t, s.disk, rng, 1+rng.IntN(40), func(*node, *history) {})
			s.disk = again.disk
		}
		s.what = fmt.Sprint("seed ", seed)
		checkScene(t, s)
		if t.Failed() {
			return
		}
	}
}

// cutAt starts a broker, lets it work and cuts the power before change n, or at
// the end.
func cutAt(t *testing.T, disk *vfs.Mem, rng *rand.Rand, n int, f func(n *node, h *history)) *scene {
	t.Helper()
	var h history
	var mu sync.Mutex
	var s *scene
	count := 0
	fs := vfs.Inject(disk, func(op vfs.Op) error {
		mu.Lock()
		defer mu.Unlock()
		if !op.Kind.Changes() {
			return nil
		}
		if count++; count == n {
			s = &scene{}
			for i := range queuesUnderTest {
				s.confirmed[i] = int(h.confirmed[i].Load())
			}
			s.disk = disk.CrashClone(func() bool { return rng.IntN(2) == 0 })
			for i := range queuesUnderTest {
				s.settled[i] = int(h.settled[i].Load())
			}
		}
		return nil
	})
	node := start(t, fs, tiny)
	f(node, &h)
	node.stop()
	if s == nil {
		s = &scene{disk: disk}
		for i := range queuesUnderTest {
			s.confirmed[i], s.settled[i] = int(h.confirmed[i].Load()), int(h.settled[i].Load())
		}
	}
	return s
}

// files lists what is on the disk below dir.
func files(t *testing.T, fs vfs.FS, dir string) (found []string) {
	t.Helper()
	names, err := fs.List(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		full := path.Join(dir, name)
		if _, err := fs.List(full); err == nil {
			found = append(found, files(t, fs, full)...)
		} else {
			found = append(found, full)
		}
	}
	return found
}

// TestBitFlip flips bits in the files of a stopped broker. A start either is
// refused with the place of the damage, or the process ends when it comes across
// it, or all that was confirmed is served as it was.
func TestBitFlip(t *testing.T) {
	disk := vfs.NewMem()
	n := start(t, disk, tiny)
	var h history
	work(t, n, &h, 60)
	n.stop()
	n = start(t, disk, tiny) // and some messages in the log only
	s := n.session()
	p := s.Publisher(func(c broker.Completion) { h.confirmed[2].Store(60 + int64(c.Last)) })
	for i := range 20 {
		if _, err := p.Publish(&broker.Outgoing{Key: []byte(queueName(2)), TTL: -1, Dialect: 1, Native: [3][]byte{nil, nil, message(2, 60+i)}}); err != nil {
			t.Fatal(err)
		}
	}
	s.Flush()
	eventually(t, "all confirmed", func() bool { return h.confirmed[2].Load() == 80 })
	n.stop()
	stride := 97
	if long() {
		stride = 1
	}
	rng := rand.New(rand.NewPCG(1, 2))
	refused, ended, intact := 0, 0, 0
	for _, name := range files(t, disk, "data") {
		f, err := disk.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		size, err := f.Size()
		if err != nil {
			t.Fatal(err)
		}
		for at := int64(rng.IntN(stride)); at < size; at += 1 + int64(rng.IntN(2*stride-1)) {
			if at > 2000 && !long() {
				at += size / 8
			}
			switch flipped(t, disk, name, at, byte(1<<rng.IntN(8)), &h) {
			case "refused":
				refused++
			case "ended":
				ended++
			default:
				intact++
			}
			if t.Failed() {
				return
			}
		}
	}
	t.Logf("%d refused at the start, %d ended later, %d intact", refused, ended, intact)
}

// flipped says what becomes of one flipped bit.
func flipped(t *testing.T, disk *vfs.Mem, name string, at int64, bit byte, h *history) string {
	t.Helper()
	clone := disk.CrashClone(func() bool { return true })
	f, err := clone.OpenReadWrite(name)
	if err != nil {
		t.Fatal(err)
	}
	var b [1]byte
	if _, err := f.ReadAt(b[:], at); err != nil {
		return "intact"
	}
	b[0] ^= bit
	if _, err := f.WriteAt(b[:], at); err != nil {
		t.Fatal(err)
	}
	what := fmt.Sprintf("%s: bit %#x at %d", name, bit, at)
	end := &fatality{c: make(chan struct{})}
	o := broker.Options{FS: clone, Dir: "data", Fatal: end.fatal}
	tiny(&o)
	n, err := broker.Open(o)
	if err != nil {
		if !errors.Is(err, vfs.ErrCorrupt) {
			t.Errorf("%s: refused without the place: %v", what, err)
		}
		return "refused"
	}
	checked := make(chan struct{})
	go func() {
		defer close(checked)
		checkIntact(t, &node{n, t}, what, h, end.c)
	}()
	select {
	case <-end.c:
		go n.Close()
		if !errors.Is(end.err, vfs.ErrCorrupt) {
			t.Errorf("%s: ended without the place: %v", what, end.err)
		}
		return "ended"
	case <-checked:
		go n.Close()
		return "intact"
	case <-time.After(10 * time.Second):
		t.Errorf("%s: neither served nor ended", what)
		return "ended"
	}
}

func checkIntact(t *testing.T, n *node, what string, h *history, end chan struct{}) {
	session := n.session()
	for i := range queuesUnderTest {
		next := -1
		take := taking(session, i)
		for {
			d, ok, err := take()
			select {
			case <-end:
				return
			default:
			}
			if err != nil {
				t.Errorf("%s: %v", what, err)
				return
			}
			if !ok {
				break
			}
			number, err2 := parse(i, body(d))
			if err2 != nil || next >= 0 && number != next || next < 0 && number > int(h.settled[i].Load()) {
				t.Errorf("%s: queue %d: %q where %d was due", what, i, body(d), next)
				return
			}
			next = number + 1
		}
		if next < int(h.confirmed[i].Load()) {
			t.Errorf("%s: queue %d ends at %d, %d were confirmed", what, i, next, h.confirmed[i].Load())
		}
	}
}
