package sim

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"time"

	"weir/internal/replica"
	"weir/internal/server"
	"weir/internal/vfs"
)

const (
	dataDir   = "data"
	amqpPort  = 5672
	kafkaPort = 9092
)

// Node is a machine with a disk and a clock, on which processes of the broker live
// one after the other.
type Node struct {
	world  *World
	name   string
	ip     string
	disk   *disk
	config server.Config

	mu     sync.Mutex
	skew   time.Duration
	life   *life
	server *server.Server // of the life, once it is ready
	lives  int
	ends   []int64       // how far the broker's time was in each life that has ended
	up     chan struct{} // closed when the present life is ready
}

func newNode(w *World, number int) *Node {
	n := &Node{world: w, name: fmt.Sprintf("node%d", number), ip: fmt.Sprintf("127.0.0.%d", number), disk: newDisk(w)}
	c := server.Default()
	c.Data = dataDir
	c.Listen.AMQP, c.Listen.Kafka, c.Listen.HTTP = n.address(amqpPort), n.address(kafkaPort), "off"
	// Small files and little memory take short lives through every stage of storage.
	c.Storage.Shards = 1 + w.dice.n(3)
	c.Storage.TailBytes = []int64{64 << 10, 1 << 20, 64 << 20}[w.dice.n(3)]
	c.Storage.WALFileBytes = []int64{256 << 10, 1 << 20, 4 << 20}[w.dice.n(3)]
	c.Log.Level = "warn"
	n.config = c
	w.note(n.name, "shards %d, tail %d, log files of %d", c.Storage.Shards, c.Storage.TailBytes, c.Storage.WALFileBytes)
	return n
}

func (n *Node) address(port int) string { return net.JoinHostPort(n.ip, fmt.Sprint(port)) }

// alone says that the node has no peers that could know more than it does.
func (n *Node) alone() bool { return len(n.world.nodes) == 1 }

func (n *Node) skewed() time.Duration {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.skew
}

// jump sets the wall clock forward or back.
func (n *Node) jump(by time.Duration) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.skew += by
}

// living returns the present life, nil between two.
func (n *Node) living() *life {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.life
}

// start begins a life. It does not wait until it is ready.
func (n *Node) start() {
	n.mu.Lock()
	n.lives++
	number := n.lives
	n.mu.Unlock()
	l, up := newLife(n, number), make(chan struct{})
	n.mu.Lock()
	n.life, n.server, n.up = l, nil, up
	n.mu.Unlock()
	n.world.net.power(n.ip, true)
	n.world.note(n.name, "life %d starts", l.number)
	go n.run(l, up)
}

// launch starts the broker in a life.
func (n *Node) launch(l *life, d *disk, network *Network, eye replica.Observer) (*server.Server, error) {
	return server.StartOn(server.Environment{
		FS: d.fs(l), Clock: l.clock, Log: nodeLog{l}, Observer: eye,
		Exit: func(status int) {
			n.exited(l, status)
			l.gate()
		},
		Listen: func(_ context.Context, _, address string) (net.Listener, error) {
			l.gate()
			return network.listen(l, address)
		},
	}, n.config)
}

func (n *Node) run(l *life, up chan struct{}) {
	eye := n.world.seen.observe(l)
	s, err := n.launch(l, n.disk, n.world.net, eye)
	l.gate()
	if err != nil {
		n.refused(l, err)
		return
	}
	eye.ready()
	n.mu.Lock()
	n.server = s
	n.mu.Unlock()
	n.world.note(n.name, "life %d is ready", l.number)
	close(up)
}

// refused ends a life that could not begin.
func (n *Node) refused(l *life, err error) {
	if errors.Is(err, errDevice) || errors.Is(err, vfs.ErrFull) {
		n.world.note(n.name, "life %d does not start: %v", l.number, err)
	} else {
		n.world.violated(n.name, "life %d does not start: %v", l.number, err)
	}
	n.exited(l, 1)
}

// exited notices that a process has ended itself.
func (n *Node) exited(l *life, status int) {
	if l.end() {
		n.world.note(n.name, "life %d exits with %d", l.number, status)
		if !l.private {
			n.buried(l, true, n.world.dice.keep())
		}
	}
}

// kill ends the process as SIGKILL does: the kernel lives, and has what was written.
func (n *Node) kill() {
	if l := n.living(); l != nil && l.end() {
		n.world.note(n.name, "life %d is killed", l.number)
		n.buried(l, true, 1)
	}
}

// cut takes the power: of what was not synced, a random part is left.
func (n *Node) cut() {
	if l := n.living(); l != nil && l.end() {
		share := n.world.dice.keep()
		n.world.note(n.name, "life %d has no power, %.0f %% of what was not synced is left", l.number, 100*share)
		n.world.net.power(n.ip, false)
		n.buried(l, false, share)
	}
}

// stop ends the process in order.
func (n *Node) stop() {
	n.mu.Lock()
	l, s := n.life, n.server
	n.mu.Unlock()
	if l == nil || s == nil {
		n.kill()
		return
	}
	n.world.note(n.name, "life %d is asked to stop", l.number)
	closed := make(chan error, 1)
	go func() { closed <- s.Close() }()
	select {
	case err := <-closed:
		if err != nil && !l.over() {
			n.world.note(n.name, "life %d stops: %v", l.number, err)
		}
	case <-time.After(time.Minute):
		if !l.over() {
			n.world.violated(n.name, "life %d does not stop", l.number)
		}
	}
	if l.end() {
		n.world.note(n.name, "life %d has stopped", l.number)
		n.buried(l, true, 1)
	}
}

// buried leaves of an ended life what its disk has.
func (n *Node) buried(l *life, kernel bool, share float64) {
	n.world.net.abandon(l, kernel)
	n.disk.crash(share)
	end := l.clock.Millis()
	n.mu.Lock()
	defer n.mu.Unlock()
	for len(n.ends) < l.number {
		n.ends = append(n.ends, 0)
	}
	n.ends[l.number-1] = end
	if n.life == l {
		n.life, n.server = nil, nil
	}
}

// reached is how far the broker's time was at most in the ended lives from one to
// another.
func (n *Node) reached(from, to *life) int64 {
	n.mu.Lock()
	defer n.mu.Unlock()
	return slices.Max(n.ends[from.number-1 : to.number-1])
}

// keep is a share of unsynced writes that outlive a power cut.
func (d *dice) keep() float64 { return []float64{0, 0.1, 0.5, 0.9, 1}[d.n(5)] }

// nodeLog writes what a process says of itself into the history.
type nodeLog struct{ life *life }

func (o nodeLog) Write(p []byte) (int, error) {
	o.life.gate()
	_, text, _ := strings.Cut(strings.TrimSpace(string(p)), " ") // without its own time
	o.life.node.world.note(o.life.node.name, "says %s", text)
	return len(p), nil
}
