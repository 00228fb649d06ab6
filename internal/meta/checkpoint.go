package meta

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"weir/internal/record"
)

// Checkpoint keys: a kind letter and, separated by NUL, the object's names. The
// values are the objects as JSON.
//
//	c  counters        n NAME   namespace    q SPACE NAME  queue
//	t SPACE NAME  topic
//	e SPACE NAME  exchange      b SPACE ID   binding       u NAME  user
//	p SPACE NAME  policy, NAME after "p" or an operator's "o"
//	g NAME    value kept for others
const keySeparator = "\x00"

type counters struct {
	NextLog record.LogID `json:"next_log"`
	// NoDefault says that the default namespace, which every new state has, was
	// deleted.
	NoDefault bool `json:"no_default,omitempty"`
}

func joinKey(parts ...string) string { return strings.Join(parts, keySeparator) }

func (s *State) mark(kind, a, b string) { s.dirty[joinKey(kind, a, b)] = true }

// Changes hands over what changed since it was last called.
func (s *State) Changes(put func(key, value []byte), del func(key []byte)) error {
	for key := range s.dirty {
		value := s.value(key)
		if value == nil {
			del([]byte(key))
			continue
		}
		b, err := json.Marshal(value)
		if err != nil {
			return fmt.Errorf("checkpoint %q: %w", key, err)
		}
		put([]byte(key), b)
	}
	clear(s.dirty)
	return nil
}

// value returns the object a key stands for, or nil if it is gone.
func (s *State) value(key string) any {
	parts := strings.SplitN(key, keySeparator, 3)
	switch kind, a, b := parts[0], parts[1], parts[2]; kind {
	case "c":
		return counters{s.nextLog, s.namespaces[DefaultNamespace] == nil}
	case "n":
		if n := s.namespaces[a]; n != nil {
			return n
		}
	case "q":
		if q := s.Queue(a, b); q != nil {
			return q
		}
	case "t":
		if t := s.Topic(a, b); t != nil {
			return t
		}
	case "e":
		if e := s.Exchange(a, b); e != nil {
			return e
		}
	case "b":
		source, _, _ := strings.Cut(b, keySeparator)
		if e := s.Exchange(a, source); e != nil && e.bindings[b] != nil {
			return e.bindings[b]
		}
	case "u":
		if u := s.users[a]; u != nil {
			return u
		}
	case "p":
		if p := s.Policy(a, b[1:], b[0] == 'o'); p != nil {
			return p
		}
	case "g":
		if v, ok := s.parameters[a]; ok {
			return v
		}
	}
	return nil
}

// Loader rebuilds a State from checkpoint keys in any order.
type Loader struct {
	state     *State
	queues    []*Queue
	topics    []*Topic
	exchanges []*Exchange
	bindings  []*Binding
	spaces    []*Namespace
	policies  []*Policy
}

// NewLoader starts with an empty state.
func NewLoader() *Loader { return &Loader{state: New()} }

// Load takes in one key.
func (l *Loader) Load(key, value []byte) error {
	kind, rest, _ := strings.Cut(string(key), keySeparator)
	var into any
	switch kind {
	case "c":
		var c counters
		if err := json.Unmarshal(value, &c); err != nil {
			return fmt.Errorf("checkpoint %q: %w", key, err)
		}
		l.state.nextLog = c.NextLog
		if c.NoDefault {
			l.state.deleteNamespace(DefaultNamespace)
		}
		return nil
	case "n":
		n := &Namespace{}
		l.spaces, into = append(l.spaces, n), n
	case "t":
		t := &Topic{}
		l.topics, into = append(l.topics, t), t
	case "q":
		q := &Queue{}
		l.queues, into = append(l.queues, q), q
	case "e":
		e := &Exchange{}
		l.exchanges, into = append(l.exchanges, e), e
	case "b":
		b := &Binding{}
		l.bindings, into = append(l.bindings, b), b
	case "u":
		u := &User{}
		defer func() { l.state.putUser(u) }()
		into = u
	case "p":
		p := &Policy{}
		l.policies, into = append(l.policies, p), p
	case "g":
		name, _, _ := strings.Cut(rest, keySeparator)
		l.state.parameters[name] = slices.Clone(value)
		return nil
	default:
		return fmt.Errorf("checkpoint key %q is of no known kind", key)
	}
	if err := json.Unmarshal(value, into); err != nil {
		return fmt.Errorf("checkpoint %q: %w", key, err)
	}
	return nil
}

// Finish connects what was loaded.
func (l *Loader) Finish() (*State, error) {
	s := l.state
	for _, n := range l.spaces {
		if s.namespaces[n.Name] == nil {
			s.addNamespace(n)
		} else {
			have := s.namespaces[n.Name]
			have.Description, have.Tags, have.Class, have.Limits = n.Description, n.Tags, n.Class, n.Limits
		}
	}
	for _, p := range l.policies { // before the queues, which they apply to
		n := s.namespaces[p.Namespace]
		if n == nil {
			return nil, fmt.Errorf("policy %q is in no namespace", p.Name)
		}
		p.compile()
		n.policies.put(p)
		for _, e := range n.Exchanges {
			n.refreshExchange(e)
		}
	}
	for _, q := range l.queues {
		if s.namespaces[q.Namespace] == nil {
			return nil, fmt.Errorf("queue %q is in no namespace", q.Name)
		}
		s.addQueue(q)
	}
	for _, t := range l.topics {
		if s.namespaces[t.Namespace] == nil {
			return nil, fmt.Errorf("topic %q is in no namespace", t.Name)
		}
		s.addTopic(t)
	}
	for _, q := range l.queues {
		if q.View == nil {
			continue
		}
		t := s.Topic(q.Namespace, q.View.Topic)
		if t == nil {
			return nil, fmt.Errorf("queue %q is over no topic", q.Name)
		}
		t.attach(q)
	}
	for _, e := range l.exchanges {
		n := s.namespaces[e.Namespace]
		if n == nil || !KnownKind(e.Kind) {
			return nil, fmt.Errorf("exchange %q has no namespace or kind", e.Name)
		}
		if n.Exchanges[e.Name] == nil {
			s.addExchange(e)
		}
	}
	for _, b := range l.bindings {
		if r := s.bind(b); r.Outcome != Done && r.Outcome != Existed {
			return nil, fmt.Errorf("binding of %q to %q has a missing end", b.Source, b.Destination)
		}
	}
	clear(s.dirty)
	return s, nil
}

// Redo notes that a key has to be written again: the checkpoint it was in failed.
func (s *State) Redo(key []byte) { s.dirty[string(key)] = true }
