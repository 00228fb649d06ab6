package meta

// Topic is a destination of several logs that keeps messages by time and size for
// any number of readers.
type Topic struct {
	Namespace string    `json:"ns"`
	Name      string    `json:"name"`
	ID        [16]byte  `json:"id"` // unlike its name, of this topic alone
	Settings  Settings  `json:"settings"`
	Arguments Arguments `json:"arguments,omitempty"` // as the dialect spelled them
	// Partitions are its logs. They are no queues that anybody can name.
	Partitions []*Queue `json:"partitions"`
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
	r := Result{Topic: t}
	for _, p := range t.Partitions {
		p.Log = s.nextLog
		s.nextLog++
		r.Effects.Opened = append(r.Effects.Opened, p)
	}
	s.mark("c", "", "")
	s.addTopic(t)
	s.mark("t", t.Namespace, t.Name)
	return r
}

func (s *State) addTopic(t *Topic) {
	for _, p := range t.Partitions {
		p.effective.Store(s.effective(p, nil, nil))
	}
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
	effects.Closed = append(effects.Closed, t.Partitions...)
}
