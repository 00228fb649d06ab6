package cursor

// entry is one chunk or a run of chunks in a directory. What v holds is the
// matter of the directory's owner.
type entry struct {
	key uint64
	v   uint64
}

// directory is a slice of entries ordered by key with slack at both ends, so
// that inserting and removing at either end is O(1) amortised and in the middle
// moves only the shorter side.
//
// Invariant: keys in buf[head:tail] ascend strictly.
type directory struct {
	buf        []entry
	head, tail int
}

func (d *directory) len() int { return d.tail - d.head }

func (d *directory) at(i int) *entry { return &d.buf[d.head+i] }

// floor returns the index of the last entry whose key is at most key, or -1.
// Queues work at their two ends, so those are tried before the search.
func (d *directory) floor(key uint64) int {
	live := d.buf[d.head:d.tail]
	n := len(live)
	if n == 0 || live[0].key > key {
		return -1
	}
	if live[n-1].key <= key {
		return n - 1
	}
	if live[1].key > key {
		return 0
	}
	low, high := 1, n-1 // live[low].key <= key < live[high].key
	for high-low > 1 {
		mid := int(uint(low+high) >> 1)
		if live[mid].key <= key {
			low = mid
		} else {
			high = mid
		}
	}
	return low
}

// exact returns the index of the entry with this very key.
func (d *directory) exact(key uint64) (int, bool) {
	if d.tail > 0 && d.buf[d.tail-1].key == key {
		return d.len() - 1, true
	}
	i := d.floor(key)
	if i < 0 || d.at(i).key != key {
		return i, false
	}
	return i, true
}

// insert puts e before the entry at index i.
func (d *directory) insert(i int, e entry) {
	n := d.len()
	if n == 0 && len(d.buf) > 0 {
		d.buf[0], d.head, d.tail = e, 0, 1
		return
	}
	left := i < n-i
	if left && d.head == 0 || !left && d.tail == len(d.buf) {
		left = d.makeSlack(left)
	}
	if left {
		d.head--
		copy(d.buf[d.head:d.head+i], d.buf[d.head+1:d.head+1+i])
	} else {
		copy(d.buf[d.head+i+1:d.tail+1], d.buf[d.head+i:d.tail])
		d.tail++
	}
	d.buf[d.head+i] = e
}

// makeSlack ensures room on the wanted side, or on the other where that is
// cheap, and tells which side to use.
func (d *directory) makeSlack(left bool) bool {
	n := d.len()
	if n < len(d.buf)/2 {
		start := (len(d.buf) - n) / 2
		copy(d.buf[start:start+n], d.buf[d.head:d.tail])
		d.head, d.tail = start, start+n
		return left && start > 0
	}
	if n < 4 && len(d.buf) > n {
		return d.head > 0
	}
	grown := make([]entry, max(2*len(d.buf), 2))
	start := 0
	if n >= 4 || left {
		start = (len(grown) - n) / 2
	}
	copy(grown[start:], d.buf[d.head:d.tail])
	d.buf, d.head, d.tail = grown, start, start+n
	return left && start > 0
}

// remove takes count entries out from index i on.
func (d *directory) remove(i, count int) {
	n := d.len()
	if count == n {
		d.head, d.tail = 0, 0
		return
	}
	if i < n-i-count {
		copy(d.buf[d.head+count:d.head+count+i], d.buf[d.head:d.head+i])
		d.head += count
	} else {
		copy(d.buf[d.head+i:d.tail-count], d.buf[d.head+i+count:d.tail])
		d.tail -= count
	}
}
