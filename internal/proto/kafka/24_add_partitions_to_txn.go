package kafka

import (
	"slices"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"weir/internal/auth"
	"weir/internal/broker"
	"weir/internal/record"
)

const (
	// From here on one request has several transactions; only brokers send those.
	addPartitionsBatched = 4
	// Up to here a fenced producer has an older code.
	addPartitionsOldFence = 1
)

func (c *conn) addPartitionsToTxn(r *request) (kmsg.Response, error) {
	m := kmsg.NewPtrAddPartitionsToTxnRequest()
	if err := r.decode(m); err != nil {
		return nil, err
	}
	answer := kmsg.NewPtrAddPartitionsToTxnResponse()
	fenced := kerr.ProducerFenced.Code
	if r.version <= addPartitionsOldFence {
		fenced = kerr.InvalidProducerEpoch.Code
	}
	if r.version < addPartitionsBatched {
		who := identity{record.ProducerID(m.ProducerID), m.ProducerEpoch}
		answer.Topics = c.enlist(m.TransactionalID, who, fenced, false, m.Topics)
		return answer, nil
	}
	for i := range m.Transactions {
		x := &m.Transactions[i]
		var topics []kmsg.AddPartitionsToTxnRequestTopic
		for _, t := range x.Topics {
			topics = append(topics, kmsg.AddPartitionsToTxnRequestTopic{Topic: t.Topic, Partitions: t.Partitions})
		}
		out := kmsg.NewAddPartitionsToTxnResponseTransaction()
		out.TransactionalID = x.TransactionalID
		who := identity{record.ProducerID(x.ProducerID), x.ProducerEpoch}
		for _, t := range c.enlist(x.TransactionalID, who, fenced, x.VerifyOnly, topics) {
			topic := kmsg.NewAddPartitionsToTxnResponseTransactionTopic()
			topic.Topic = t.Topic
			for _, p := range t.Partitions {
				topic.Partitions = append(topic.Partitions, kmsg.AddPartitionsToTxnResponseTransactionTopicPartition(p))
			}
			out.Topics = append(out.Topics, topic)
		}
		answer.Transactions = append(answer.Transactions, out)
	}
	return answer, nil
}

// enlist makes all of the partitions part of the transaction, or none of them.
func (c *conn) enlist(id string, who identity, fenced int16, verify bool, topics []kmsg.AddPartitionsToTxnRequestTopic) []kmsg.AddPartitionsToTxnResponseTopic {
	var partitions []broker.Partition
	var out []kmsg.AddPartitionsToTxnResponseTopic
	bad := false
	for i := range topics {
		t := kmsg.NewAddPartitionsToTxnResponseTopic()
		t.Topic = topics[i].Topic
		info, err := c.session.Topic(t.Topic)
		for _, number := range topics[i].Partitions {
			p := kmsg.NewAddPartitionsToTxnResponseTopicPartition()
			switch p.Partition = number; {
			case !c.session.MayTopic(auth.Write, t.Topic):
				p.ErrorCode, bad = kerr.TopicAuthorizationFailed.Code, true
			case err != nil || number < 0 || int(number) >= info.Partitions:
				p.ErrorCode, bad = kerr.UnknownTopicOrPartition.Code, true
			}
			t.Partitions = append(t.Partitions, p)
			partitions = append(partitions, broker.Partition{Topic: t.Topic, ID: info.ID, Number: int(number)})
		}
		out = append(out, t)
	}
	code := c.mayTransact(id)
	switch k := c.server.transactions; {
	case code != errNone:
	case bad:
		code = kerr.OperationNotAttempted.Code
	case verify:
		code = k.verify(id, who, fenced, partitions)
	default:
		code = k.enlist(id, who, fenced, partitions)
	}
	for i := range out {
		for j := range out[i].Partitions {
			if p := &out[i].Partitions[j]; p.ErrorCode == errNone {
				p.ErrorCode = code
			}
		}
	}
	return out
}

// verify says whether all of the partitions are part of the open transaction.
func (k *transactions) verify(id string, who identity, fenced int16, partitions []broker.Partition) int16 {
	t := k.find(id)
	if t == nil {
		return kerr.InvalidProducerIDMapping.Code
	}
	defer t.mu.Unlock()
	if code := t.check(who, fenced); code != errNone {
		return code
	}
	if slices.ContainsFunc(partitions, func(p broker.Partition) bool {
		_, enlisted := t.partitions[p]
		return !enlisted
	}) {
		return kerr.TransactionAbortable.Code
	}
	return errNone
}
