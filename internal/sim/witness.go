package sim

import (
	"hash/crc32"
	"sync"

	"weir/internal/record"
	"weir/internal/replica"
)

// fingerprintEvery is how many entries stand between two comparisons of states.
const fingerprintEvery = 8

// fact is what was once applied at an index.
type fact struct {
	term  record.Term
	sum   uint32
	print uint64 // of the state after it; 0: not taken
}

// witness holds every application of an entry, on every node and in every life,
// against the first one of the same index.
type witness struct {
	world *World
	mu    sync.Mutex
	facts map[record.ShardID]map[record.Index]fact
	last  map[record.ShardID]record.Index
}

func (w *witness) init(world *World) {
	w.world, w.facts, w.last = world, map[record.ShardID]map[record.Index]fact{}, map[record.ShardID]record.Index{}
}

// observer is the witness's eye in one process.
type observer struct {
	witness *witness
	life    *life
	applied map[record.ShardID]record.Index
}

func (w *witness) observe(l *life) *observer {
	return &observer{witness: w, life: l, applied: map[record.ShardID]record.Index{}}
}

// Applied implements replica.Observer.
func (o *observer) Applied(shard record.ShardID, e replica.Entry, m replica.Machine) {
	o.life.gate()
	w := o.witness
	now := fact{term: e.Term, sum: crc32.ChecksumIEEE(e.Data)}
	if s, ok := m.(interface{ Fingerprint() uint64 }); ok && e.Index%fingerprintEvery == 0 {
		now.print = s.Fingerprint()
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	who := o.life.node.name
	if last := o.applied[shard]; e.Index <= last {
		w.world.violated(who, "shard %d: entry %d applied after %d", shard, e.Index, last)
	}
	o.applied[shard] = e.Index
	facts := w.facts[shard]
	if facts == nil {
		facts = map[record.Index]fact{}
		w.facts[shard] = facts
	}
	before, known := facts[e.Index]
	switch {
	case !known:
		facts[e.Index] = now
	case before.term != now.term || before.sum != now.sum:
		w.world.violated(who, "shard %d: another entry at %d: term %d sum %08x, it was term %d sum %08x", shard, e.Index, now.term, now.sum, before.term, before.sum)
	case before.print != now.print:
		w.world.violated(who, "shard %d: another state after entry %d", shard, e.Index)
	}
	w.last[shard] = max(w.last[shard], e.Index)
}

// ready checks that a process that has recovered knows everything that was ever
// applied.
func (o *observer) ready() {
	w := o.witness
	w.mu.Lock()
	defer w.mu.Unlock()
	for shard, last := range w.last {
		if at, ok := o.applied[shard]; ok && at < last && o.life.node.alone() {
			w.world.violated(o.life.node.name, "shard %d: recovered up to entry %d of %d", shard, at, last)
		}
	}
}
