package kafka

import (
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"weir/internal/auth"
	"weir/internal/record"
)

// initFenced is from where on clients know the code of a producer that is fenced.
const initFenced = 4

func (c *conn) initProducerID(r *request) (kmsg.Response, error) {
	m := kmsg.NewPtrInitProducerIDRequest()
	if err := r.decode(m); err != nil {
		return nil, err
	}
	k := c.server.transactions
	answer := kmsg.NewPtrInitProducerIDResponse()
	answer.ProducerID, answer.ProducerEpoch = -1, -1
	var who identity
	if (m.ProducerID == noProducer) != (m.ProducerEpoch == noProducer) {
		answer.ErrorCode = kerr.InvalidRequest.Code
	} else if m.TransactionalID == nil {
		id, err := k.ids.take()
		who, answer.ErrorCode = identity{ID: id}, transactionCode(err)
	} else if answer.ErrorCode = c.mayTransact(*m.TransactionalID); answer.ErrorCode == errNone {
		var want *identity
		if m.ProducerID != noProducer {
			want = &identity{record.ProducerID(m.ProducerID), m.ProducerEpoch}
		}
		who, answer.ErrorCode = k.start(*m.TransactionalID, time.Duration(m.TransactionTimeoutMillis)*time.Millisecond, want)
	}
	if answer.ErrorCode == kerr.ProducerFenced.Code && r.version < initFenced {
		answer.ErrorCode = kerr.InvalidProducerEpoch.Code
	}
	if answer.ErrorCode == errNone {
		answer.ProducerID, answer.ProducerEpoch = int64(who.ID), who.Epoch
	}
	return answer, nil
}

// mayTransact says whether the session may produce under a transactional id.
func (c *conn) mayTransact(id string) int16 {
	switch {
	case id == "":
		return kerr.InvalidRequest.Code
	case !c.session.MayTransact(auth.Write, id):
		return kerr.TransactionalIDAuthorizationFailed.Code
	}
	return errNone
}
