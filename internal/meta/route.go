package meta

import "weir/internal/route"

// Router resolves publishes to queues. It holds scratch memory and belongs to
// one goroutine; the caller guards the State while it runs.
type Router struct {
	targets  []route.Target
	queues   []*Queue
	pending  []*Exchange
	memories []*Queue
	more     []string // keys of the message

	// Order is what keeps messages in order: those alike go to the same partition
	// of a topic. nil is the key of the message, or Sticky where that says which
	// topic.
	Order   []byte
	Sticky  uint32
	visited map[*Exchange]bool
}

// Route appends to the router's own list the queues that a message published to
// e with key, and more keys, reaches, each once. Every exchange on the way looks
// at all the keys. The list is valid until the next call.
func (r *Router) Route(s *State, e *Exchange, key []byte, m route.Message, more ...string) []*Queue {
	r.queues, r.memories, r.more = r.queues[:0], r.memories[:0], more
	r.pending = append(r.pending[:0], e)
	clear(r.visited)
	for len(r.pending) > 0 {
		x := r.pending[len(r.pending)-1]
		r.pending = r.pending[:len(r.pending)-1]
		before := len(r.queues)
		reached := r.step(s, x, key, m)
		// The default exchange has no alternate, whatever policy matches it.
		if !reached && x.alternate != nil && x.Name != "" && len(r.queues) == before {
			if alt := s.Exchange(x.Namespace, *x.alternate); alt != nil {
				r.push(e, alt)
			}
		}
	}
	return r.queues
}

// Memories are those of the exchanges that the last Route went through. The list
// is valid until the next call.
func (r *Router) Memories() []*Queue { return r.memories }

// step follows the bindings of one exchange; it says whether any matched.
func (r *Router) step(s *State, x *Exchange, key []byte, m route.Message) bool {
	if x.Name == "" {
		queues := s.namespaces[x.Namespace].Queues
		before := len(r.queues)
		topics := s.namespaces[x.Namespace].Topics
		if q := queues[string(key)]; q != nil && q.View == nil {
			r.add(q)
		} else if t := topics[string(key)]; t != nil {
			r.addTopic(t, nil)
		}
		for _, k := range r.more {
			if q := queues[k]; q != nil && q.View == nil {
				r.add(q)
			} else if t := topics[k]; t != nil {
				r.addTopic(t, nil)
			}
		}
		return len(r.queues) > before
	}
	r.targets = x.table.Match(key, m, r.targets[:0])
	if kind := x.table.Kind(); kind == route.Direct || kind == route.Topic {
		for _, k := range r.more {
			r.targets = x.table.Match([]byte(k), m, r.targets)
		}
	}
	if x.Memory != nil {
		r.memories = append(r.memories, x.Memory)
	}
	for _, t := range r.targets {
		p := s.endpoints[t]
		switch {
		case p.queue != nil:
			r.add(p.queue)
		case p.topic != nil:
			r.addTopic(p.topic, key)
		case p.exchange != nil:
			r.push(x, p.exchange)
		}
	}
	return len(r.targets) > 0
}

// addTopic appends the partition of t that messages of the key go to.
func (r *Router) addTopic(t *Topic, key []byte) {
	if r.Order != nil {
		key = r.Order
	}
	i := int(r.Sticky) % len(t.Partitions)
	if key != nil {
		i = route.Partition(key, len(t.Partitions))
	}
	r.add(t.Partitions[i])
}

// Partition is the partition that a message bound for the topic goes to.
func (r *Router) Partition(t *Topic, key []byte) *Queue {
	r.queues = r.queues[:0]
	r.addTopic(t, key)
	return r.queues[0]
}

// add appends q unless it stands already. Only after a second exchange or with a
// second key can it.
func (r *Router) add(q *Queue) {
	if len(r.visited) > 0 || len(r.more) > 0 {
		for _, have := range r.queues {
			if have == q {
				return
			}
		}
	}
	r.queues = append(r.queues, q)
}

func (r *Router) push(from, to *Exchange) {
	if r.visited == nil {
		r.visited = map[*Exchange]bool{}
	}
	r.visited[from] = true
	if !r.visited[to] {
		r.visited[to] = true
		r.pending = append(r.pending, to)
	}
}

// RoutesByKey says whether what an exchange matches depends on the routing key
// alone, so that an answer may be remembered until the state changes.
func (s *State) RoutesByKey(x *Exchange) bool {
	for range 8 {
		switch {
		case x.Kind != "direct" && x.Kind != "fanout" && x.Kind != "topic":
			return false
		case x.hops > 0: // the exchanges behind it would have to be looked at too
			return false
		case x.alternate == nil:
			return true
		}
		if x = s.Exchange(x.Namespace, *x.alternate); x == nil {
			return true
		}
	}
	return false
}
