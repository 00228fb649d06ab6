package kafka

import (
	"slices"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"weir/internal/broker"
	"weir/internal/record"
)

// txnOffsetCommitEnlists is from where on committing for a group makes it part of
// the transaction.
const txnOffsetCommitEnlists = 5

// txnOffsetCommit notes the positions with the transaction; they count when that
// is committed.
func (c *conn) txnOffsetCommit(r *request) (kmsg.Response, error) {
	m := kmsg.NewPtrTxnOffsetCommitRequest()
	if err := r.decode(m); err != nil {
		return nil, err
	}
	refused, err := c.checkTransactionCommit(m.Group, m.MemberID, text(m.InstanceID), m.Generation)
	if err != nil {
		return nil, err
	}
	if code := c.mayTransact(m.TransactionalID); code != errNone {
		refused = code
	}
	answer := kmsg.NewPtrTxnOffsetCommitResponse()
	now := c.server.options.Clock.Millis()
	var positions []broker.GroupPosition
	for i := range m.Topics {
		t := &m.Topics[i]
		out := kmsg.NewTxnOffsetCommitResponseTopic()
		out.Topic = t.Topic
		for k := range t.Partitions {
			p, o := &t.Partitions[k], kmsg.NewTxnOffsetCommitResponseTopicPartition()
			position := broker.GroupPosition{
				Topic: t.Topic, Partition: int(p.Partition), Next: record.Offset(p.Offset), Epoch: p.LeaderEpoch, Text: text(p.Metadata), Committed: now,
			}
			err := c.session.CheckPosition(&position)
			if o.Partition, o.ErrorCode = p.Partition, refused; refused == errNone || unplaced(err) && !unheard(refused) {
				o.ErrorCode = positionCode(err)
			}
			if o.ErrorCode == errNone {
				positions = append(positions, position)
			}
			out.Partitions = append(out.Partitions, o)
		}
		answer.Topics = append(answer.Topics, out)
	}
	if len(positions) > 0 {
		if code := c.enlistPositions(r.version, m, positions); code != errNone {
			failPositions(answer, code)
		}
	}
	return answer, nil
}

// unheard says whether a code is of a sender who hears nothing of topics.
func unheard(code int16) bool {
	return code == kerr.GroupAuthorizationFailed.Code || code == kerr.TransactionalIDAuthorizationFailed.Code || code == kerr.InvalidGroupID.Code
}

func (c *conn) enlistPositions(version int16, m *kmsg.TxnOffsetCommitRequest, positions []broker.GroupPosition) int16 {
	who := identity{record.ProducerID(m.ProducerID), m.ProducerEpoch}
	return c.server.transactions.change(m.TransactionalID, who, kerr.InvalidProducerEpoch.Code, func(n *transactionNote) int16 {
		if version < txnOffsetCommitEnlists && !slices.Contains(n.Groups, m.Group) {
			return kerr.InvalidTxnState.Code
		}
		n.joined(m.Group)
		n.set(m.Group, positions)
		return errNone
	})
}

// failPositions gives the code to all that were not refused before.
func failPositions(answer *kmsg.TxnOffsetCommitResponse, code int16) {
	for i := range answer.Topics {
		for k := range answer.Topics[i].Partitions {
			if p := &answer.Topics[i].Partitions[k]; p.ErrorCode == errNone {
				p.ErrorCode = code
			}
		}
	}
}
