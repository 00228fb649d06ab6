package broker

import (
	"cmp"
	"net/netip"
	"slices"

	"weir/internal/auth"
	"weir/internal/cursor"
	"weir/internal/meta"
	"weir/internal/record"
	"weir/internal/shard"
)

// NamespaceInfo is a namespace as listed.
type NamespaceInfo struct {
	Name, Description string
	Tags              []string
	Class             string // of queues whose declaration names none; "" is the dialect's own
	Limits            Limits
}

// BindingInfo is a binding as listed.
type BindingInfo struct {
	Namespace, Source, Destination string
	ToExchange                     bool
	Key                            string
	Arguments                      map[string]any
	ToTopic                        bool // the destination is one, neither queue nor exchange
}

// SessionInfo is a connection as listed.
type SessionInfo struct {
	Name, User, Namespace, Dialect string
	Remote                         netip.AddrPort
	Properties                     map[string]any
	Opened                         int64 // unix ms
	describer                      Describer
}

// Detail asks the session's dialect for more; it is called for what is shown only.
func (i *SessionInfo) Detail() SessionDetail {
	if i.describer == nil {
		return SessionDetail{State: "running"}
	}
	return i.describer.Describe()
}

// ConsumerInfo is an attachment as listed.
type ConsumerInfo struct {
	Namespace, Queue, Tag, Session, User string
	Remote                               netip.AddrPort
	Exclusive, AutoSettle, Active        bool
	Only, Waiting                        bool // served alone; waiting for the one that is to go
	Priority                             int32
	Part, Prefetch                       uint32
	LeaseMillis                          int64 // it may keep a message; 0 is no limit
	Arguments                            map[string]any
}

func describe(q *meta.Queue) QueueInfo {
	now := q.Effective()
	return QueueInfo{
		Namespace: q.Namespace, Name: q.Name, Durable: q.Durable, Exclusive: q.Exclusive, AutoDelete: q.AutoDelete,
		Owner: q.Owner, Arguments: q.Arguments, Log: q.Log,
		Policy: now.Policy, OperatorPolicy: now.Operator, Definition: now.Definition, Class: q.Class,
		Views: viewTopic(q), Retains: now.RetainMillis != nil || now.RetainBytes != nil || isStream(q),
	}
}

// fill adds the counts of q at this moment.
func (e *engine) fill(info *QueueInfo, q *meta.Queue) {
	e.hosts[q.Shard].call(func(m *shard.Machine) { info.count(m, q) })
	for _, part := range q.Parts()[1:] {
		e.hosts[part.Shard].call(func(m *shard.Machine) { info.addPart(m, part) })
	}
}

// addPart adds the counts of a part of the queue. Who consumes one consumes all.
func (i *QueueInfo) addPart(m *shard.Machine, part *meta.Queue) {
	var c QueueInfo
	c.count(m, part)
	i.Ready, i.Unsettled, i.Total = i.Ready+c.Ready, i.Unsettled+c.Unsettled, i.Total+c.Total
	i.ReadyBytes, i.Bytes = i.ReadyBytes+c.ReadyBytes, i.Bytes+c.Bytes
	i.Published, i.Delivered = i.Published+c.Published, i.Delivered+c.Delivered
	i.Acked, i.Redelivered = i.Acked+c.Acked, i.Redelivered+c.Redelivered
}

func (i *QueueInfo) count(m *shard.Machine, q *meta.Queue) cursor.ConsumerID {
	c, ok := m.Counts(q.Log)
	if !ok {
		return 0
	}
	i.Ready, i.Unsettled = c.Ready, c.Leased
	i.Total = c.Ready + c.Leased + c.Delayed
	i.ReadyBytes, i.Bytes = c.ReadyBytes, c.Bytes
	i.Consumers = c.Consumers
	i.Published, i.Delivered, i.Acked, i.Redelivered = c.Published, c.Delivered, c.Acked, c.Redelivered
	return c.Active
}

// Namespaces lists all namespaces by name.
func (b *Broker) Namespaces() []NamespaceInfo {
	c := b.engine.control
	c.mu.RLock()
	defer c.mu.RUnlock()
	var out []NamespaceInfo
	for _, name := range c.state.Namespaces() {
		n := c.state.Namespace(name)
		out = append(out, NamespaceInfo{name, n.Description, n.Tags, n.Class, limitsOf(n.Limits)})
	}
	return out
}

// Visible lists the namespaces whose objects the principal may see: all of them
// for those who watch the broker, else those he may enter.
func (b *Broker) Visible(p Principal) []string {
	c := b.engine.control
	c.mu.RLock()
	defer c.mu.RUnlock()
	u := c.state.User(p.User)
	if u == nil {
		return nil
	}
	roles, _ := auth.ParseRoles(u.Tags)
	names := c.state.Namespaces()
	if roles.Has(auth.Monitoring) {
		return names
	}
	return slices.DeleteFunc(names, func(name string) bool {
		_, ok := u.Permissions[name]
		return !ok
	})
}

// Queues lists the queues of these namespaces by namespace and name, each with
// its counts. The counts of one shard are of one moment.
func (b *Broker) Queues(spaces ...string) []QueueInfo {
	e := b.engine
	var queues []*meta.Queue
	e.control.mu.RLock()
	for _, space := range spaces {
		if n := e.control.state.Namespace(space); n != nil {
			for _, q := range n.Queues {
				queues = append(queues, q)
			}
		}
	}
	e.control.mu.RUnlock()
	slices.SortFunc(queues, func(a, b *meta.Queue) int {
		return cmp.Or(cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Name, b.Name))
	})
	return e.describeAll(queues)
}

// Queue returns one queue with its counts.
func (b *Broker) Queue(space, name string) (QueueInfo, bool) {
	e := b.engine
	e.control.mu.RLock()
	q := e.control.state.Queue(space, name)
	e.control.mu.RUnlock()
	if q == nil {
		return QueueInfo{}, false
	}
	return e.describeAll([]*meta.Queue{q})[0], true
}

func (e *engine) describeAll(queues []*meta.Queue) []QueueInfo {
	infos := make([]QueueInfo, len(queues))
	active := make([]cursor.ConsumerID, len(queues))
	byShard := map[record.ShardID][]int{}
	for i, q := range queues {
		infos[i] = describe(q)
		byShard[q.Shard] = append(byShard[q.Shard], i)
	}
	for id, list := range byShard {
		e.hosts[id].call(func(m *shard.Machine) {
			for _, i := range list {
				active[i] = infos[i].count(m, queues[i])
			}
		})
	}
	for i, q := range queues {
		for _, part := range q.Parts()[1:] {
			e.hosts[part.Shard].call(func(m *shard.Machine) { infos[i].addPart(m, part) })
		}
	}
	if !slices.ContainsFunc(active, func(id cursor.ConsumerID) bool { return id != 0 }) {
		return infos
	}
	tags := map[cursor.ConsumerID]string{}
	e.attachments.each(func(a *Attachment) { tags[a.id] = a.options.Tag })
	for i, id := range active {
		infos[i].ActiveConsumer = tags[id]
	}
	return infos
}

// Exchanges lists the exchanges of these namespaces by namespace and name.
func (b *Broker) Exchanges(spaces ...string) []ExchangeInfo {
	c := b.engine.control
	var out []ExchangeInfo
	c.mu.RLock()
	for _, space := range spaces {
		if n := c.state.Namespace(space); n != nil {
			for _, x := range n.Exchanges {
				out = append(out, describeExchange(x))
			}
		}
	}
	c.mu.RUnlock()
	slices.SortFunc(out, func(a, b ExchangeInfo) int {
		return cmp.Or(cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Name, b.Name))
	})
	return out
}

// Exchange returns one exchange.
func (b *Broker) Exchange(space, name string) (ExchangeInfo, bool) {
	c := b.engine.control
	c.mu.RLock()
	defer c.mu.RUnlock()
	x := c.state.Exchange(space, name)
	if x == nil {
		return ExchangeInfo{}, false
	}
	return describeExchange(x), true
}

func describeExchange(x *meta.Exchange) ExchangeInfo {
	policy, operator, definition := x.Policies()
	return ExchangeInfo{
		Namespace: x.Namespace, Name: x.Name, Kind: x.Kind, Durable: x.Durable, AutoDelete: x.AutoDelete,
		Internal: x.Internal, Arguments: x.Arguments, Policy: policy, OperatorPolicy: operator, Definition: definition,
	}
}

// Bindings lists the bindings of these namespaces, less those that every queue
// has to the default exchange.
func (b *Broker) Bindings(spaces ...string) []BindingInfo {
	c := b.engine.control
	var out []BindingInfo
	c.mu.RLock()
	for _, space := range spaces {
		if n := c.state.Namespace(space); n != nil {
			for _, x := range n.Exchanges {
				for b := range x.Bindings {
					out = append(out, BindingInfo{b.Namespace, b.Source, b.Destination, b.ToExchange, b.Key, b.Arguments, b.ToTopic()})
				}
			}
		}
	}
	c.mu.RUnlock()
	slices.SortFunc(out, func(a, b BindingInfo) int {
		return cmp.Or(cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Source, b.Source),
			cmp.Compare(a.Destination, b.Destination), cmp.Compare(a.Key, b.Key))
	})
	return out
}

// Sessions lists the open sessions by name.
func (b *Broker) Sessions() []SessionInfo {
	var out []SessionInfo
	b.engine.sessions.each(func(s *Session) {
		o := &s.options
		out = append(out, SessionInfo{o.Name, s.principal.User, s.namespace, o.Dialect, o.Remote, o.Properties, s.opened, o.Describer})
	})
	slices.SortFunc(out, func(a, b SessionInfo) int { return cmp.Compare(a.Name, b.Name) })
	return out
}

// Consumers lists the attachments by namespace, queue and tag.
func (b *Broker) Consumers() []ConsumerInfo {
	var all []*Attachment
	b.engine.attachments.each(func(a *Attachment) { all = append(all, a) })
	active := b.engine.activeOnes(all)
	out := make([]ConsumerInfo, 0, len(all))
	for _, a := range all {
		o, s := &a.options, a.session
		only := active[a.log]
		out = append(out, ConsumerInfo{
			Namespace: s.namespace, Queue: a.queue, Tag: o.Tag, Session: s.options.Name, User: s.principal.User,
			Remote: s.options.Remote, Exclusive: o.Exclusive, AutoSettle: o.AutoSettle, Active: !a.ended.Load(),
			Only: only == a.id, Waiting: only != 0 && only != a.id, Priority: o.Priority, Part: o.Part, Prefetch: o.Prefetch,
			LeaseMillis: b.engine.leaseMillis(a), Arguments: o.Arguments,
		})
	}
	slices.SortFunc(out, func(a, b ConsumerInfo) int {
		return cmp.Or(cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Queue, b.Queue), cmp.Compare(a.Tag, b.Tag))
	})
	return out
}

// leaseMillis is how long a consumer may keep a message: its own limit or that of
// the queue, whichever is shorter; 0 without either.
func (e *engine) leaseMillis(a *Attachment) int64 {
	own := a.options.LeaseMillis
	q := e.queueOf(a.log)
	if q == nil {
		return own
	}
	if of := q.Effective().LeaseMillis; of != nil && *of > 0 && (own == 0 || *of < own) {
		return *of
	}
	return own
}

// activeOnes finds the only consumer served of each log that has such a one.
func (e *engine) activeOnes(all []*Attachment) map[record.LogID]cursor.ConsumerID {
	byHost := map[*host]map[record.LogID]bool{}
	for _, a := range all {
		if byHost[a.host] == nil {
			byHost[a.host] = map[record.LogID]bool{}
		}
		byHost[a.host][a.log] = true
	}
	active := map[record.LogID]cursor.ConsumerID{}
	for h, logs := range byHost {
		h.call(func(m *shard.Machine) {
			for id := range logs {
				if c, ok := m.Counts(id); ok && c.Active != 0 {
					active[id] = c.Active
				}
			}
		})
	}
	return active
}

// Unready says why the broker cannot take everything, or nothing if it can.
func (b *Broker) Unready() string {
	if b.engine.closing.Load() {
		return "shutting down"
	}
	if r := b.engine.pressure(); r != "" && r != reasonBusy {
		return r
	}
	return ""
}

// Closing says that the broker serves nobody any more.
func (b *Broker) Closing() bool { return b.engine.closing.Load() }

// MessageBytesMax is the largest message the broker takes.
func (b *Broker) MessageBytesMax() int64 { return b.engine.options.MessageBytesMax }
