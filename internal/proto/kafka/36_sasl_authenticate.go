package kafka

import (
	"encoding/binary"
	"fmt"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

func (c *conn) saslAuthenticate(r *request) (kmsg.Response, error) {
	m := kmsg.NewPtrSASLAuthenticateRequest()
	if err := r.decode(m); err != nil {
		return nil, err
	}
	answer := kmsg.NewPtrSASLAuthenticateResponse()
	if c.login == nil {
		answer.ErrorCode = kerr.IllegalSaslState.Code
		answer.ErrorMessage = kmsg.StringPtr("SaslAuthenticate request received without a handshake")
		return answer, nil
	}
	x := c.login
	said, err := c.proceed(x, m.SASLAuthBytes)
	if err != nil {
		text := fmt.Sprintf("Authentication failed during authentication due to invalid credentials with SASL mechanism %s", x.mechanism)
		answer.ErrorCode, answer.ErrorMessage = kerr.SaslAuthenticationFailed.Code, &text
		answer.SetVersion(r.version)
		_ = c.write(r, answer, false)
		return nil, err
	}
	answer.SASLAuthBytes = said
	if !c.until.IsZero() {
		answer.SessionLifetimeMillis = max(c.until.Sub(c.server.options.Clock.Now()).Milliseconds(), 0)
	}
	return answer, nil
}

// proceed takes a step of the login and ends it when it is complete.
func (c *conn) proceed(x *exchange, message []byte) ([]byte, error) {
	said, who, err := c.step(x, message)
	if err == nil && who != nil {
		c.login = nil
		err = c.loggedIn(who, x.until)
	}
	return said, err
}

// rawToken is a message of a login after a handshake of version 0: n bytes alone.
func (c *conn) rawToken(n int) error {
	if n < 0 || n > frameBeforeLogin {
		return fmt.Errorf("%w: %d bytes before login", errFrame, n)
	}
	if err := c.fill(n); err != nil {
		return err
	}
	said, err := c.proceed(c.login, c.in)
	if err != nil {
		return err
	}
	_, err = c.net.Write(append(binary.BigEndian.AppendUint32(nil, uint32(len(said))), said...))
	return err
}
