package broker

import (
	"math"

	"weir/internal/meta"
	"weir/internal/shard"
)

// Dir is where the broker keeps its files.
func (b *Broker) Dir() string { return b.engine.options.Dir }

// Disk tells the size in bytes of the volume the broker's files are on, and how
// much of it is free; -1 is unknown.
func (b *Broker) Disk() (total, free int64) {
	o := &b.engine.options
	return diskBytes(o.FS.Total(o.Dir)), diskBytes(o.FS.Free(o.Dir))
}

func diskBytes(n uint64, err error) int64 {
	if err != nil || n > math.MaxInt64 {
		return -1
	}
	return int64(n)
}

// TopicBytes tells about how much of the disk each partition of topics takes; of a
// topic that is not there it has nothing.
func (s *Session) TopicBytes(names []string) [][]int64 {
	c := s.engine.control
	out := make([][]int64, len(names))
	type place struct {
		q     *meta.Queue
		bytes *int64
	}
	places := map[*host][]place{}
	c.mu.RLock()
	for i, name := range names {
		t := c.state.Topic(s.namespace, name)
		if t == nil {
			continue
		}
		out[i] = make([]int64, len(t.Partitions))
		for k, q := range t.Partitions {
			h := s.engine.hosts[q.Shard]
			places[h] = append(places[h], place{q, &out[i][k]})
		}
	}
	c.mu.RUnlock()
	for h, ps := range places {
		h.call(func(m *shard.Machine) {
			for _, p := range ps {
				*p.bytes = m.Bytes(p.q.Log)
			}
		})
	}
	return out
}

// ControlLog tells the term of the control log and how long it is.
func (b *Broker) ControlLog() (term, entries uint64) {
	c := b.engine.control
	done := make(chan struct{})
	c.call(func() {
		defer close(done)
		if st, err := c.group.State(); err == nil {
			term, entries = uint64(st.Term), uint64(st.Index)
		}
	})
	select {
	case <-done:
		return term, entries
	case <-c.done:
		return 0, 0
	}
}
