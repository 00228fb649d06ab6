package cursor

import "weir/internal/record"

// timer says that something about a message is due at a unix millisecond.
type timer struct {
	at int64
	o  record.Offset
}

func (t timer) before(u timer) bool {
	return t.at < u.at || t.at == u.at && t.o < u.o
}

// timers is a heap, earliest first and then by offset. Entries are not taken
// out when their message is settled: push sweeps once the heap has doubled.
type timers struct {
	heap    []timer
	sweepAt int
}

// sweepMin keeps small heaps from being swept all the time.
const sweepMin = 256

// push adds a timer; wanted tells which offsets still deserve theirs.
func (h *timers) push(t timer, wanted *Set) {
	if len(h.heap) >= max(h.sweepAt, sweepMin) {
		h.sweep(wanted)
	}
	h.heap = append(h.heap, t)
	i := len(h.heap) - 1
	for i > 0 {
		parent := (i - 1) / 2
		if !t.before(h.heap[parent]) {
			break
		}
		h.heap[i] = h.heap[parent]
		i = parent
	}
	h.heap[i] = t
}

// sweep drops the timers whose offset is not wanted any more.
func (h *timers) sweep(wanted *Set) {
	kept := h.heap[:0]
	for _, t := range h.heap {
		if wanted.Contains(t.o) {
			kept = append(kept, t)
		}
	}
	if len(kept) == 0 && cap(kept) > 4*sweepMin {
		kept = nil
	}
	h.heap = kept
	for i := len(kept)/2 - 1; i >= 0; i-- {
		h.down(i)
	}
	h.sweepAt = 2 * len(kept)
}

// top returns the earliest wanted timer, dropping others that are before it.
func (h *timers) top(wanted *Set) (timer, bool) {
	for len(h.heap) > 0 {
		if wanted.Contains(h.heap[0].o) {
			return h.heap[0], true
		}
		h.pop()
	}
	return timer{}, false
}

func (h *timers) pop() {
	last := len(h.heap) - 1
	h.heap[0] = h.heap[last]
	h.heap = h.heap[:last]
	if last > 0 {
		h.down(0)
	} else if cap(h.heap) > 4*sweepMin {
		h.heap = nil
	}
}

func (h *timers) down(i int) {
	t := h.heap[i]
	for {
		child := 2*i + 1
		if child >= len(h.heap) {
			break
		}
		if child+1 < len(h.heap) && h.heap[child+1].before(h.heap[child]) {
			child++
		}
		if !h.heap[child].before(t) {
			break
		}
		h.heap[i] = h.heap[child]
		i = child
	}
	h.heap[i] = t
}
