package kafka

import (
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"weir/internal/auth"
)

func (c *conn) describeTransactions(r *request) (kmsg.Response, error) {
	m := kmsg.NewPtrDescribeTransactionsRequest()
	if err := r.decode(m); err != nil {
		return nil, err
	}
	answer := kmsg.NewPtrDescribeTransactionsResponse()
	for _, id := range m.TransactionalIDs {
		s := kmsg.NewDescribeTransactionsResponseTransactionState()
		s.TransactionalID, s.ErrorCode = id, kerr.TransactionalIDNotFound.Code
		s.StartTimestamp, s.ProducerID, s.ProducerEpoch = -1, -1, -1
		if !c.session.MayTransact(auth.Describe, id) {
			s.ErrorCode = kerr.TransactionalIDAuthorizationFailed.Code
		} else if t := c.server.transactions.find(id); t != nil {
			t.describe(&s)
			t.mu.Unlock()
		}
		answer.TransactionStates = append(answer.TransactionStates, s)
	}
	return answer, nil
}

// describe fills in the state of a transactional id, which is locked.
func (t *transaction) describe(s *kmsg.DescribeTransactionsResponseTransactionState) {
	if t.note.Updated == 0 {
		return // its first producer is still being made
	}
	s.ErrorCode, s.State = errNone, t.state()
	s.TimeoutMillis, s.ProducerID, s.ProducerEpoch = int32(t.note.Timeout), int64(t.note.ID), t.note.Epoch
	if !t.open() {
		return
	}
	s.StartTimestamp = t.note.Begun
	for _, p := range t.enlisted() {
		if n := len(s.Topics); n == 0 || s.Topics[n-1].Topic != p.Topic {
			topic := kmsg.NewDescribeTransactionsResponseTransactionStateTopic()
			topic.Topic = p.Topic
			s.Topics = append(s.Topics, topic)
		}
		last := &s.Topics[len(s.Topics)-1]
		last.Partitions = append(last.Partitions, int32(p.Number))
	}
}
