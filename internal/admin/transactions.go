package admin

import (
	"net/http"
	"slices"
	"strconv"

	"weir/internal/broker"
	"weir/internal/record"
)

func transactionRoutes() []entry {
	return []entry{
		newEntry("api/weir/transactions/*", accessUser, verbs{http.MethodGet: (*call).transactions}),
		newEntry("api/weir/transactions/*/ids/*", accessUser, verbs{http.MethodGet: (*call).transaction, http.MethodDelete: (*call).abortTransaction}),
		newEntry("api/weir/transactions/*/producers/*", accessUser, verbs{http.MethodGet: (*call).producerTransaction, http.MethodDelete: (*call).abortHanging}),
	}
}

// transactionItem is an open transaction.
type transactionItem struct {
	ID         string            `json:"id"` // "" of a hanging one
	Vhost      string            `json:"vhost"`
	Producer   uint64            `json:"producer"`
	Epoch      uint16            `json:"epoch"`
	State      string            `json:"state"`
	Begun      int64             `json:"begun_at"` // unix ms
	AgeSeconds int64             `json:"age_seconds"`
	Timeout    int64             `json:"timeout_ms"` // 0: it is never aborted
	Partitions int               `json:"partitions"`
	Details    []transactionPart `json:"partition_details"`
}

type transactionPart struct {
	Topic     string `json:"topic"`
	Partition int    `json:"partition"`
}

func (c *call) showTransaction(t *broker.TransactionInfo) transactionItem {
	item := transactionItem{
		ID: t.ID, Vhost: c.args[0], Producer: uint64(t.Producer), Epoch: t.Epoch, State: t.State, Begun: t.Begun,
		AgeSeconds: max(c.options.Clock.Millis()-t.Begun, 0) / 1000, Timeout: t.Timeout, Partitions: len(t.Partitions), Details: []transactionPart{},
	}
	for _, p := range t.Partitions {
		item.Details = append(item.Details, transactionPart{p.Topic, p.Number})
	}
	return item
}

func (c *call) transactions() *failure {
	s, f := c.openGroups()
	if f != nil {
		return f
	}
	all := s.ListTransactions()
	return c.list(len(all), func(i int) string { return all[i].ID }, func(i int) any { return c.showTransaction(&all[i]) })
}

// findTransaction shows the open transaction that is the one.
func (c *call) findTransaction(is func(t *broker.TransactionInfo) bool) *failure {
	s, f := c.openGroups()
	if f != nil {
		return f
	}
	all := s.ListTransactions()
	i := slices.IndexFunc(all, func(t broker.TransactionInfo) bool { return is(&t) })
	if i < 0 {
		return failed(&broker.Error{Code: broker.CodeNotFound, Object: broker.ObjectTransaction, Name: c.args[1], Text: "no transaction is open"})
	}
	return c.ok(c.showTransaction(&all[i]))
}

func (c *call) transaction() *failure {
	return c.findTransaction(func(t *broker.TransactionInfo) bool { return t.State != broker.Hanging && t.ID == c.args[1] })
}

// producer is the one that the path names.
func (c *call) producer() (record.ProducerID, *failure) {
	n, err := strconv.ParseUint(c.args[1], 10, 63)
	if err != nil {
		return 0, badRequest("producer: not a number")
	}
	return record.ProducerID(n), nil
}

func (c *call) producerTransaction() *failure {
	producer, f := c.producer()
	if f != nil {
		return f
	}
	return c.findTransaction(func(t *broker.TransactionInfo) bool { return t.Producer == producer })
}

func (c *call) abortTransaction() *failure {
	s, f := c.openGroups()
	if f != nil {
		return f
	}
	if err := s.AbortTransaction(c.args[1]); err != nil {
		return failed(err)
	}
	return c.done(false)
}

func (c *call) abortHanging() *failure {
	producer, f := c.producer()
	if f != nil {
		return f
	}
	s, f := c.openGroups()
	if f != nil {
		return f
	}
	if err := s.AbortHanging(producer); err != nil {
		return failed(err)
	}
	return c.done(false)
}
