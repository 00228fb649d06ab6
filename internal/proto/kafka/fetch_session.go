package kafka

import (
	"math"
	"math/rand/v2"
	"slices"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"weir/internal/broker"
)

// sessionPartsMax bounds the partitions of a session of fetches; a client that
// wants more asks for all of them each time.
const sessionPartsMax = 20_000

// Epochs of fetches that begin a session or go without one.
const (
	epochFirst   = 0
	epochWithout = -1
)

// fetchSession remembers what a client wants (KIP-227): it says only what is new,
// and is told only that. A connection has one at most, and it ends with it.
type fetchSession struct {
	id    int32
	epoch int32 // of the next fetch
	ids   bool  // topics are named by their ids
	parts map[partKey]*fetchPart
	order []*fetchPart // those that had messages come last
}

type partKey struct {
	topic     string
	id        broker.TopicID
	partition int32
}

func (p *fetchPart) key() partKey { return partKey{p.topic, p.id, p.partition} }

// fetchScope is what a fetch is about.
type fetchScope struct {
	parts   []*fetchPart
	session *fetchSession
	full    bool // everything is to be told
}

// fetchScope finds or begins the session of a fetch.
func (c *conn) fetchScope(m *kmsg.FetchRequest) (fetchScope, int16) {
	asked := askedParts(m)
	s := c.fetches
	switch {
	case m.SessionEpoch == epochFirst || m.SessionEpoch == epochWithout:
		if s != nil && (s.id == m.SessionID || m.SessionEpoch == epochFirst) {
			c.fetches = nil
		}
		if m.SessionEpoch == epochWithout || len(asked) == 0 || len(asked) > sessionPartsMax {
			return fetchScope{parts: asked, full: true}, errNone
		}
		s = &fetchSession{id: rand.Int32N(math.MaxInt32-1) + 1, epoch: 1, ids: m.Version >= fetchIDs, parts: map[partKey]*fetchPart{}}
		s.take(asked)
		c.fetches = s
		return fetchScope{parts: s.order, session: s, full: true}, errNone
	case s == nil || s.id != m.SessionID:
		return fetchScope{}, kerr.FetchSessionIDNotFound.Code
	case s.epoch != m.SessionEpoch:
		return fetchScope{}, kerr.InvalidFetchSessionEpoch.Code
	case s.ids != (m.Version >= fetchIDs):
		return fetchScope{}, kerr.FetchSessionTopicIDError.Code
	}
	if s.epoch++; s.epoch < 0 {
		s.epoch = 1
	}
	s.forget(m)
	s.take(asked)
	if len(s.order) == 0 || len(s.order) > sessionPartsMax {
		c.fetches = nil
		return fetchScope{parts: s.order, full: true}, errNone
	}
	return fetchScope{parts: s.order, session: s}, errNone
}

func askedParts(m *kmsg.FetchRequest) []*fetchPart {
	var all []*fetchPart
	for i := range m.Topics {
		t := &m.Topics[i]
		for k := range t.Partitions {
			p := &t.Partitions[k]
			all = append(all, &fetchPart{
				topic: t.Topic, id: t.TopicID, partition: p.Partition, from: p.FetchOffset, maxBytes: p.PartitionMaxBytes,
				epoch: p.CurrentLeaderEpoch, told: bounds{-1, -1},
			})
		}
	}
	return all
}

// take adds partitions, or changes what is wanted of them.
func (s *fetchSession) take(asked []*fetchPart) {
	for _, a := range asked {
		if have := s.parts[a.key()]; have != nil {
			have.from, have.maxBytes, have.epoch = a.from, a.maxBytes, a.epoch
			continue
		}
		s.parts[a.key()] = a
		s.order = append(s.order, a)
	}
}

// forget removes the partitions that the client names.
func (s *fetchSession) forget(m *kmsg.FetchRequest) {
	gone := map[*fetchPart]bool{}
	for i := range m.ForgottenTopics {
		t := &m.ForgottenTopics[i]
		for _, n := range t.Partitions {
			key := partKey{t.Topic, t.TopicID, n}
			if p := s.parts[key]; p != nil {
				gone[p] = true
				delete(s.parts, key)
			}
		}
	}
	if len(gone) > 0 {
		s.order = slices.DeleteFunc(s.order, func(p *fetchPart) bool { return gone[p] })
	}
}

// news leaves out what the client knows already. Partitions that had messages go
// behind the others, so that all of them have their turn.
func (s *fetchSession) news(all []fetchedPart, full bool) []fetchedPart {
	var tell, served []fetchedPart
	for i := range all {
		f := &all[i]
		now := bounds{int64(f.First), int64(f.End)}
		if f.code != errNone {
			now = bounds{-1, -1} // what comes after it is news
		}
		if full || f.code != errNone || len(f.Records) > 0 || now != f.part.told {
			f.part.told = now
			tell = append(tell, *f)
		}
		if len(f.Records) > 0 {
			served = append(served, *f)
		}
	}
	if len(served) > 0 && len(served) < len(all) {
		order := make([]*fetchPart, 0, len(all))
		for i := range all {
			if len(all[i].Records) == 0 {
				order = append(order, all[i].part)
			}
		}
		for i := range served {
			order = append(order, served[i].part)
		}
		s.order = order
	}
	return tell
}
