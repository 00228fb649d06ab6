package sim

import (
	"sync"
	"time"

	"weir/internal/clock"
)

// life is one run of a node's process, from its start to its end. What the process
// asks of its machine passes the gate: it waits there while the process is paused,
// and for ever once it has ended.
type life struct {
	node    *Node
	number  int
	private bool // nothing of it counts
	clock   *nodeClock
	mu      sync.Mutex
	ended   bool
	paused  chan struct{} // closed when it goes on; nil while it runs
}

// newLife makes a process of the node.
func newLife(n *Node, number int) *life {
	l := &life{node: n, number: number}
	l.clock = newNodeClock(l)
	return l
}

// gate lets the caller on while the process runs.
func (l *life) gate() {
	for {
		l.mu.Lock()
		ended, paused := l.ended, l.paused
		l.mu.Unlock()
		switch {
		case ended:
			select {} // the process is no more, and nothing of it runs
		case paused == nil:
			return
		}
		<-paused
	}
}

func (l *life) over() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.ended
}

// end stops the process. False says that it was over already.
func (l *life) end() bool {
	l.resume()
	l.mu.Lock()
	defer l.mu.Unlock()
	was := l.ended
	l.ended = true
	return !was
}

func (l *life) pause() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.paused == nil && !l.ended {
		l.paused = make(chan struct{})
	}
}

func (l *life) resume() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.paused != nil {
		close(l.paused)
		l.paused = nil
	}
}

// nodeClock is what a process sees of time: the world's, wrong by the node's skew.
// Timers run on the world's time, as they do on a real machine's monotonic clock.
type nodeClock struct {
	life   *life
	steady *clock.Steady
}

func newNodeClock(l *life) *nodeClock {
	return &nodeClock{life: l, steady: clock.NewSteady(clock.Source{
		Now: func() (wall, elapsed int64) {
			return time.Now().Add(l.node.skewed()).UnixNano(), int64(time.Since(l.node.world.began))
		},
		Slept: func() int64 { return 0 },
	})}
}

func (c *nodeClock) Now() time.Time { return time.Now().Add(c.life.node.skewed()).Round(0) }
func (c *nodeClock) Millis() int64  { return c.steady.Millis() }

func (c *nodeClock) AfterFunc(d time.Duration, f func()) clock.Timer {
	return time.AfterFunc(d, func() {
		c.life.gate()
		f()
	})
}
