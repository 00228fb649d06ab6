package broker

import (
	"sync"

	"weir/internal/meta"
	"weir/internal/shard"
)

// reconfigureAtOnce bounds how many logs change in one entry.
const reconfigureAtOnce = 1000

// reconfigure gives the logs of queues on one shard the settings that now hold.
// It runs while messages go in and out.
func (e *engine) reconfigure(h *host, queues []*meta.Queue) {
	now := queues[:min(len(queues), reconfigureAtOnce)]
	rest := queues[len(now):]
	e.changes.begin()
	ok := h.submit(nil, []op{{kind: opCall, call: func(m *shard.Machine) {
		for _, q := range now {
			if e.expected(q.Log) {
				m.Open(q.Log, shardConfig(q))
			}
		}
		if m.Pending() == 0 { // all of them are gone
			e.changes.end()
			return
		}
		h.afterApplied(func() {
			if len(rest) > 0 {
				e.reconfigure(h, rest)
			}
			e.changes.end()
		})
	}}})
	if !ok {
		e.changes.end()
	}
}

// changes counts reconfigurations under way, for those who wait for theirs.
type changes struct {
	mu struct {
		sync.Mutex
		count int
		idle  []chan struct{} // closed when the count is 0
	}
}

func (c *changes) begin() {
	c.mu.Lock()
	c.mu.count++
	c.mu.Unlock()
}

func (c *changes) end() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.mu.count--; c.mu.count > 0 {
		return
	}
	for _, w := range c.mu.idle {
		close(w)
	}
	c.mu.idle = nil
}

// wait returns when nothing is under way, or the broker has closed.
func (c *changes) wait(closed <-chan struct{}) {
	c.mu.Lock()
	if c.mu.count == 0 {
		c.mu.Unlock()
		return
	}
	w := make(chan struct{})
	c.mu.idle = append(c.mu.idle, w)
	c.mu.Unlock()
	select {
	case <-w:
	case <-closed:
	}
}
