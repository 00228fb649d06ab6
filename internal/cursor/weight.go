package cursor

import "weir/internal/record"

// weight keeps the bytes of the unsettled messages. Without an exact limit to
// hold it knows a sum per chunk, and a settled message takes the average of its
// chunk along; with one it knows each message.
//
// An entry of chunks is sum<<weightCountBits | messages counted.
type weight struct {
	total  int64
	chunks directory
	exact  *paged[uint32]
}

const (
	weightCountBits = chunkShift + 1
	weightCountMask = 1<<weightCountBits - 1
)

func (w *weight) add(o record.Offset, bytes uint32) {
	w.total += int64(bytes)
	if w.exact != nil {
		w.total -= int64(w.exact.set(o, bytes))
		return
	}
	key := uint64(o) >> chunkShift
	i, ok := w.chunks.exact(key)
	if !ok {
		i++
		w.chunks.insert(i, entry{key: key})
	}
	e := w.chunks.at(i)
	e.v += uint64(bytes) << weightCountBits
	if e.v&weightCountMask < chunkBits {
		e.v++
	}
}

// of returns the bytes of one message; it is exact only where sizes are kept.
func (w *weight) of(lo, hi record.Offset) int64 {
	if w.exact == nil {
		return 0
	}
	if lo+1 == hi {
		return int64(w.exact.get(lo))
	}
	return w.exact.sum(lo, hi)
}

// drop forgets n settled messages of [lo, hi), which lies within one chunk
// unless sizes are exact.
func (w *weight) drop(lo, hi record.Offset, n uint64) {
	if w.exact != nil {
		w.total -= w.exact.drop(lo, hi)
		return
	}
	i, ok := w.chunks.exact(uint64(lo) >> chunkShift)
	if !ok {
		return
	}
	e := w.chunks.at(i)
	sum, count := e.v>>weightCountBits, e.v&weightCountMask
	if n >= count {
		w.total -= int64(sum)
		w.chunks.remove(i, 1)
		return
	}
	taken := sum / count * n
	w.total -= int64(taken)
	e.v = (sum-taken)<<weightCountBits | (count - n)
}

// reset forgets what an averaged sum may have left of messages described twice.
func (w *weight) reset() {
	w.total = 0
	if n := w.chunks.len(); n > 0 {
		w.chunks.remove(0, n)
	}
}

// setExact begins or ends keeping a size for each of the unsettled messages.
func (w *weight) setExact(exact bool, unsettled *Set) {
	if exact == (w.exact != nil) {
		return
	}
	old := *w
	*w = weight{}
	if exact {
		w.exact = new(paged[uint32])
	}
	unsettled.Ranges(func(lo, hi record.Offset) bool {
		for o := lo; o < hi; o++ {
			size := uint64(0)
			if old.exact != nil {
				size = uint64(old.exact.get(o))
			} else if i, ok := old.chunks.exact(uint64(o) >> chunkShift); ok {
				e := old.chunks.at(i)
				if count := e.v & weightCountMask; count > 0 {
					size = e.v >> weightCountBits / count
					e.v = (e.v>>weightCountBits-size)<<weightCountBits | (count - 1)
				}
			}
			if size > 0 {
				w.add(o, uint32(min(size, 1<<32-1)))
			}
		}
		return true
	})
}
