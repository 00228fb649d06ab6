package broker

import (
	"cmp"
	"slices"

	"weir/internal/auth"
	"weir/internal/record"
)

// Hanging is the state of a transaction that partitions have open and nobody
// coordinates.
const Hanging = "Hanging"

// TransactionInfo is an open transaction.
type TransactionInfo struct {
	ID         string // "" of a hanging one
	Producer   record.ProducerID
	Epoch      uint16
	State      string // the coordinator's word, or Hanging
	Begun      int64  // unix ms; of a hanging one, when its producer sent something last
	Timeout    int64  // ms after which it is aborted; 0 never
	Partitions []Partition
}

// TransactionKeeper coordinates the transactions of a namespace. Its methods may be
// called from any goroutine.
type TransactionKeeper interface {
	// Open lists the open transactions by id.
	Open() []TransactionInfo
	// Abort ends an open one, durably, and fences its producer off.
	Abort(id string) *Error
	// AbortIn ends what a producer has open in partitions, durably.
	AbortIn(producer record.ProducerID, epoch uint16, partitions []Partition) *Error
}

// KeepTransactions lets a keeper coordinate the transactions of a namespace from
// now on.
func (b *Broker) KeepTransactions(namespace string, k TransactionKeeper) {
	b.engine.transactionKeepers.Store(namespace, k)
}

func (s *Session) transactionKeeper() TransactionKeeper {
	if k, ok := s.engine.transactionKeepers.Load(s.namespace); ok {
		return k.(TransactionKeeper)
	}
	return noTransactions{s.namespace}
}

// noTransactions is the keeper of a namespace that has none.
type noTransactions struct{ space string }

func (noTransactions) Open() []TransactionInfo { return nil }

func (n noTransactions) Abort(id string) *Error { return notFound(ObjectTransaction, n.space, id) }

func (n noTransactions) AbortIn(record.ProducerID, uint16, []Partition) *Error {
	return &Error{Code: CodeUnavailable, Object: ObjectTransaction, Space: n.space, Text: "nobody coordinates transactions"}
}

// ListTransactions lists the open transactions of the session's namespace that it
// may see: those that are coordinated by id, and then those that hang.
func (s *Session) ListTransactions() []TransactionInfo {
	k := s.transactionKeeper()
	before := k.Open()
	open := s.OpenTransactions()
	all := k.Open()
	hanging := s.hanging(open, slices.Concat(before, all))
	all = slices.DeleteFunc(all, func(t TransactionInfo) bool { return !s.MayTransact(auth.Describe, t.ID) })
	return append(all, hanging...)
}

// hanging makes transactions of what partitions have open and none of the known
// ones has in them. Known are those from before and after the partitions were asked.
func (s *Session) hanging(open []OpenTransaction, known []TransactionInfo) []TransactionInfo {
	var all []TransactionInfo
	for _, o := range open {
		if slices.ContainsFunc(known, func(t TransactionInfo) bool {
			return t.Producer == o.ID && slices.Contains(t.Partitions, o.Partition)
		}) || !s.MayTopic(auth.Describe, o.Partition.Topic) {
			continue
		}
		n := len(all)
		if n == 0 || all[n-1].Producer != o.ID || all[n-1].Epoch != o.Epoch {
			all = append(all, TransactionInfo{Producer: o.ID, Epoch: o.Epoch, State: Hanging, Begun: o.Seen})
			n++
		}
		t := &all[n-1]
		t.Begun, t.Partitions = min(t.Begun, o.Seen), append(t.Partitions, o.Partition)
	}
	slices.SortStableFunc(all, func(a, b TransactionInfo) int { return cmp.Compare(a.Producer, b.Producer) })
	return all
}

// AbortTransaction aborts the open transaction of an id.
func (s *Session) AbortTransaction(id string) *Error {
	if !s.MayTransact(auth.Write, id) && !s.MayCluster(auth.Alter) {
		return s.noTransactionRight(id)
	}
	return s.transactionKeeper().Abort(id)
}

func (s *Session) noTransactionRight(id string) *Error {
	return &Error{
		Code: CodeAccessRefused, Object: ObjectTransaction, Name: id, Space: s.namespace, Field: auth.Write.String(),
		Received: s.principal.User, Text: "no right to abort the transaction",
	}
}

// AbortHanging aborts what hangs of a producer.
func (s *Session) AbortHanging(producer record.ProducerID) *Error {
	if !s.MayCluster(auth.Alter) {
		return s.noTransactionRight("")
	}
	found := false
	for _, t := range s.ListTransactions() {
		if t.State != Hanging || t.Producer != producer {
			continue
		}
		found = true
		if err := s.transactionKeeper().AbortIn(t.Producer, t.Epoch, t.Partitions); err != nil {
			return err
		}
	}
	if !found {
		return notFound(ObjectTransaction, s.namespace, "")
	}
	return nil
}
