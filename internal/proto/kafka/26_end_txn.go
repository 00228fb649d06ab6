package kafka

import (
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"weir/internal/record"
)

// endTxnBumps is from where on the end of a transaction gives its producer another
// epoch, which the answer tells.
const endTxnBumps = 5

// endTxnFenced is from where on clients know the code of a producer that is fenced.
const endTxnFenced = 2

func (c *conn) endTxn(r *request) (kmsg.Response, error) {
	m := kmsg.NewPtrEndTxnRequest()
	if err := r.decode(m); err != nil {
		return nil, err
	}
	answer := kmsg.NewPtrEndTxnResponse()
	answer.ProducerID, answer.ProducerEpoch = -1, -1
	if answer.ErrorCode = c.mayTransact(m.TransactionalID); answer.ErrorCode != errNone {
		return answer, nil
	}
	who := identity{record.ProducerID(m.ProducerID), m.ProducerEpoch}
	who, answer.ErrorCode = c.server.transactions.finish(m.TransactionalID, who, m.Commit, r.version >= endTxnBumps)
	if answer.ErrorCode == kerr.ProducerFenced.Code && r.version < endTxnFenced {
		answer.ErrorCode = kerr.InvalidProducerEpoch.Code
	}
	if answer.ErrorCode == errNone {
		answer.ProducerID, answer.ProducerEpoch = int64(who.ID), who.Epoch
	}
	return answer, nil
}
