package meta

import (
	"encoding/binary"

	"weir/internal/record"
)

// View makes a queue one over a topic: it has no messages of its own but a
// settling cursor over those of each of the topic's partitions.
type View struct {
	Topic string `json:"topic"`
	// Source is the log of the partition that this part is over, and Begin where
	// in it: an offset, or negative for its end.
	Source record.LogID `json:"source"`
	Begin  int64        `json:"begin"`
	// More are the parts over the topic's other partitions, by number. They are no
	// queues that anybody can name.
	More []*Queue `json:"more,omitempty"`
}

// Parts are the queue and, of a view, its parts over further partitions. It may be
// called from any goroutine for a queue that is or was in the state.
func (q *Queue) Parts() []*Queue {
	if p := q.parts.Load(); p != nil {
		return *p
	}
	return []*Queue{q}
}

// join makes the parts of a view one queue.
func (q *Queue) join() {
	if q.View != nil && len(q.View.More) > 0 {
		parts := append([]*Queue{q}, q.View.More...)
		q.parts.Store(&parts)
	}
}

// over says whether the view is over the partitions that the topic has.
func (q *Queue) over(t *Topic) bool {
	q.join()
	parts := q.Parts()
	if t == nil || len(parts) != len(t.Partitions) {
		return false
	}
	for i, p := range t.Partitions {
		if parts[i].View.Source != p.Log || parts[i].Shard != p.Shard {
			return false
		}
	}
	return true
}

// attach notes the view at its topic.
func (t *Topic) attach(q *Queue) {
	if t.views == nil {
		t.views = map[string]*Queue{}
	}
	t.views[q.Name] = q
}

// widen gives a view parts over the partitions that its topic has got, from their
// first message on: they were empty when the view was last whole.
func (s *State) widen(t *Topic, q *Queue, effects *Effects) {
	var more []*Queue
	for _, p := range t.Partitions[len(q.Parts()):] {
		part := &Queue{
			Namespace: q.Namespace, Name: q.Name, Shard: p.Shard, Durable: q.Durable, Exclusive: q.Exclusive,
			AutoDelete: q.AutoDelete, Owner: q.Owner, Settings: q.Settings, Class: q.Class, Defaults: q.Defaults,
			PolicyFirst: q.PolicyFirst, View: &View{Topic: t.Name, Source: p.Log},
		}
		part.effective.Store(q.effective.Load())
		more = append(more, part)
	}
	s.number(more, effects)
	q.View.More = append(q.View.More, more...)
	q.join()
}

// widenViews gives all views of a topic that has got partitions what they lack.
func (s *State) widenViews(t *Topic, effects *Effects) {
	for _, q := range t.views {
		s.widen(t, q, effects)
		effects.Widened = append(effects.Widened, q)
		s.mark("q", q.Namespace, q.Name)
	}
	for _, q := range t.Shares {
		s.widen(t, q, effects)
	}
}

// putShare gives a group that reads a topic together its view.
func (s *State) putShare(q *Queue) Result {
	t := s.Topic(q.Namespace, q.View.Topic)
	if t == nil || !q.over(t) {
		return Result{Outcome: Missing, Name: q.View.Topic}
	}
	if have := t.Shares[q.Name]; have != nil {
		for _, part := range have.Parts() {
			part.Settings = q.Settings
		}
		s.addShare(have)
		s.mark("t", t.Namespace, t.Name)
		return Result{Outcome: Existed, Queue: have, Effects: Effects{Changed: have.Parts()}}
	}
	r := Result{Queue: q}
	s.number(q.Parts(), &r.Effects)
	if t.Shares == nil {
		t.Shares = map[string]*Queue{}
	}
	t.Shares[q.Name] = q
	s.addShare(q)
	s.mark("t", t.Namespace, t.Name)
	return r
}

func (s *State) addShare(q *Queue) {
	q.join()
	for _, part := range q.Parts() {
		part.effective.Store(s.effective(part, nil, nil))
	}
}

func (s *State) deleteShare(space, topic, group string) Result {
	t := s.Topic(space, topic)
	if t == nil || t.Shares[group] == nil {
		return Result{Outcome: Missing, Name: group}
	}
	q := t.Shares[group]
	delete(t.Shares, group)
	s.mark("t", space, topic)
	return Result{Queue: q, Effects: Effects{Closed: q.Parts()}}
}

// QueueTopic shows a queue as a topic of one partition.
func QueueTopic(q *Queue) *Topic {
	t := &Topic{Namespace: q.Namespace, Name: q.Name, Settings: q.Settings, Partitions: []*Queue{q}}
	copy(t.ID[:], queueTopicID)
	binary.BigEndian.PutUint64(t.ID[8:], uint64(q.Log))
	return t
}

// queueTopicID begins the ids of queues shown as topics.
const queueTopicID = "queue\x00\x00\x00"

// TopicQueue is the log of the queue that an id of QueueTopic stands for, 0 for an
// id of another kind.
func TopicQueue(id TopicID) record.LogID {
	if string(id[:8]) != queueTopicID {
		return 0
	}
	return record.LogID(binary.BigEndian.Uint64(id[8:]))
}

// ToTopic says whether the binding's destination is a topic.
func (b *Binding) ToTopic() bool { return b.topic != nil }
