package kafka

import (
	"regexp"
	"slices"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"weir/internal/auth"
	"weir/internal/proto/kafka/group"
)

// transactionStates are those the protocol knows.
var transactionStates = []string{
	"Empty", "Ongoing", "PrepareCommit", "PrepareAbort", "CompleteCommit", "CompleteAbort", "Dead", "PrepareEpochFence",
}

func (c *conn) listTransactions(r *request) (kmsg.Response, error) {
	m := kmsg.NewPtrListTransactionsRequest()
	if err := r.decode(m); err != nil {
		return nil, err
	}
	answer := kmsg.NewPtrListTransactionsResponse()
	var pattern *regexp.Regexp
	if m.TransactionalIDPattern != nil && *m.TransactionalIDPattern != "" {
		var err error
		if pattern, err = group.Compile(*m.TransactionalIDPattern); err != nil {
			answer.ErrorCode = kerr.InvalidRegularExpression.Code
			return answer, nil
		}
	}
	for _, s := range m.StateFilters {
		if !slices.Contains(transactionStates, s) {
			answer.UnknownStateFilters = append(answer.UnknownStateFilters, s)
		}
	}
	for _, t := range c.server.transactions.all() {
		if pattern != nil && !pattern.MatchString(t.id) || !c.session.MayTransact(auth.Describe, t.id) {
			continue
		}
		if s, listed := t.list(m, c.server.options.Clock.Millis()); listed {
			answer.TransactionStates = append(answer.TransactionStates, s)
		}
	}
	return answer, nil
}

// list says how a transactional id is listed, if the filters let it be.
func (t *transaction) list(m *kmsg.ListTransactionsRequest, now int64) (s kmsg.ListTransactionsResponseTransactionState, listed bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	s = kmsg.NewListTransactionsResponseTransactionState()
	s.TransactionalID, s.ProducerID, s.TransactionState = t.id, int64(t.note.ID), t.state()
	switch {
	case t.gone || t.note.Updated == 0:
	case len(m.StateFilters) > 0 && !slices.Contains(m.StateFilters, s.TransactionState):
	case len(m.ProducerIDFilters) > 0 && !slices.Contains(m.ProducerIDFilters, s.ProducerID):
	case m.DurationFilterMillis >= 0 && (!t.open() || now-t.note.Begun < m.DurationFilterMillis):
	default:
		return s, true
	}
	return s, false
}
