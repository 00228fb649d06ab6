package broker

import (
	"cmp"
	"slices"

	"weir/internal/meta"
	"weir/internal/record"
	"weir/internal/shard"
)

// Change is what happens together or not at all, on any number of partitions and
// ledgers. Whoever makes one has checked the rights to it.
type Change struct {
	Notes   []LedgerNotes
	Appends []PartitionBlob
}

// LedgerNotes are notes of one ledger.
type LedgerNotes struct {
	Ledger string
	Notes  []Note
}

// PartitionBlob is an append to one partition. A partition that is not there any
// more takes nothing.
type PartitionBlob struct {
	Partition Partition
	Blob      Blob
}

// Partition names a log of a topic.
type Partition struct {
	Topic  string
	ID     [16]byte // of the topic
	Number int
}

// Change makes everything of c happen and returns when it has, durably.
func (s *Session) Change(c *Change) *Error {
	e := s.engine
	var parts []*transactionPart
	part := func(h *host) *transactionPart {
		if i := slices.IndexFunc(parts, func(p *transactionPart) bool { return p.host == h }); i >= 0 {
			return parts[i]
		}
		parts = append(parts, &transactionPart{host: h})
		return parts[len(parts)-1]
	}
	for i := range c.Notes {
		name := s.ledger(c.Notes[i].Ledger)
		p := part(e.hostOfLedger(name))
		p.data = appendNotes(p.data, name, c.Notes[i].Notes)
	}
	for i := range c.Appends {
		a := &c.Appends[i]
		if q := s.partitionOf(&a.Partition); q != nil {
			p := part(e.hosts[q.Shard])
			envelope := a.Blob.envelope()
			p.data = record.Append(shard.AppendMessage(p.data, []record.LogID{q.Log}), &envelope, a.Blob.Native)
		}
	}
	switch {
	case len(parts) == 1 && !parts[0].commit(nil), len(parts) > 1 && !decide(parts):
		return unavailable()
	}
	return nil
}

// partitionOf finds the log of a partition, nil where it is gone.
func (s *Session) partitionOf(p *Partition) *meta.Queue {
	c := s.engine.control
	c.mu.RLock()
	defer c.mu.RUnlock()
	t := c.state.Topic(s.namespace, p.Topic)
	if t == nil || t.ID != p.ID || p.Number < 0 || p.Number >= len(t.Partitions) {
		return nil
	}
	return t.Partitions[p.Number]
}

// ProducerState is a producer as a partition knows it.
type ProducerState = shard.ProducerState

// Producers lists who has sent numbered messages to a partition.
func (s *Session) Producers(p *Partition) ([]ProducerState, *Error) {
	q := s.partitionOf(p)
	if q == nil {
		return nil, notFound(ObjectTopic, s.namespace, p.Topic)
	}
	var all []ProducerState
	err := s.call(q, func(m *shard.Machine) { all = m.Producers(q.Log) })
	return all, err
}

// OpenTransaction is an open transaction as one partition knows it.
type OpenTransaction struct {
	Partition Partition
	ProducerState
}

// OpenTransactions lists the open transactions of the session's namespace, by
// producer and partition.
func (s *Session) OpenTransactions() []OpenTransaction {
	e := s.engine
	type open struct {
		log record.LogID
		ProducerState
	}
	var found []open
	for _, id := range e.durable {
		e.hosts[id].call(func(m *shard.Machine) {
			m.EachOpen(func(log record.LogID, p ProducerState) { found = append(found, open{log, p}) })
		})
	}
	if len(found) == 0 {
		return nil
	}
	partitions := s.partitionsByLog()
	var all []OpenTransaction
	for _, o := range found {
		if p, ok := partitions[o.log]; ok {
			all = append(all, OpenTransaction{p, o.ProducerState})
		}
	}
	slices.SortFunc(all, func(a, b OpenTransaction) int {
		return cmp.Or(cmp.Compare(a.ID, b.ID), cmp.Compare(a.Partition.Topic, b.Partition.Topic), cmp.Compare(a.Partition.Number, b.Partition.Number))
	})
	return all
}

func (s *Session) partitionsByLog() map[record.LogID]Partition {
	c := s.engine.control
	c.mu.RLock()
	defer c.mu.RUnlock()
	all := map[record.LogID]Partition{}
	for _, t := range s.space().Topics {
		for i, q := range t.Partitions {
			all[q.Log] = Partition{t.Name, t.ID, i}
		}
	}
	return all
}
