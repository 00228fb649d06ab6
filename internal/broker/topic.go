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

// PartitionsMax bounds the logs of one topic.
const PartitionsMax = 10_000

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
	ID              TopicID // unlike its name, of this topic alone
	Partitions      int
	Settings        Settings
	Arguments       map[string]any // not to be changed
	Queue           bool           // it is a queue, which can be read like a topic
}

// TopicID tells a topic from all others there ever were.
type TopicID = meta.TopicID

// TopicResult is what became of one topic of several.
type TopicResult struct {
	TopicInfo
	Err *Error
}

// CreateTopic creates a topic; one that is there already is CodeMismatch.
func (s *Session) CreateTopic(spec TopicSpec) (TopicInfo, *Error) {
	r := s.CreateTopics([]TopicSpec{spec})
	return r[0].TopicInfo, r[0].Err
}

// CreateTopics creates topics together, which is much faster than one by one; each
// has its own result.
func (s *Session) CreateTopics(specs []TopicSpec) []TopicResult {
	e := s.engine
	out := make([]TopicResult, len(specs))
	var commands []meta.Command
	var which []int
	for i := range specs {
		if out[i].Err = s.checkTopic(&specs[i]); out[i].Err == nil {
			commands = append(commands, meta.Command{Op: meta.OpTopicPut, Topic: s.newTopic(&specs[i])})
			which = append(which, i)
		}
	}
	if len(commands) == 0 {
		return out
	}
	results, err := e.control.propose(commands...)
	for k, i := range which {
		o := &out[i]
		if err != nil {
			o.Err = err
			continue
		}
		switch r := &results[k]; r.Outcome {
		case meta.Done:
			o.TopicInfo = describeTopic(commands[k].Topic, r.Topic.ID)
		case meta.Existed:
			o.TopicInfo, o.Err = s.Topic(specs[i].Name)
			if o.Err == nil {
				o.Err = &Error{Code: CodeMismatch, Object: ObjectTopic, Name: specs[i].Name, Space: s.namespace, Text: "the topic exists"}
			}
		default:
			o.Err = outcomeError(ObjectTopic, s.namespace, specs[i].Name, r)
		}
	}
	return out
}

// checkTopic says what is wrong with a topic to be.
func (s *Session) checkTopic(spec *TopicSpec) *Error {
	if err := checkNewName(ObjectTopic, spec.Name); err != nil {
		return err
	}
	if spec.Partitions < 1 || spec.Partitions > PartitionsMax {
		return &Error{Code: CodeInvalid, Object: ObjectTopic, Name: spec.Name, Field: "partitions", Text: "partitions: not between 1 and 10000"}
	}
	c := s.engine.control
	c.mu.RLock()
	defer c.mu.RUnlock()
	if s.may(c.state, auth.Create, ObjectCluster, auth.ClusterName) == nil {
		return nil
	}
	return s.may(c.state, auth.Create, ObjectTopic, spec.Name)
}

func (s *Session) newTopic(spec *TopicSpec) *meta.Topic {
	yes := true
	spec.Settings.Stream = &yes
	t := &meta.Topic{Namespace: s.namespace, Name: spec.Name, Settings: spec.Settings, Arguments: spec.Arguments}
	rand.Read(t.ID[:]) // never fails
	t.Partitions = s.newPartitions(spec.Name, 0, spec.Partitions)
	return t
}

// newPartitions are the partitions of a topic from number from to below to.
func (s *Session) newPartitions(topic string, from, to int) []*meta.Queue {
	yes := true
	partitions := make([]*meta.Queue, 0, to-from)
	for i := from; i < to; i++ {
		partitions = append(partitions, &meta.Queue{
			Namespace: s.namespace, Name: fmt.Sprintf("%s-%d", topic, i), Shard: s.engine.place(), Durable: true,
			Settings: Settings{Stream: &yes},
		})
	}
	return partitions
}

// AlterTopic changes the settings and arguments of a topic, or adds partitions:
// change is given what the topic is like and says what it shall be like. It runs
// again where somebody else altered the topic at the same time. verb is the right
// it takes, Alter or AlterConfigs.
func (s *Session) AlterTopic(name string, verb auth.Verb, change func(now TopicInfo) (TopicSpec, *Error)) *Error {
	c := s.engine.control
	for {
		c.mu.RLock()
		t := c.state.Topic(s.namespace, name)
		err := s.may(c.state, verb, ObjectTopic, name)
		var now TopicInfo
		var revision uint64
		if t != nil {
			now, revision = describeTopic(t, t.ID), t.Revision
		}
		c.mu.RUnlock()
		switch {
		case err != nil:
			return err
		case t == nil:
			return notFound(ObjectTopic, s.namespace, name)
		}
		spec, err := change(now)
		if err != nil {
			return err
		}
		if spec.Partitions < now.Partitions || spec.Partitions > PartitionsMax {
			return &Error{Code: CodeInvalid, Object: ObjectTopic, Name: name, Field: "partitions", Text: "partitions: fewer than there are, or more than 10000"}
		}
		spec.Settings.Stream = now.Settings.Stream
		results, err := c.propose(meta.Command{Op: meta.OpTopicAlter, Topic: &meta.Topic{
			Namespace: s.namespace, Name: name, ID: now.ID, Revision: revision, Settings: spec.Settings, Arguments: spec.Arguments,
			Partitions: s.newPartitions(name, now.Partitions, spec.Partitions),
		}})
		if err != nil {
			return err
		}
		switch results[0].Outcome {
		case meta.Stale:
			continue
		case meta.Done:
			s.engine.changes.wait(c.done)
			return nil
		default:
			return outcomeError(ObjectTopic, s.namespace, name, &results[0])
		}
	}
}

// DeleteTopic deletes a topic and its messages.
func (s *Session) DeleteTopic(name string) *Error {
	return s.DeleteTopics([]string{name})[0]
}

// DeleteTopics deletes topics together; each has its own result.
func (s *Session) DeleteTopics(names []string) []*Error {
	c := s.engine.control
	out := make([]*Error, len(names))
	var commands []meta.Command
	var which []int
	c.mu.RLock()
	for i, name := range names {
		if out[i] = s.may(c.state, auth.Delete, ObjectTopic, name); out[i] == nil {
			commands = append(commands, meta.Command{Op: meta.OpTopicDelete, Space: s.namespace, Name: name})
			which = append(which, i)
		}
	}
	c.mu.RUnlock()
	if len(commands) == 0 {
		return out
	}
	results, err := c.propose(commands...)
	for k, i := range which {
		if err != nil {
			out[i] = err
		} else if results[k].Outcome != meta.Done {
			out[i] = outcomeError(ObjectTopic, s.namespace, names[i], &results[k])
		}
	}
	return out
}

// describeTopic tells what is in t. The control state's own are only to be looked
// at with its mutex held.
func describeTopic(t *meta.Topic, id TopicID) TopicInfo {
	return TopicInfo{Namespace: t.Namespace, Name: t.Name, ID: id, Partitions: len(t.Partitions), Settings: t.Settings, Arguments: t.Arguments}
}

// Topic describes a topic of the session's namespace.
func (s *Session) Topic(name string) (TopicInfo, *Error) {
	c := s.engine.control
	c.mu.RLock()
	defer c.mu.RUnlock()
	t := c.state.Topic(s.namespace, name)
	if t == nil {
		return s.queueTopic(name)
	}
	return describeTopic(t, t.ID), nil
}

// TopicByID describes the topic with an id.
func (s *Session) TopicByID(id TopicID) (TopicInfo, *Error) {
	c := s.engine.control
	c.mu.RLock()
	defer c.mu.RUnlock()
	t := s.space().TopicIDs[id]
	if t == nil {
		if q := s.engine.queueOf(meta.TopicQueue(id)); q != nil && q.Namespace == s.namespace {
			return s.queueTopic(q.Name)
		}
		return TopicInfo{}, notFound(ObjectTopic, s.namespace, "")
	}
	return describeTopic(t, t.ID), nil
}

// Definitions grows whenever something is declared, altered or deleted: what was
// looked up before still holds while it stays the same.
func (s *Session) Definitions() uint64 { return s.engine.version.Load() }

// MayTopic says whether the session has a right on a topic, which need not exist.
func (s *Session) MayTopic(verb auth.Verb, name string) bool {
	c := s.engine.control
	c.mu.RLock()
	defer c.mu.RUnlock()
	return s.may(c.state, verb, ObjectTopic, name) == nil
}

// Topics lists the topics of the session's namespace by name.
func (s *Session) Topics() []TopicInfo {
	c := s.engine.control
	c.mu.RLock()
	defer c.mu.RUnlock()
	var all []TopicInfo
	for _, t := range s.space().Topics {
		all = append(all, describeTopic(t, t.ID))
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
	if t == nil && number == 0 {
		q, err := s.queue(topic)
		if err != nil || q.View != nil {
			return nil, notFound(ObjectTopic, s.namespace, topic)
		}
		return q, nil
	}
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
	Producer  record.Producer
}

func (b *Blob) envelope() record.Envelope {
	return record.Envelope{Dialect: b.Dialect, Count: b.Count, Timestamp: b.Timestamp, Body: uint32(len(b.Native)), Producer: b.Producer}
}

// Append adds a blob to a partition. done runs on an engine goroutine when it is
// durable, with the offset of its first message and of the partition's first, or
// with what became of it. A blob that its producer has sent before is not stored
// again: it is where it was.
func (s *Session) Append(topic string, number int, b *Blob, done func(first, begin record.Offset, err *Error)) *Error {
	q, err := s.partition(auth.Write, topic, number)
	if err != nil {
		return err
	}
	if len(b.Native) > record.MessageBytesMax {
		return &Error{Code: CodeTooLarge, Object: ObjectMessage, Text: "message too large"}
	}
	if !isStream(q) {
		return s.appendEach(q, b, done)
	}
	s.appendBlob(q, b, done)
	s.engine.gate.wait(s)
	return nil
}

// appendBlob is Append to a log.
func (s *Session) appendBlob(q *meta.Queue, b *Blob, done func(first, begin record.Offset, err *Error)) {
	if s.appender == nil {
		s.appender = s.Publisher(nil)
	}
	h := s.engine.hosts[q.Shard]
	e := b.envelope()
	a := s.engine.newBlock()
	a.data = shard.AppendMessage(a.data, []record.LogID{q.Log})
	a.record = len(a.data)
	a.data = record.Append(a.data, &e, b.Native)
	a.sequences = append(a.sequences, 1)
	a.appended = done
	a.submission = &submission{publisher: s.appender}
	a.submission.pending.Store(1)
	h.submit([]*block{a}, nil)
}
