package cursor

import "weir/internal/record"

// returns remembers the unsettled messages that were released, and how often.
// Nearly all of them were counted at most once, so that is two bits each.
type returns struct {
	set  Set                      // released at all
	once Set                      // a subset: released and counted
	many map[record.Offset]uint32 // of offsets in once whose count is above 1
}

func (r *returns) count(o record.Offset) uint32 {
	if !r.once.Contains(o) {
		return 0
	}
	if c, ok := r.many[o]; ok {
		return c
	}
	return 1
}

// setCount notes that o was released with this count, which is at least 1.
func (r *returns) setCount(o record.Offset, count uint32) {
	r.set.Add(o)
	r.once.Add(o)
	if count == 1 {
		delete(r.many, o)
		return
	}
	if r.many == nil {
		r.many = make(map[record.Offset]uint32)
	}
	r.many[o] = count
}

// add notes one release and returns the count.
func (r *returns) add(o record.Offset, counted bool) uint32 {
	count := r.count(o)
	if !counted {
		r.set.Add(o)
		return count
	}
	if count < 1<<32-1 {
		count++
	}
	r.setCount(o, count)
	return count
}

// addRange notes one release of each offset; where it is counted, none of them
// was counted before.
func (r *returns) addRange(lo, hi record.Offset, counted bool) {
	r.set.AddRange(lo, hi)
	if counted {
		r.once.AddRange(lo, hi)
	}
}

func (r *returns) drop(lo, hi record.Offset) {
	if r.set.RemoveRange(lo, hi) == 0 || r.once.RemoveRange(lo, hi) == 0 || len(r.many) == 0 {
		return
	}
	if uint64(hi-lo) <= uint64(len(r.many)) {
		for o := lo; o < hi; o++ {
			delete(r.many, o)
		}
	} else {
		for o := range r.many {
			if o >= lo && o < hi {
				delete(r.many, o)
			}
		}
	}
	if len(r.many) == 0 {
		r.many = nil
	}
}
