package kafka

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"strings"
	"time"

	"weir/internal/auth"
	"weir/internal/broker"
)

// The mechanisms beside those of package auth.
const (
	saslPlain       = "PLAIN"
	saslOAuthBearer = "OAUTHBEARER"
)

// tokenWait bounds the check of a token, which may ask its issuer for keys.
const tokenWait = 10 * time.Second

// errLogin is a login that has failed; why is not the client's to know.
var errLogin = errors.New("authentication failed, invalid credentials")

// TokenChecker says whose a bearer token is and until when.
type TokenChecker func(ctx context.Context, token string) (user string, until time.Time, err error)

// exchange is a login that has begun.
type exchange struct {
	mechanism string
	scram     *auth.ScramExchange
	raw       bool // messages come without the header of a request
	refused   bool // a bearer's token; the client has to hear it first
	until     time.Time
}

// mechanisms are those that are offered.
func (s *Server) mechanisms() []string {
	all := []string{saslPlain, string(auth.ScramSHA256), string(auth.ScramSHA512)}
	if s.options.Token != nil {
		all = append(all, saslOAuthBearer)
	}
	return all
}

// step answers a message of a login. done says who has logged in, once he has.
func (c *conn) step(x *exchange, message []byte) (answer []byte, done *broker.Principal, err error) {
	switch x.mechanism {
	case saslPlain:
		return c.plain(message)
	case saslOAuthBearer:
		return c.bearer(x, message)
	}
	if x.scram == nil {
		m := auth.ScramMechanism(x.mechanism)
		x.scram, err = auth.NewScramExchange(m, func(user string) auth.ScramKeys { return c.server.options.Broker.ScramKeys(user, m) })
		if err != nil {
			return nil, nil, err
		}
	}
	text, err := x.scram.Step(string(message))
	if err != nil {
		return nil, nil, errLogin
	}
	if user, ok := x.scram.User(); ok {
		done, err = c.identify(user)
	}
	return []byte(text), done, err
}

func (c *conn) identify(user string) (*broker.Principal, error) {
	p, err := c.server.options.Broker.Identify(user, c.remote)
	if err != nil {
		return nil, errLogin
	}
	return &p, nil
}

// plain is RFC 4616: who he acts for, who he is and his password.
func (c *conn) plain(message []byte) ([]byte, *broker.Principal, error) {
	parts := bytes.Split(message, []byte{0})
	if len(parts) != 3 || len(parts[0]) > 0 && !bytes.Equal(parts[0], parts[1]) {
		return nil, nil, errLogin
	}
	p, err := c.server.options.Broker.Authenticate(string(parts[1]), string(parts[2]), c.remote)
	if err != nil {
		return nil, nil, errLogin
	}
	return []byte{}, &p, nil
}

// bearer is RFC 7628. A token that is not taken is answered first; the login fails
// with the client's next message.
func (c *conn) bearer(x *exchange, message []byte) ([]byte, *broker.Principal, error) {
	if x.refused {
		return nil, nil, errLogin
	}
	token := ""
	for _, field := range strings.Split(string(message), "\x01") {
		if scheme, rest, ok := strings.Cut(strings.TrimPrefix(field, "auth="), " "); ok && strings.HasPrefix(field, "auth=") && strings.EqualFold(scheme, "Bearer") {
			token = strings.TrimSpace(rest)
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), tokenWait)
	defer cancel()
	user, until, err := c.server.options.Token(ctx, token)
	if err == nil && token != "" {
		p, failed := c.identify(user)
		if failed == nil {
			x.until = until
			return []byte{}, p, nil
		}
	}
	x.refused = true
	answer, _ := json.Marshal(map[string]string{"status": "invalid_token"}) // texts always marshal
	return answer, nil, nil
}

// loggedIn makes p the connection's user, or renews the login of the same one.
func (c *conn) loggedIn(p *broker.Principal, until time.Time) error {
	c.until = until
	if c.session != nil {
		if c.user != p.User {
			return errLogin
		}
		return nil
	}
	c.user = p.User
	return c.enter(*p)
}

// expired says that the login's time is over.
func (c *conn) expired() bool {
	return !c.until.IsZero() && c.server.options.Clock.Now().After(c.until)
}
