package kafka

import (
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"weir/internal/record"
)

// addOffsetsOldFence is up to where a fenced producer has an older code.
const addOffsetsOldFence = 1

func (c *conn) addOffsetsToTxn(r *request) (kmsg.Response, error) {
	m := kmsg.NewPtrAddOffsetsToTxnRequest()
	if err := r.decode(m); err != nil {
		return nil, err
	}
	answer := kmsg.NewPtrAddOffsetsToTxnResponse()
	if answer.ErrorCode = c.mayTransact(m.TransactionalID); answer.ErrorCode == errNone {
		answer.ErrorCode = c.mayUse(m.Group)
	}
	if answer.ErrorCode != errNone {
		return answer, nil
	}
	fenced := kerr.ProducerFenced.Code
	if r.version <= addOffsetsOldFence {
		fenced = kerr.InvalidProducerEpoch.Code
	}
	who := identity{record.ProducerID(m.ProducerID), m.ProducerEpoch}
	answer.ErrorCode = c.server.transactions.change(m.TransactionalID, who, fenced, func(n *transactionNote) int16 {
		n.joined(m.Group)
		return errNone
	})
	return answer, nil
}
