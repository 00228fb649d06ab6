package broker

import (
	"cmp"
	"crypto/rand"
	"fmt"
	"slices"

	"weir/internal/auth"
	"weir/internal/meta"
	"weir/internal/record"
	"weir/internal/shard"
)

// partitionsMax bounds the logs of one topic.
const partitionsMax = 10_000

// TopicSpec creates a topic.
type TopicSpec struct {
	Name       string
	Partitions int // 1 to 10,000
	Settings   Settings
	Arguments  map[string]any
}

// TopicInfo is a topic as listed.
type TopicInfo struct {
	Namespace, Name string
	ID              [16]byte // unlike its name, of this topic alone
	Partitions      int
	Arguments       map[string]any
}

// CreateTopic creates a topic; one that is there already is CodeMismatch.
func (s *Session) CreateTopic(spec TopicSpec) (TopicInfo, *Error) {
	e := s.engine
	switch err := checkNewName(ObjectTopic, spec.Name); {
	case err != nil:
		return TopicInfo{}, err
	case spec.Partitions < 1 || spec.Partitions > partitionsMax:
		return TopicInfo{}, &Error{Code: CodeInvalid, Object: ObjectTopic, Name: spec.Name, Field: "partitions", Text: "partitions: not between 1 and 10000"}
	}
	e.control.mu.RLock()
	err := s.may(e.control.state, auth.Configure, ObjectTopic, spec.Name)
	e.control.mu.RUnlock()
	if err != nil {
		return TopicInfo{}, err
	}
	yes := true
	spec.Settings.Stream = &yes
	t := &meta.Topic{Namespace: s.namespace, Name: spec.Name, Settings: spec.Settings, Arguments: spec.Arguments}
	rand.Read(t.ID[:]) // never fails
	for i := range spec.Partitions {
		t.Partitions = append(t.Partitions, &meta.Queue{
			Namespace: s.namespace, Name: fmt.Sprintf("%s-%d", spec.Name, i), Shard: e.place(), Durable: true, Settings: spec.Settings,
		})
	}
	results, err := e.control.propose(meta.Command{Op: meta.OpTopicPut, Topic: t})
	if err != nil {
		return TopicInfo{}, err
	}
	switch r := &results[0]; r.Outcome {
	case meta.Done:
		return describeTopic(r.Topic), nil
	case meta.Existed:
		return describeTopic(r.Topic), &Error{Code: CodeMismatch, Object: ObjectTopic, Name: spec.Name, Space: s.namespace, Text: "the topic exists"}
	default:
		return TopicInfo{}, outcomeError(ObjectTopic, s.namespace, spec.Name, r)
	}
}

// DeleteTopic deletes a topic and its messages.
func (s *Session) DeleteTopic(name string) *Error {
	e := s.engine
	e.control.mu.RLock()
	err := s.may(e.control.state, auth.Configure, ObjectTopic, name)
	e.control.mu.RUnlock()
	if err != nil {
		return err
	}
	results, err := e.control.propose(meta.Command{Op: meta.OpTopicDelete, Space: s.namespace, Name: name})
	if err == nil && results[0].Outcome != meta.Done {
		err = outcomeError(ObjectTopic, s.namespace, name, &results[0])
	}
	return err
}

func describeTopic(t *meta.Topic) TopicInfo {
	return TopicInfo{Namespace: t.Namespace, Name: t.Name, ID: t.ID, Partitions: len(t.Partitions), Arguments: t.Arguments}
}

// Topic describes a topic the session may see.
func (s *Session) Topic(name string) (TopicInfo, *Error) {
	c := s.engine.control
	c.mu.RLock()
	defer c.mu.RUnlock()
	t := c.state.Topic(s.namespace, name)
	if t == nil {
		return TopicInfo{}, notFound(ObjectTopic, s.namespace, name)
	}
	return describeTopic(t), nil
}

// TopicByID describes the topic with an id.
func (s *Session) TopicByID(id [16]byte) (TopicInfo, *Error) {
	c := s.engine.control
	c.mu.RLock()
	defer c.mu.RUnlock()
	t := c.state.Namespace(s.namespace).TopicIDs[id]
	if t == nil {
		return TopicInfo{}, notFound(ObjectTopic, s.namespace, "")
	}
	return describeTopic(t), nil
}

// Topics lists the topics of the session's namespace by name.
func (s *Session) Topics() []TopicInfo {
	c := s.engine.control
	c.mu.RLock()
	defer c.mu.RUnlock()
	var all []TopicInfo
	for _, t := range c.state.Namespace(s.namespace).Topics {
		all = append(all, describeTopic(t))
	}
	slices.SortFunc(all, func(a, b TopicInfo) int { return cmp.Compare(a.Name, b.Name) })
	return all
}

// partition finds a log of a topic.
func (s *Session) partition(verb auth.Verb, topic string, number int) (*meta.Queue, *Error) {
	c := s.engine.control
	c.mu.RLock()
	defer c.mu.RUnlock()
	if err := s.may(c.state, verb, ObjectTopic, topic); err != nil {
		return nil, err
	}
	t := c.state.Topic(s.namespace, topic)
	if t == nil || number < 0 || number >= len(t.Partitions) {
		return nil, notFound(ObjectTopic, s.namespace, topic)
	}
	return t.Partitions[number], nil
}

// Blob is a run of messages in one piece of its dialect's bytes.
type Blob struct {
	Dialect   record.Dialect
	Count     uint32 // messages, at least 1
	Timestamp int64  // of the latest of them, unix ms
	Native    []byte // only read during Append
}

// Append adds a blob to a partition. done runs on an engine goroutine when it is
// durable, with the offset of its first message, or with what became of it.
func (s *Session) Append(topic string, number int, b *Blob, done func(first record.Offset, err *Error)) *Error {
	q, err := s.partition(auth.Write, topic, number)
	if err != nil {
		return err
	}
	if len(b.Native) > record.MessageBytesMax {
		return &Error{Code: CodeTooLarge, Object: ObjectMessage, Text: "message too large"}
	}
	if s.appender == nil {
		s.appender = s.Publisher(nil)
	}
	h := s.engine.hosts[q.Shard]
	e := record.Envelope{Dialect: b.Dialect, Count: b.Count, Timestamp: b.Timestamp, Body: uint32(len(b.Native))}
	a := s.engine.newBlock()
	a.data = shard.AppendMessage(a.data, []record.LogID{q.Log})
	a.record = len(a.data)
	a.data = record.Append(a.data, &e, b.Native)
	a.sequences = append(a.sequences, 1)
	a.appended = done
	a.submission = &submission{publisher: s.appender}
	a.submission.pending.Store(1)
	h.submit([]*block{a}, nil)
	s.engine.gate.wait(s)
	return nil
}
