package meta

import (
	"encoding/json"
	"hash/fnv"
	"maps"

	"weir/internal/invariant"
	"weir/internal/route"
)

// Apply changes the state by one command.
func (s *State) Apply(c *Command) Result {
	s.version++
	switch c.Op {
	case OpNamespacePut:
		return s.putNamespace(c.Namespace)
	case OpNamespaceDelete:
		return s.deleteNamespace(c.Name)
	case OpQueuePut:
		return s.putQueue(c.Queue)
	case OpQueueDelete:
		return s.deleteQueue(c.Space, c.Name)
	case OpExchangePut:
		return s.putExchange(c.Exchange)
	case OpExchangeDelete:
		return s.deleteExchange(c.Space, c.Name, c.IfUnused)
	case OpTopicPut:
		return s.putTopic(c.Topic)
	case OpSharePut:
		return s.putShare(c.Queue)
	case OpShareDelete:
		return s.deleteShare(c.Space, *c.On, c.Name)
	case OpTopicDelete:
		return s.deleteTopic(c.Space, c.Name)
	case OpTopicAlter:
		return s.alterTopic(c.Topic)
	case OpBind:
		return s.bind(c.Binding)
	case OpUnbind:
		return s.unbind(c.Binding)
	case OpUserPut:
		return s.putUser(c.User)
	case OpUserDelete:
		return s.deleteUser(c.Name)
	case OpGrantsPut, OpGrantsDelete:
		return s.grants(c)
	case OpScramPut, OpScramDelete:
		return s.scram(c)
	case OpPermissionPut, OpPermissionDelete:
		return s.permission(c)
	case OpTopicsPut, OpTopicsDelete:
		return s.topics(c)
	case OpPolicyPut:
		return s.putPolicy(c.Policy)
	case OpPolicyDelete:
		return s.deletePolicy(c.Space, c.Name, c.Operator)
	case OpLimits:
		return s.limits(c)
	case OpParameterPut, OpParameterDelete:
		return s.parameter(c)
	case OpDropVolatile:
		return s.dropVolatile()
	}
	invariant.Check(false, "meta: unknown command %q", c.Op)
	return Result{}
}

func (s *State) putNamespace(n *Namespace) Result {
	if s.namespaces[n.Name] != nil {
		have := s.namespaces[n.Name]
		have.Description, have.Tags = n.Description, n.Tags
		if n.Class != "" {
			have.Class = n.Class
		}
		s.mark("n", n.Name, "")
		return Result{Outcome: Existed}
	}
	s.addNamespace(n)
	s.mark("n", n.Name, "")
	s.mark("c", "", "")
	return Result{}
}

func (s *State) deleteNamespace(name string) Result {
	n := s.namespaces[name]
	if n == nil {
		return Result{Outcome: MissingSpace, Name: name}
	}
	var r Result
	for _, q := range n.Queues {
		s.removeQueue(q, &r.Effects)
	}
	for _, t := range n.Topics {
		s.removeTopic(t, &r.Effects)
	}
	for _, e := range n.Exchanges {
		s.removeBindings(e, &r.Effects)
		r.Effects.forget(e)
		s.giveBack(e.target)
		s.mark("e", name, e.Name)
	}
	for _, u := range s.users {
		if u.forget(name) {
			s.mark("u", u.Name, "")
		}
	}
	for _, operator := range []bool{false, true} {
		for _, p := range *n.policies.of(operator) {
			s.mark("p", name, policyKey(p.Name, operator))
		}
	}
	delete(s.namespaces, name)
	s.mark("n", name, "")
	s.mark("c", "", "")
	return r
}

func (s *State) putQueue(q *Queue) Result {
	n := s.namespaces[q.Namespace]
	if n == nil {
		return Result{Outcome: MissingSpace, Name: q.Namespace}
	}
	if have := n.Queues[q.Name]; have != nil {
		return Result{Outcome: Existed, Queue: have}
	}
	if n.Limits != nil {
		if limit, over := Over(n.Limits.Queues, len(n.Queues)); over {
			return Result{Outcome: Limited, Name: q.Name, Limit: limit}
		}
	}
	switch {
	case n.Topics[q.Name] != nil:
		return Result{Outcome: Invalid, Name: "there is a topic of this name"}
	case q.View != nil && !q.over(n.Topics[q.View.Topic]):
		return Result{Outcome: Missing, Name: q.View.Topic}
	}
	r := Result{Queue: q}
	s.number(q.Parts(), &r.Effects)
	s.addQueue(q)
	s.mark("q", q.Namespace, q.Name)
	return r
}

func (s *State) deleteQueue(space, name string) Result {
	q := s.Queue(space, name)
	if q == nil {
		return Result{Outcome: Missing, Name: name}
	}
	r := Result{Queue: q}
	s.removeQueue(q, &r.Effects)
	return r
}

func (s *State) removeQueue(q *Queue, effects *Effects) {
	delete(s.namespaces[q.Namespace].Queues, q.Name)
	s.mark("q", q.Namespace, q.Name)
	effects.Closed = append(effects.Closed, q.Parts()...)
	if q.View != nil {
		if t := s.Topic(q.Namespace, q.View.Topic); t != nil {
			delete(t.views, q.Name)
		}
	}
	for source := range maps.Clone(q.sources) {
		s.removeDestination(source, q.Name, false, effects)
	}
	s.giveBack(q.target)
}

// removeDestination deletes every binding of source to the named destination,
// and source itself if it was to go with its last binding.
func (s *State) removeDestination(source *Exchange, name string, toExchange bool, effects *Effects) {
	for id, b := range source.bindings {
		if b.Destination == name && b.ToExchange == toExchange {
			s.removeBinding(source, id, b)
		}
	}
	s.autoDelete(source, effects)
}

func (s *State) removeBinding(source *Exchange, id string, b *Binding) {
	delete(source.bindings, id)
	s.mark("b", b.Namespace, id)
	target, sources := s.end(b)
	source.table.Remove(routeBinding(b, target))
	if b.ToExchange {
		source.hops--
	}
	if sources[source]--; sources[source] == 0 {
		delete(sources, source)
	}
}

func (s *State) autoDelete(e *Exchange, effects *Effects) {
	if e.AutoDelete && len(e.bindings) == 0 && s.Exchange(e.Namespace, e.Name) == e {
		s.removeExchange(e, effects)
	}
}

// end returns the target of a binding's destination and its per-source counts.
// The destination may just have been taken out of its map, so bindings are
// removed before their ends are given back.
func (s *State) end(b *Binding) (route.Target, map[*Exchange]int) {
	if b.ToExchange {
		return b.exchange.target, b.exchange.sources
	}
	if b.topic != nil {
		return b.topic.target, b.topic.sources
	}
	return b.queue.target, b.queue.sources
}

func (s *State) putExchange(e *Exchange) Result {
	n := s.namespaces[e.Namespace]
	if n == nil {
		return Result{Outcome: MissingSpace, Name: e.Namespace}
	}
	if have := n.Exchanges[e.Name]; have != nil {
		return Result{Outcome: Existed, Exchange: have}
	}
	r := Result{Exchange: e}
	if e.Memory != nil {
		e.Memory.Log = s.nextLog
		s.nextLog++
		s.mark("c", "", "")
		r.Effects.Opened = []*Queue{e.Memory}
	}
	s.addExchange(e)
	s.mark("e", e.Namespace, e.Name)
	return r
}

// Predeclared says whether the exchange stands in every namespace.
func Predeclared(name string) bool {
	for _, p := range predeclared {
		if p.name == name {
			return true
		}
	}
	return false
}

func (s *State) deleteExchange(space, name string, ifUnused bool) Result {
	e := s.Exchange(space, name)
	switch {
	case e == nil:
		return Result{Outcome: Missing, Name: name}
	case Predeclared(name):
		return Result{Outcome: Forbidden, Name: name}
	case ifUnused && len(e.bindings) > 0:
		return Result{Outcome: InUse, Name: name}
	}
	r := Result{Exchange: e}
	s.removeExchange(e, &r.Effects)
	return r
}

func (s *State) removeExchange(e *Exchange, effects *Effects) {
	delete(s.namespaces[e.Namespace].Exchanges, e.Name)
	s.mark("e", e.Namespace, e.Name)
	s.removeBindings(e, effects)
	effects.forget(e)
	s.giveBack(e.target)
}

// forget drops what an exchange that is gone remembered.
func (f *Effects) forget(e *Exchange) {
	if e.Memory != nil {
		f.Closed = append(f.Closed, e.Memory)
	}
}

// removeBindings deletes all bindings from and to e.
func (s *State) removeBindings(e *Exchange, effects *Effects) {
	for id, b := range e.bindings {
		s.removeBinding(e, id, b)
	}
	for source := range maps.Clone(e.sources) {
		s.removeDestination(source, e.Name, true, effects)
	}
}

func (s *State) bind(b *Binding) Result {
	n := s.namespaces[b.Namespace]
	if n == nil {
		return Result{Outcome: MissingSpace, Name: b.Namespace}
	}
	source := n.Exchanges[b.Source]
	if source == nil {
		return Result{Outcome: Missing, Name: b.Source}
	}
	if !s.resolve(n, b) {
		return Result{Outcome: Missing, Name: b.Destination}
	}
	if err := kinds[source.Kind].Check(route.Binding{Key: b.Key}); err != nil {
		return Result{Outcome: Invalid, Name: err.Error()}
	}
	b.identity = b.identify()
	if source.bindings[b.identity] != nil {
		return Result{Outcome: Existed}
	}
	s.addBinding(source, b)
	s.mark("b", b.Namespace, b.identity)
	return Result{}
}

// resolve finds the destination of b.
func (s *State) resolve(n *Namespace, b *Binding) bool {
	if b.ToExchange {
		b.exchange = n.Exchanges[b.Destination]
		return b.exchange != nil
	}
	if b.queue = n.Queues[b.Destination]; b.queue == nil {
		b.topic = n.Topics[b.Destination]
		return b.topic != nil
	}
	return b.queue.View == nil
}

func (s *State) addBinding(source *Exchange, b *Binding) {
	switch {
	case b.ToExchange:
		b.Durable = source.Durable && b.exchange.Durable
		if b.exchange.sources == nil {
			b.exchange.sources = map[*Exchange]int{}
		}
	case b.topic != nil:
		b.Durable = source.Durable
		if b.topic.sources == nil {
			b.topic.sources = map[*Exchange]int{}
		}
	default:
		b.Durable = source.Durable && b.queue.Durable
		if b.queue.sources == nil {
			b.queue.sources = map[*Exchange]int{}
		}
	}
	source.bindings[b.identity] = b
	target, sources := s.end(b)
	sources[source]++
	if b.ToExchange {
		source.hops++
	}
	source.table.Add(routeBinding(b, target))
}

func (s *State) unbind(b *Binding) Result {
	n := s.namespaces[b.Namespace]
	if n == nil {
		return Result{Outcome: MissingSpace, Name: b.Namespace}
	}
	source := n.Exchanges[b.Source]
	if source == nil {
		return Result{Outcome: Missing, Name: b.Source}
	}
	id := b.identify()
	have := source.bindings[id]
	if have == nil {
		return Result{Outcome: Missing, Name: b.Destination}
	}
	var r Result
	s.removeBinding(source, id, have)
	s.autoDelete(source, &r.Effects)
	return r
}

func (b *Binding) identify() string {
	kind := "q"
	if b.ToExchange {
		kind = "e"
	}
	return joinKey(b.Source, kind, b.Destination, b.Key, b.Arguments.canonical())
}

// matchArgument is how a headers binding spells its mode; it is no header.
const matchArgument = "x-match"

func routeBinding(b *Binding, target route.Target) route.Binding {
	r := route.Binding{Target: target, Key: b.Key, Match: b.Match, Place: place(b)}
	for _, name := range sortedKeys(b.Arguments) {
		if name != matchArgument {
			r.Headers = append(r.Headers, route.Header{Name: name, Value: headerValue(b.Arguments[name])})
		}
	}
	return r
}

// place puts a binding's destination where it stands in hash exchanges: by its
// name, for targets are numbered anew after a restart.
func place(b *Binding) uint64 {
	h := fnv.New64a()
	if b.ToExchange {
		h.Write([]byte{1})
	}
	h.Write([]byte(b.Destination))
	return max(h.Sum64(), 1)
}

func (s *State) putUser(u *User) Result {
	have := s.users[u.Name]
	if have != nil {
		u.keep(have)
	}
	if u.Permissions == nil {
		u.Permissions = map[string]Permission{}
	}
	for space, p := range u.Permissions {
		p.compile()
		u.Permissions[space] = p
	}
	for _, exchanges := range u.Topics {
		for _, p := range exchanges {
			p.compile()
		}
	}
	s.users[u.Name] = u
	s.mark("u", u.Name, "")
	if have != nil {
		return Result{Outcome: Existed}
	}
	return Result{}
}

func (s *State) deleteUser(name string) Result {
	if s.users[name] == nil {
		return Result{Outcome: Missing, Name: name}
	}
	delete(s.users, name)
	s.mark("u", name, "")
	return Result{}
}

func (s *State) permission(c *Command) Result {
	u := s.users[c.Name]
	switch {
	case u == nil:
		return Result{Outcome: Missing, Name: c.Name}
	case s.namespaces[c.Space] == nil:
		return Result{Outcome: MissingSpace, Name: c.Space}
	}
	if c.Op == OpPermissionDelete {
		delete(u.Permissions, c.Space)
	} else {
		c.Permission.compile()
		u.Permissions[c.Space] = *c.Permission
	}
	s.mark("u", c.Name, "")
	return Result{}
}

func (s *State) topics(c *Command) Result {
	u := s.users[c.Name]
	switch {
	case u == nil:
		return Result{Outcome: Missing, Name: c.Name}
	case s.namespaces[c.Space] == nil:
		return Result{Outcome: MissingSpace, Name: c.Space}
	}
	switch {
	case c.Op == OpTopicsPut:
		if u.Topics == nil {
			u.Topics = map[string]map[string]*TopicPermission{}
		}
		if u.Topics[c.Space] == nil {
			u.Topics[c.Space] = map[string]*TopicPermission{}
		}
		c.Topics.compile()
		u.Topics[c.Space][*c.On] = c.Topics
	case c.On == nil:
		delete(u.Topics, c.Space)
	default:
		delete(u.Topics[c.Space], *c.On)
	}
	s.mark("u", c.Name, "")
	return Result{}
}

// Parameters lists the values kept for others, by name.
func (s *State) Parameters() map[string]json.RawMessage { return s.parameters }

func (s *State) parameter(c *Command) Result {
	_, had := s.parameters[c.Name]
	s.mark("g", c.Name, "")
	if c.Op == OpParameterDelete {
		delete(s.parameters, c.Name)
		if !had {
			return Result{Outcome: Missing, Name: c.Name}
		}
		return Result{}
	}
	s.parameters[c.Name] = c.Value
	if had {
		return Result{Outcome: Existed}
	}
	return Result{}
}

// dropVolatile removes what a restart does not keep.
func (s *State) dropVolatile() Result {
	var r Result
	for _, n := range s.namespaces {
		for _, q := range n.Queues {
			if !q.Durable || q.Exclusive {
				s.removeQueue(q, &r.Effects)
			}
		}
		for _, e := range n.Exchanges {
			if !e.Durable {
				s.removeExchange(e, &r.Effects)
			}
		}
	}
	return r
}
