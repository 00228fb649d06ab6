package kafka

import (
	"slices"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// saslHandshake begins a login. After version 0 its messages are frames without a
// header.
func (c *conn) saslHandshake(r *request) (kmsg.Response, error) {
	m := kmsg.NewPtrSASLHandshakeRequest()
	if err := r.decode(m); err != nil {
		return nil, err
	}
	answer := kmsg.NewPtrSASLHandshakeResponse()
	answer.SupportedMechanisms = c.server.mechanisms()
	switch {
	case !slices.Contains(answer.SupportedMechanisms, m.Mechanism):
		answer.ErrorCode = kerr.UnsupportedSaslMechanism.Code
	case c.session != nil && c.until.IsZero():
		answer.ErrorCode = kerr.IllegalSaslState.Code // as who he is there is nothing to renew
	default:
		c.login = &exchange{mechanism: m.Mechanism, raw: r.version == 0}
	}
	return answer, nil
}
