package meta

import (
	"encoding/json"
	"slices"

	"weir/internal/record"
	"weir/internal/route"
)

// DefaultNamespace exists from the start.
const DefaultNamespace = "/"

// predeclared exchanges stand in every namespace.
var predeclared = []struct{ name, kind string }{
	{"", "direct"},
	{"amq.direct", "direct"},
	{"amq.fanout", "fanout"},
	{"amq.topic", "topic"},
	{"amq.headers", "headers"},
	{"amq.match", "headers"},
	{"amq.rabbitmq.trace", "topic"},
}

// endpoint is what a route target stands for.
type endpoint struct {
	queue    *Queue
	exchange *Exchange
	topic    *Topic
}

// State is everything the control shard knows.
type State struct {
	namespaces map[string]*Namespace
	users      map[string]*User
	nextLog    record.LogID
	endpoints  []endpoint // by route.Target
	free       []route.Target
	effectives map[effectiveKey]*Effective // shared by queues alike
	parameters map[string]json.RawMessage
	dirty      map[string]bool // checkpoint keys changed since the last Changes
	version    uint64
}

// New returns a state with the default namespace and its exchanges.
func New() *State {
	s := &State{
		namespaces: map[string]*Namespace{}, users: map[string]*User{},
		effectives: map[effectiveKey]*Effective{}, parameters: map[string]json.RawMessage{},
		nextLog: 1, dirty: map[string]bool{},
	}
	s.addNamespace(&Namespace{Name: DefaultNamespace})
	return s
}

// Version grows with every change.
func (s *State) Version() uint64 { return s.version }

// Namespace returns a namespace or nil.
func (s *State) Namespace(name string) *Namespace { return s.namespaces[name] }

// Namespaces lists the names, sorted.
func (s *State) Namespaces() []string { return sortedKeys(s.namespaces) }

// User returns a user or nil.
func (s *State) User(name string) *User { return s.users[name] }

// Users lists the names, sorted.
func (s *State) Users() []string { return sortedKeys(s.users) }

// Queue returns a queue or nil.
func (s *State) Queue(space, name string) *Queue {
	if n := s.namespaces[space]; n != nil {
		return n.Queues[name]
	}
	return nil
}

// Exchange returns an exchange or nil.
func (s *State) Exchange(space, name string) *Exchange {
	if n := s.namespaces[space]; n != nil {
		return n.Exchanges[name]
	}
	return nil
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

func (s *State) addNamespace(n *Namespace) {
	n.Queues, n.Exchanges, n.Topics = map[string]*Queue{}, map[string]*Exchange{}, map[string]*Topic{}
	n.TopicIDs = map[TopicID]*Topic{}
	s.namespaces[n.Name] = n
	for _, p := range predeclared {
		s.addExchange(&Exchange{Namespace: n.Name, Name: p.name, Kind: p.kind, Durable: true, Internal: p.name == "amq.rabbitmq.trace"})
	}
}

func (s *State) allot(e endpoint) route.Target {
	if n := len(s.free); n > 0 {
		t := s.free[n-1]
		s.free = s.free[:n-1]
		s.endpoints[t] = e
		return t
	}
	s.endpoints = append(s.endpoints, e)
	return route.Target(len(s.endpoints) - 1)
}

func (s *State) giveBack(t route.Target) {
	s.endpoints[t] = endpoint{}
	s.free = append(s.free, t)
}

func (s *State) addExchange(e *Exchange) {
	e.table = route.New(kinds[e.Kind])
	e.table.SetHashBy(e.HashBy)
	e.bindings = map[string]*Binding{}
	if e.Memory != nil {
		e.Memory.effective.Store(s.effective(e.Memory, nil, nil))
	}
	e.target = s.allot(endpoint{exchange: e})
	n := s.namespaces[e.Namespace]
	n.Exchanges[e.Name] = e
	n.refreshExchange(e)
}

func (s *State) addQueue(q *Queue) {
	q.target = s.allot(endpoint{queue: q})
	n := s.namespaces[q.Namespace]
	n.Queues[q.Name] = q
	q.join()
	if q.View != nil {
		if t := n.Topics[q.View.Topic]; t != nil { // else it is being loaded
			t.attach(q)
		}
	}
	s.refreshQueue(n, q)
}

// kinds maps exchange kinds to route kinds. A kind that is not here does not
// exist for anybody.
var kinds = map[string]route.Kind{
	"direct": route.Direct, "fanout": route.Fanout, "topic": route.Topic, "headers": route.Headers,
	"x-consistent-hash": route.ConsistentHash, "x-modulus-hash": route.ModulusHash, "x-random": route.Random,
	"x-local-random":   route.Random, // every queue is local
	"x-recent-history": route.Fanout,
}

// KnownKind says whether exchanges of this kind can be declared.
func KnownKind(kind string) bool {
	_, ok := kinds[kind]
	return ok
}
