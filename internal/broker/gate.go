package broker

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"weir/internal/clock"
	"weir/internal/shard"
	"weir/internal/vfs"
)

const (
	// gatePeriod is how often pressure is looked at.
	gatePeriod = 20 * time.Millisecond
	// waitingBytesMax of handed-over messages may be on their way to the disk
	// before publishers wait; it bounds memory, not rate.
	waitingBytesMax = 64 << 20
	// waitingBytesMin may be so even where there is little memory.
	waitingBytesMin = 8 << 20
)

// gate holds publishers back while the engine is short of memory or disk.
type gate struct {
	mu struct {
		sync.Mutex
		reason string        // empty: open
		opened chan struct{} // closed when it opens
		closed bool
	}
	timer clock.Timer
}

func (g *gate) init() { g.mu.opened = make(chan struct{}) }

// wait blocks while the gate is shut, the session lives and the engine runs.
func (g *gate) wait(s *Session) {
	for {
		g.mu.Lock()
		reason, opened, closed := g.mu.reason, g.mu.opened, g.mu.closed
		g.mu.Unlock()
		if reason == "" || closed {
			return
		}
		if s.options.Pressure != nil && reason != reasonBusy {
			s.options.Pressure(true, reason)
		}
		select {
		case <-opened:
			if s.options.Pressure != nil && reason != reasonBusy {
				s.options.Pressure(false, "")
			}
		case <-s.killed:
			return
		}
	}
}

// The reasons a gate is shut. The busy one passes in milliseconds, so that nobody
// is told of it.
const (
	reasonBusy   = "busy"
	reasonMemory = "low on memory"
	reasonDisk   = "low on disk"
)

func (g *gate) loop(e *engine) {
	tick := make(chan struct{}, 1)
	g.mu.Lock()
	g.timer = e.options.Clock.AfterFunc(gatePeriod, func() { tick <- struct{}{} })
	g.mu.Unlock()
	for range tick {
		g.mu.Lock()
		closed := g.mu.closed
		g.mu.Unlock()
		if closed {
			return
		}
		g.set(e.pressure())
		e.relieve()
		if e.wal.Roomy() {
			for _, id := range e.durable {
				e.hosts[id].resume()
			}
			e.control.retryStalled()
			e.takeBallast()
		}
		g.timer.Reset(gatePeriod)
	}
}

// relieve makes every shard that holds log files back make a checkpoint.
func (e *engine) relieve() {
	if !e.walCrowded() && e.wal.Roomy() {
		return
	}
	e.control.poke()
	for _, id := range e.durable {
		e.hosts[id].poke()
	}
}

// takeBallast keeps room for later needs; with none it is tried again.
func (e *engine) takeBallast() {
	if err := e.ballast.take(); err != nil && !errors.Is(err, vfs.ErrFull) {
		e.fail(fmt.Errorf("ballast: %w", err))
	}
}

func (g *gate) set(reason string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if reason == "" && g.mu.reason != "" {
		close(g.mu.opened)
		g.mu.opened = make(chan struct{})
	}
	g.mu.reason = reason
}

func (g *gate) close() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.mu.closed = true
	close(g.mu.opened)
	g.mu.opened = make(chan struct{})
}

// pressure says why publishers should wait, or nothing.
func (e *engine) pressure() string {
	if !e.wal.Roomy() {
		return reasonDisk
	}
	var tail, waiting int64
	for _, h := range e.hosts {
		tail += h.tailBytes.Load()
		waiting += h.waiting.Load()
	}
	switch {
	case tail > 2*e.options.TailBytes:
		return reasonMemory
	case waiting > min(waitingBytesMax, max(e.options.TailBytes/2, waitingBytesMin)):
		return reasonBusy
	}
	return ""
}

// resume writes again what found no room in the write-ahead log, and proposes
// what was not even tried.
func (h *host) resume() {
	switch {
	case h.group.Stalled():
		h.submit(nil, []op{{kind: opCall, call: func(*shard.Machine) { h.group.Retry() }}})
	case h.waiting.Load() > 0:
		h.poke()
	}
}

func (c *control) retryStalled() {
	if c.group.Stalled() {
		c.call(func() { c.group.Retry() })
	}
}
