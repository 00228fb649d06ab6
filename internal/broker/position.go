package broker

import (
	"encoding/binary"
	"encoding/hex"
	"slices"
	"strconv"
	"strings"

	"weir/internal/auth"
	"weir/internal/meta"
	"weir/internal/record"
)

// positionTextBytesMax bounds what a client may write beside a position.
const positionTextBytesMax = 4096

// positionsPrefix is what the ledgers of groups' positions begin with.
const positionsPrefix = "group/"

// GroupPosition is how far a group of readers is in a partition.
type GroupPosition struct {
	Topic     string
	TopicID   [16]byte // found by Topic where it is to be stored
	Partition int
	Next      record.Offset // the first it has not read
	Epoch     int32         // of the leader it was read from; -1 unknown
	Text      string        // the client's own, up to 4,096 bytes
	Committed int64         // unix ms
	Expires   int64         // unix ms; 0 with the group
}

// MayGroup checks a right on a group of readers: Read to use it, Configure to
// delete it.
func (s *Session) MayGroup(verb auth.Verb, group string) *Error {
	c := s.engine.control
	c.mu.RLock()
	defer c.mu.RUnlock()
	return s.may(c.state, verb, ObjectGroup, group)
}

// CommitPositions stores how far a group is. The refusals, one for each position,
// are nil where it is stored; those that are not refused are stored together and
// done runs on an engine goroutine when they are durable. Commits of one group are
// stored in the order of the calls.
func (s *Session) CommitPositions(group string, positions []GroupPosition, done func(*Error)) ([]*Error, *Error) {
	refused := make([]*Error, len(positions))
	var good []GroupPosition
	s.engine.control.mu.RLock()
	for i := range positions {
		p := positions[i]
		if refused[i] = s.placePosition(&p); refused[i] == nil {
			good = append(good, p)
		}
	}
	s.engine.control.mu.RUnlock()
	if len(good) == 0 {
		done(nil)
		return refused, nil
	}
	return refused, s.Note(PositionsLedger(group), PositionNotes(good), done)
}

// CheckPosition says whether CommitPositions would store a position, and sets its
// TopicID.
func (s *Session) CheckPosition(p *GroupPosition) *Error {
	c := s.engine.control
	c.mu.RLock()
	defer c.mu.RUnlock()
	return s.placePosition(p)
}

// placePosition finds the topic. The control state's lock is held.
func (s *Session) placePosition(p *GroupPosition) *Error {
	state := s.engine.control.state
	if err := s.may(state, auth.Read, ObjectTopic, p.Topic); err != nil {
		return err
	}
	t := s.anyTopic(state, p.Topic)
	switch {
	case t == nil || p.Partition < 0 || p.Partition >= len(t.Partitions):
		return notFound(ObjectTopic, s.namespace, p.Topic)
	case len(p.Text) > positionTextBytesMax:
		return &Error{Code: CodeInvalid, Object: ObjectGroup, Field: "text", Text: "text longer than 4096 bytes"}
	}
	p.TopicID = t.ID
	return nil
}

// anyTopic finds a topic, or a queue as one.
func (s *Session) anyTopic(state *meta.State, name string) *meta.Topic {
	if t := state.Topic(s.namespace, name); t != nil {
		return t
	}
	if q := state.Queue(s.namespace, name); q != nil && q.View == nil {
		return meta.QueueTopic(q)
	}
	return nil
}

// PositionsLedger is the ledger that a group's positions are in.
func PositionsLedger(group string) string { return positionsPrefix + group }

// PositionNotes are the notes of positions whose TopicID is set, for a caller that
// stores them together with something else.
func PositionNotes(positions []GroupPosition) []Note {
	notes := make([]Note, len(positions))
	for i := range positions {
		p := &positions[i]
		v := binary.LittleEndian.AppendUint64(nil, uint64(p.Next))
		v = binary.LittleEndian.AppendUint32(v, uint32(p.Epoch))
		v = binary.LittleEndian.AppendUint64(v, uint64(p.Committed))
		v = binary.LittleEndian.AppendUint64(v, uint64(p.Expires))
		notes[i] = Note{Key: positionKey(p), Value: append(v, p.Text...)}
	}
	return notes
}

// positionKey names the topic by its id: a new topic of the same name begins anew.
func positionKey(p *GroupPosition) string {
	return hex.EncodeToString(p.TopicID[:]) + "/" + strconv.Itoa(p.Partition)
}

// positionBytes is a position without its text.
const positionBytes = 8 + 4 + 8 + 8

func readPosition(n *Note) (p GroupPosition, ok bool) {
	id, partition, ok := strings.Cut(n.Key, "/")
	if !ok || len(n.Value) < positionBytes || len(id) != 2*len(p.TopicID) {
		return p, false
	}
	if _, err := hex.Decode(p.TopicID[:], []byte(id)); err != nil {
		return p, false
	}
	var err error
	if p.Partition, err = strconv.Atoi(partition); err != nil {
		return p, false
	}
	p.Next = record.Offset(binary.LittleEndian.Uint64(n.Value))
	p.Epoch = int32(binary.LittleEndian.Uint32(n.Value[8:]))
	p.Committed = int64(binary.LittleEndian.Uint64(n.Value[12:]))
	p.Expires = int64(binary.LittleEndian.Uint64(n.Value[20:]))
	p.Text = string(n.Value[positionBytes:])
	return p, true
}

// Positions lists a group's positions in the partitions there still are, in the
// topics the session may read, by topic and partition.
func (s *Session) Positions(group string) ([]GroupPosition, *Error) {
	notes, err := s.Ledger(PositionsLedger(group))
	if err != nil {
		return nil, err
	}
	c := s.engine.control
	c.mu.RLock()
	defer c.mu.RUnlock()
	topics := s.space().TopicIDs
	var all []GroupPosition
	var last *meta.Topic
	readable := false
	for i := range notes {
		p, ok := readPosition(&notes[i])
		if !ok {
			continue
		}
		t := topics[p.TopicID]
		if q := s.engine.queueOf(meta.TopicQueue(p.TopicID)); t == nil && q != nil && q.Namespace == s.namespace {
			t = meta.QueueTopic(q)
		}
		if t == nil {
			continue
		}
		if t != last {
			last, readable = t, s.may(c.state, auth.Describe, ObjectTopic, t.Name) == nil
		}
		if p.Topic = t.Name; readable {
			all = append(all, p)
		}
	}
	slices.SortFunc(all, func(a, b GroupPosition) int {
		if c := strings.Compare(a.Topic, b.Topic); c != 0 {
			return c
		}
		return a.Partition - b.Partition
	})
	return all, nil
}

// DropPositions forgets positions, by TopicID and Partition; nil forgets the group's
// all, and those in deleted topics.
func (s *Session) DropPositions(group string, positions []GroupPosition, done func(*Error)) *Error {
	var notes []Note
	for i := range positions {
		notes = append(notes, Note{Key: positionKey(&positions[i])})
	}
	if positions == nil {
		all, err := s.Ledger(PositionsLedger(group))
		if err != nil {
			return err
		}
		for i := range all {
			notes = append(notes, Note{Key: all[i].Key})
		}
	}
	if len(notes) == 0 {
		done(nil)
		return nil
	}
	return s.Note(PositionsLedger(group), notes, done)
}

// ExpirePositions forgets those of a group's positions that expired returns true
// for, and all in deleted topics, whoever may read them. It says how many are left.
func (s *Session) ExpirePositions(group string, expired func(*GroupPosition) bool) (left int, err *Error) {
	notes, err := s.Ledger(PositionsLedger(group))
	if err != nil {
		return 0, err
	}
	var old []Note
	for i := range notes {
		p, ok := readPosition(&notes[i])
		if t, err := s.TopicByID(p.TopicID); err == nil {
			p.Topic = t.Name
		}
		if !ok || p.Topic == "" || expired(&p) {
			old = append(old, Note{Key: notes[i].Key})
		}
	}
	if len(old) == 0 {
		return len(notes), nil
	}
	return len(notes) - len(old), s.await(func(done func(*Error)) *Error { return s.Note(PositionsLedger(group), old, done) })
}

// Groups lists the groups that have positions, in no order.
func (s *Session) Groups() []string {
	all := s.Ledgers(positionsPrefix)
	for i := range all {
		all[i] = strings.TrimPrefix(all[i], positionsPrefix)
	}
	return all
}
