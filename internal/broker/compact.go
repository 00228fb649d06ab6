package broker

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"sync"
	"time"

	"weir/internal/meta"
	"weir/internal/record"
	"weir/internal/segment"
	"weir/internal/shard"
	"weir/internal/store"
	"weir/internal/vfs"
)

const (
	// compactPeriod is how often it is looked whether there is something to compact.
	compactPeriod = time.Second
	// compactKeysMax bounds the keys one pass remembers, some 60 bytes each; what
	// comes behind them is for the next one.
	compactKeysMax = 1 << 20
	// compactUnpackBytes bounds what one record may unpack to.
	compactUnpackBytes = 128 << 20
	compactReadBytes   = 1 << 20
)

// compactions are the logs of topics that keep the last message of every key. What
// is done to their files is this node's own affair: nothing of it is replicated,
// and a crash leaves the file before it or the one behind.
type compactions struct {
	mu struct {
		sync.Mutex
		logs map[record.LogID]*compaction
	}
	stop, done chan struct{}
}

// compaction is one log's. Its loop alone touches what is below q.
type compaction struct {
	q         *meta.Queue
	upto      record.Offset // looked at so far
	tombstone int64         // when the first of those that stayed may go, unix ms; 0 none
}

// key stands for a message's key: two that are alike are the same.
type key [16]byte

func keyOf(b []byte) key {
	sum := sha256.Sum256(b)
	return key(sum[:16])
}

func (c *compactions) init() {
	c.mu.logs = map[record.LogID]*compaction{}
	c.stop, c.done = make(chan struct{}), make(chan struct{})
}

// watch takes note of logs that are compacted from now on, or not any more.
func (c *compactions) watch(f *meta.Effects) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, queues := range [][]*meta.Queue{f.Opened, f.Changed} {
		for _, q := range queues {
			switch {
			case q.Effective().Compact == nil:
				delete(c.mu.logs, q.Log)
			case c.mu.logs[q.Log] == nil:
				c.mu.logs[q.Log] = &compaction{q: q}
			}
		}
	}
	for _, q := range f.Closed {
		delete(c.mu.logs, q.Log)
	}
}

func (c *compactions) close() {
	close(c.stop)
	<-c.done
}

func (c *compactions) stopped() bool {
	select {
	case <-c.stop:
		return true
	default:
		return false
	}
}

func (c *compactions) loop(e *engine) {
	defer close(c.done)
	for {
		tick := make(chan struct{})
		t := e.options.Clock.AfterFunc(compactPeriod, func() { close(tick) })
		select {
		case <-tick:
		case <-c.stop:
			t.Stop()
			return
		}
		byHost := map[*host][]*compaction{}
		c.mu.Lock()
		for _, one := range c.mu.logs {
			h := e.hosts[one.q.Shard]
			byHost[h] = append(byHost[h], one)
		}
		c.mu.Unlock()
		for h, logs := range byHost {
			if h == nil || h.shelf == nil {
				continue
			}
			if err := e.compactShard(h, logs); err != nil && !errors.Is(err, vfs.ErrFull) {
				e.unread(fmt.Errorf("shard %d: compact: %w", h.id, err))
				if !errors.Is(err, segment.ErrUnread) {
					return
				}
			}
		}
	}
}

// pass is the compaction of one log: up to an offset, these are the last messages
// of their keys.
type pass struct {
	*compaction
	policy *meta.Compaction
	facts  shard.Compactable
	now    int64
	upto   record.Offset
	last   map[key]record.Offset
	stays  int64 // when the first tombstone that stays may go
}

// compactShard compacts those logs of a shard that are worth it.
func (e *engine) compactShard(h *host, logs []*compaction) error {
	now := e.options.Clock.Now().UnixMilli()
	due := map[record.LogID]*pass{}
	var looked []*pass
	flush := false
	if !h.call(func(m *shard.Machine) {
		for _, c := range logs {
			policy := c.q.Effective().Compact
			if facts, ok := m.Compactable(c.q.Log); ok && policy != nil {
				looked = append(looked, &pass{compaction: c, policy: policy, facts: facts, now: now})
			}
		}
	}) {
		return nil
	}
	room := compactKeysMax
	for _, p := range looked {
		flush = flush || p.shelves()
		if !p.due(h.shelf) || room <= 0 || e.compactions.stopped() {
			continue
		}
		if err := p.gather(e, h.shelf, room); err != nil {
			return err
		}
		if room -= len(p.last); p.upto > p.facts.First {
			due[p.q.Log] = p
		}
	}
	if flush {
		h.submit(nil, []op{{kind: opCall, call: func(*shard.Machine) {
			if !h.flushing && h.group != nil && h.leading {
				h.flush(nil)
			}
		}}})
	}
	if len(due) == 0 {
		return nil
	}
	return e.compactFiles(h, due)
}

// shelves says whether the log's messages in memory are to go to files.
func (p *pass) shelves() bool {
	if p.facts.TailBytes == 0 {
		return false
	}
	age := p.now - p.facts.TailOldest
	return p.facts.TailBytes >= p.policy.TailBytes || age >= p.policy.TailMillis || p.policy.LagMax > 0 && age >= p.policy.LagMax
}

// due says whether enough of the log's files is new, or old enough.
func (p *pass) due(s *store.Shelf) bool {
	var all, fresh, oldest int64
	for _, span := range s.Spans(p.q.Log) {
		if span.Last < p.facts.First || span.First >= p.facts.Stable {
			continue
		}
		if all += span.Bytes; span.Last >= p.compaction.upto {
			if fresh += span.Bytes; oldest == 0 {
				oldest = span.MaxTimestamp
			}
		}
	}
	switch {
	case p.tombstone > 0 && p.now >= p.tombstone:
		return true
	case fresh == 0:
		return false
	case p.policy.LagMax > 0 && p.now-oldest >= p.policy.LagMax:
		return true
	}
	return float64(fresh) >= p.policy.DirtyRatio*float64(all)
}

// gather finds the last messages of the keys that are new.
func (p *pass) gather(e *engine, s *store.Shelf, keysMax int) error {
	end := min(p.facts.Shelved, p.facts.Stable)
	p.last, p.upto = map[key]record.Offset{}, max(p.compaction.upto, p.facts.First)
	for more := true; more && p.upto < end; {
		more = false
		err := s.Read(p.q.Log, p.upto, compactReadBytes, func(entry segment.Entry) bool {
			var env record.Envelope
			native, err := record.Decode(entry.Record, &env)
			young := p.policy.LagMin > 0 && env.Timestamp > p.now-p.policy.LagMin
			if more = err == nil && entry.Offset < end && !young && len(p.last) < keysMax; !more {
				return false
			}
			p.note(e, entry.Offset, &env, native)
			p.upto = max(p.upto, entry.Offset+record.Offset(env.Count))
			return true
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// note remembers the keys of a record. One that cannot be opened is left alone.
func (p *pass) note(e *engine, base record.Offset, env *record.Envelope, native []byte) {
	opener := e.options.Openers[env.Dialect]
	if opener == nil || env.Producer.Part.Marker() || p.undone(base, env) {
		return
	}
	_ = opener.Open(native, compactUnpackBytes, func(m *record.Message) bool {
		if m.Key != nil && !m.Control {
			p.last[keyOf(m.Key)] = base + record.Offset(m.Delta)
		}
		return true
	})
}

// undone says whether a record belongs to a transaction that never happened.
func (p *pass) undone(base record.Offset, env *record.Envelope) bool {
	if env.Producer.Part != record.PartTransaction {
		return false
	}
	for _, a := range p.facts.Aborted {
		if a.Producer == env.Producer.ID && base >= a.First && base <= a.Last {
			return true
		}
	}
	return false
}

// filter is what becomes of a record. The one that reaches to where the pass ends
// stays even if it is empty, so that readers come that far.
func (p *pass) filter(e *engine, entry segment.Entry) ([]byte, error) {
	var env record.Envelope
	native, err := record.Decode(entry.Record, &env)
	end := entry.Offset + record.Offset(env.Count)
	opener := e.options.Openers[env.Dialect]
	if err != nil || opener == nil || end > p.upto || env.Producer.Part.Marker() {
		return entry.Record, err
	}
	kept, undone := 0, p.undone(entry.Offset, &env)
	now, err := opener.Keep(native, compactUnpackBytes, func(m *record.Message) bool {
		if !m.Control && (undone || !p.keeps(entry.Offset+record.Offset(m.Delta), m)) {
			return false
		}
		kept++
		return true
	})
	switch {
	case err != nil:
		return entry.Record, nil // nobody can open it, so nobody can say it is of no use
	case kept == 0 && end < p.upto:
		return nil, nil
	case len(now) == len(native) && (len(now) == 0 || &now[0] == &native[0]):
		return entry.Record, nil // nothing was left out
	}
	env.Body = uint32(len(now))
	return record.Append(nil, &env, now), nil
}

// keeps says whether a message is the last one of its key, and if it has no value,
// whether it has been there for long.
func (p *pass) keeps(o record.Offset, m *record.Message) bool {
	if m.Key == nil {
		return false
	}
	if last, ok := p.last[keyOf(m.Key)]; ok && last > o {
		return false
	}
	if m.Value != nil {
		return true
	}
	goes := m.Timestamp + p.policy.TombstoneMillis
	if goes <= p.now {
		return false
	}
	if p.stays == 0 || goes < p.stays {
		p.stays = goes
	}
	return true
}

// compactFiles rewrites the files that have something of the logs.
func (e *engine) compactFiles(h *host, due map[record.LogID]*pass) error {
	below := map[record.LogID]record.Offset{}
	for id, p := range due {
		below[id] = p.upto
	}
	var jobs []*store.Rewrite
	free := false
	h.call(func(m *shard.Machine) {
		if free = !h.rewriting; !free {
			return
		}
		h.rewriting = true
		jobs = h.shelf.PlanCompact(below)
		for _, j := range jobs {
			m.Wanted(j)
		}
	})
	if !free {
		return nil
	}
	var failed error
	for _, j := range jobs {
		j.Filter = func(log record.LogID, entry segment.Entry) ([]byte, error) {
			if p := due[log]; p != nil {
				return p.filter(e, entry)
			}
			return entry.Record, nil
		}
		if failed = e.compactFile(h, j, failed); failed != nil {
			continue // the others are given back
		}
	}
	h.call(func(m *shard.Machine) {
		h.rewriting = false
		for id, p := range due {
			if failed == nil {
				m.EvictBelow(id, p.upto) // readers are to see what is in the files
			}
		}
	})
	if failed == nil {
		for _, p := range due {
			p.compaction.upto, p.tombstone = p.upto, p.stays
		}
	}
	if errors.Is(failed, errClosed) {
		return nil
	}
	return failed
}

func (e *engine) compactFile(h *host, j *store.Rewrite, failed error) error {
	var written *store.Written
	err := failed
	if err == nil && e.compactions.stopped() {
		err = errClosed
	}
	if err == nil {
		written, err = h.shelf.Run(j)
	}
	open := h.call(func(m *shard.Machine) {
		if err == nil {
			err = h.shelf.Put(written, m.WantedCount)
		}
		if err != nil {
			h.shelf.Abandon(j)
		}
	})
	if !open {
		return errClosed
	}
	return err
}
