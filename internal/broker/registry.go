package broker

import (
	"crypto/rand"
	"encoding/hex"
	"maps"
	"slices"
	"sync"

	"weir/internal/record"
)

// registry is a set of live objects for listings and broadcasts.
type registry[T comparable] struct {
	mu struct {
		sync.RWMutex
		all map[T]struct{}
	}
}

func (r *registry[T]) init() { r.mu.all = map[T]struct{}{} }

func (r *registry[T]) add(v T) {
	r.mu.Lock()
	r.mu.all[v] = struct{}{}
	r.mu.Unlock()
}

func (r *registry[T]) remove(v T) {
	r.mu.Lock()
	delete(r.mu.all, v)
	r.mu.Unlock()
}

// each calls f for every object, outside the lock.
func (r *registry[T]) each(f func(v T)) {
	r.mu.RLock()
	all := make([]T, 0, len(r.mu.all))
	for v := range r.mu.all {
		all = append(all, v)
	}
	r.mu.RUnlock()
	for _, v := range all {
		f(v)
	}
}

func (r *registry[T]) len() int {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return len(r.mu.all)
}

// consumers are the live attachments, also by the log they are on.
type consumers struct {
	registry[*Attachment]
	index struct {
		sync.Mutex
		byLog map[record.LogID]map[*Attachment]struct{}
	}
}

func (c *consumers) init() {
	c.registry.init()
	c.index.byLog = map[record.LogID]map[*Attachment]struct{}{}
}

func (c *consumers) add(a *Attachment) {
	c.registry.add(a)
	c.index.Lock()
	defer c.index.Unlock()
	if c.index.byLog[a.log] == nil {
		c.index.byLog[a.log] = map[*Attachment]struct{}{}
	}
	c.index.byLog[a.log][a] = struct{}{}
}

func (c *consumers) remove(a *Attachment) {
	c.registry.remove(a)
	c.index.Lock()
	defer c.index.Unlock()
	delete(c.index.byLog[a.log], a)
	if len(c.index.byLog[a.log]) == 0 {
		delete(c.index.byLog, a.log)
	}
}

// on returns the attachments of a log.
func (c *consumers) on(log record.LogID) []*Attachment {
	c.index.Lock()
	defer c.index.Unlock()
	return slices.Collect(maps.Keys(c.index.byLog[log]))
}

// mailboxes are the private addresses of direct replies.
type mailboxes struct {
	mu struct {
		sync.RWMutex
		receivers map[string]func(rec []byte)
	}
}

func (m *mailboxes) add(receive func(rec []byte)) string {
	var b [16]byte
	rand.Read(b[:]) // never fails
	address := hex.EncodeToString(b[:])
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.mu.receivers == nil {
		m.mu.receivers = map[string]func([]byte){}
	}
	m.mu.receivers[address] = receive
	return address
}

func (m *mailboxes) get(address string) func(rec []byte) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return m.mu.receivers[address]
}

func (m *mailboxes) remove(addresses []string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, a := range addresses {
		delete(m.mu.receivers, a)
	}
}
