package meta

import (
	"maps"
	"reflect"

	"weir/internal/route"
)

// TopicID is unlike a topic's name: of this topic alone, for ever.
type TopicID [16]byte

// Topic is a destination of several logs that keeps messages by time and size for
// any number of readers.
type Topic struct {
	Namespace string    `json:"ns"`
	Name      string    `json:"name"`
	ID        TopicID   `json:"id"`
	Revision  uint64    `json:"revision,omitempty"` // times it was altered
	Settings  Settings  `json:"settings"`
	Arguments Arguments `json:"arguments,omitempty"` // as the dialect spelled them; replaced, never changed
	// Partitions are its logs. They are no queues that anybody can name, and the
	// topic's settings hold for them, not their own.
	Partitions []*Queue `json:"partitions"`
	// Shares are the views of groups that read the topic together, by group. They
	// are no queues that anybody can name.
	Shares map[string]*Queue `json:"shares,omitempty"`

	views   map[string]*Queue // those that have names, by name
	target  route.Target
	sources map[*Exchange]int
}

// Topic returns a topic or nil.
func (s *State) Topic(space, name string) *Topic {
	if n := s.namespaces[space]; n != nil {
		return n.Topics[name]
	}
	return nil
}

func (s *State) putTopic(t *Topic) Result {
	n := s.namespaces[t.Namespace]
	if n == nil {
		return Result{Outcome: MissingSpace, Name: t.Namespace}
	}
	if have := n.Topics[t.Name]; have != nil {
		return Result{Outcome: Existed, Topic: have}
	}
	if q := n.Queues[t.Name]; q != nil {
		return Result{Outcome: Existed, Topic: QueueTopic(q)}
	}
	r := Result{Topic: t}
	s.number(t.Partitions, &r.Effects)
	s.addTopic(t)
	s.mark("t", t.Namespace, t.Name)
	return r
}

// number gives new partitions their logs.
func (s *State) number(partitions []*Queue, effects *Effects) {
	for _, p := range partitions {
		p.Log = s.nextLog
		s.nextLog++
		effects.Opened = append(effects.Opened, p)
	}
	s.mark("c", "", "")
}

// alterTopic gives the topic the settings of t and the partitions of t in addition
// to its own, if nobody else altered it meanwhile.
func (s *State) alterTopic(t *Topic) Result {
	have := s.Topic(t.Namespace, t.Name)
	switch {
	case have == nil || have.ID != t.ID:
		return Result{Outcome: Missing, Name: t.Name}
	case have.Revision != t.Revision:
		return Result{Outcome: Stale, Topic: have}
	}
	r := Result{Topic: have}
	have.Revision++
	if !reflect.DeepEqual(have.Settings, t.Settings) {
		r.Effects.Changed = have.Partitions
	}
	have.Settings, have.Arguments = t.Settings, t.Arguments
	if len(t.Partitions) > 0 {
		s.number(t.Partitions, &r.Effects)
		have.Partitions = append(have.Partitions[:len(have.Partitions):len(have.Partitions)], t.Partitions...)
		s.widenViews(have, &r.Effects)
	}
	s.refreshTopic(have)
	s.mark("t", t.Namespace, t.Name)
	return r
}

// refreshTopic gives the partitions the topic's settings.
func (s *State) refreshTopic(t *Topic) {
	e := s.effective(&Queue{Settings: t.Settings}, nil, nil)
	for _, p := range t.Partitions {
		p.effective.Store(e)
	}
}

func (s *State) addTopic(t *Topic) {
	s.refreshTopic(t)
	for _, q := range t.Shares {
		s.addShare(q)
	}
	t.target = s.allot(endpoint{topic: t})
	n := s.namespaces[t.Namespace]
	n.Topics[t.Name], n.TopicIDs[t.ID] = t, t
}

func (s *State) deleteTopic(space, name string) Result {
	t := s.Topic(space, name)
	if t == nil {
		return Result{Outcome: Missing, Name: name}
	}
	r := Result{Topic: t}
	s.removeTopic(t, &r.Effects)
	return r
}

func (s *State) removeTopic(t *Topic, effects *Effects) {
	n := s.namespaces[t.Namespace]
	delete(n.Topics, t.Name)
	delete(n.TopicIDs, t.ID)
	s.mark("t", t.Namespace, t.Name)
	for _, q := range t.views {
		s.removeQueue(q, effects)
	}
	for _, q := range t.Shares {
		effects.Closed = append(effects.Closed, q.Parts()...)
	}
	effects.Closed = append(effects.Closed, t.Partitions...)
	for source := range maps.Clone(t.sources) {
		s.removeDestination(source, t.Name, false, effects)
	}
	s.giveBack(t.target)
}
