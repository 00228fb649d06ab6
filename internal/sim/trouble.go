package sim

import (
	"fmt"
	"slices"
	"time"
)

// trouble is one kind of fault. make brings it about and returns what ends it, if
// that needs doing.
type trouble struct {
	name string
	make func(w *World, n *Node) func()
}

var troubles = []trouble{
	{"power", func(w *World, n *Node) func() { n.cut(); w.again(n); return nil }},
	{"kill", func(w *World, n *Node) func() { n.kill(); w.again(n); return nil }},
	{"restart", func(w *World, n *Node) func() { n.stop(); w.again(n); return nil }},
	{"pause", pauseNode},
	{"device", breakDevice},
	{"full", fillDisk},
	{"slow", slowDisk},
	{"stall", stallDisk},
	{"flip", flipBit},
	{"clock", jumpClock},
	{"partition", func(w *World, n *Node) func() {
		return w.disturb(n, true, true, func(c *conditions) { c.cut = true }, "cut off")
	}},
	{"oneway", func(w *World, n *Node) func() {
		in := w.dice.is(0.5)
		return w.disturb(n, in, !in, func(c *conditions) { c.cut = true }, "cut off one way")
	}},
	{"loss", func(w *World, n *Node) func() {
		return w.disturb(n, true, true, func(c *conditions) { c.loss, c.twice = 0.3, 0.2 }, "losing and doubling segments")
	}},
	{"delay", func(w *World, n *Node) func() {
		return w.disturb(n, true, true, func(c *conditions) { c.delay, c.variation = 20*time.Millisecond, 200*time.Millisecond }, "far away")
	}},
	{"reset", func(w *World, _ *Node) func() {
		if w.net.breakOne() {
			w.note("world", "a connection is reset")
		}
		return nil
	}},
}

// Lies is a kind of trouble that no broker survives, to see that it is noticed: a
// disk that does not sync what it says it has.
const Lies = "lies"

// makeTrouble lets things go wrong until the time is over, then puts everything
// right.
func (w *World) makeTrouble() {
	kinds := slices.Clone(troubles)
	if w.options.Faults != nil {
		kinds = slices.DeleteFunc(kinds, func(t trouble) bool { return !slices.Contains(w.options.Faults, t.name) })
	}
	for _, n := range w.nodes {
		n.disk.lies = slices.Contains(w.options.Faults, Lies)
	}
	for time.Since(w.began) < w.options.Length {
		time.Sleep(w.dice.between(100*time.Millisecond, 4*time.Second))
		if len(kinds) == 0 {
			continue
		}
		t := kinds[w.dice.n(len(kinds))]
		n := w.nodes[w.dice.n(len(w.nodes))]
		if end := t.make(w, n); end != nil {
			time.Sleep(w.dice.between(50*time.Millisecond, 6*time.Second))
			end()
		}
		w.revive()
	}
	w.net.heal()
	w.note("world", "no more trouble")
}

// again starts a node after a while; sometimes it ends anew while it recovers.
func (w *World) again(n *Node) {
	time.Sleep(w.dice.between(0, 3*time.Second))
	for w.dice.is(0.3) {
		n.start()
		time.Sleep(w.dice.between(0, 20*time.Millisecond))
		if w.dice.is(0.5) {
			n.cut()
		} else {
			n.kill()
		}
	}
	n.start()
}

// revive starts the nodes that have ended by themselves, as a supervisor does.
func (w *World) revive() {
	for _, n := range w.nodes {
		if n.living() == nil {
			n.start()
		}
	}
}

func pauseNode(w *World, n *Node) func() {
	l := n.living()
	if l == nil {
		return nil
	}
	l.pause()
	w.note(n.name, "life %d is paused", l.number)
	return func() {
		l.resume()
		w.note(n.name, "life %d goes on", l.number)
	}
}

func breakDevice(w *World, n *Node) func() {
	n.disk.mu.Lock()
	n.disk.broken = 1 + w.dice.n(50)
	w.note(n.name, "the %d. change of the disk will fail", n.disk.broken)
	n.disk.mu.Unlock()
	return func() {
		n.disk.mu.Lock()
		n.disk.broken = 0
		n.disk.mu.Unlock()
	}
}

func fillDisk(w *World, n *Node) func() {
	left := int64(w.dice.n(600_000))
	n.disk.fill(left)
	w.note(n.name, "the disk has %d bytes left", left)
	return func() {
		n.disk.fill(-1)
		w.note(n.name, "the disk has room again")
	}
}

func slowDisk(w *World, n *Node) func() {
	n.disk.mu.Lock()
	n.disk.slow = w.dice.between(time.Millisecond, 50*time.Millisecond)
	w.note(n.name, "the disk takes %v longer", n.disk.slow)
	n.disk.mu.Unlock()
	return func() {
		n.disk.mu.Lock()
		n.disk.slow = 0
		n.disk.mu.Unlock()
		w.note(n.name, "the disk is fast again")
	}
}

func stallDisk(w *World, n *Node) func() {
	n.disk.mu.Lock()
	defer n.disk.mu.Unlock()
	n.disk.stall = w.dice.between(50*time.Millisecond, 20*time.Second)
	w.note(n.name, "the next sync takes %v", n.disk.stall)
	return nil
}

func jumpClock(w *World, n *Node) func() {
	by := []time.Duration{-24 * time.Hour, -time.Hour, -time.Second, time.Second, time.Hour, 24 * time.Hour}[w.dice.n(6)]
	n.jump(by)
	w.note(n.name, "the clock jumps by %v", by)
	return nil
}

// disturb changes the conditions between a node and everybody else.
func (w *World) disturb(n *Node, in, out bool, f func(c *conditions), what string) func() {
	var others []string
	for _, o := range w.nodes {
		if o != n {
			others = append(others, o.ip)
		}
	}
	for i := range w.clients {
		others = append(others, fmt.Sprintf("127.0.1.%d", i+1))
	}
	for _, ip := range others {
		if in {
			w.net.alter(ip, n.ip, f)
		}
		if out {
			w.net.alter(n.ip, ip, f)
		}
	}
	w.note(n.name, "is %s: in %v, out %v", what, in, out)
	return func() {
		w.net.heal()
		w.note(n.name, "is reached again")
	}
}
