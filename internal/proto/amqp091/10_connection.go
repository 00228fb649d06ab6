package amqp091

import "weir/internal/proto/amqp091/codec"

// connectionClose answers a client that goes.
func (c *conn) connectionClose(arguments []byte) *exception {
	var m codec.ConnectionClose
	if err := m.Decode(arguments); err != nil {
		return undecodable(arguments)
	}
	c.closeSession()
	c.send(0, &codec.ConnectionCloseOk{})
	if c.state != stateClosing {
		c.state = stateEnded
	}
	return nil
}

// connectionUpdateSecret checks the new secret of the same user; only tokens
// ever need it, passwords stay good for the life of the connection.
func (c *conn) connectionUpdateSecret(arguments []byte) *exception {
	var m codec.ConnectionUpdateSecret
	if err := m.Decode(arguments); err != nil {
		return undecodable(arguments)
	}
	if _, err := c.server.options.Broker.Authenticate(c.principal.User, string(m.NewSecret), c.remote); err != nil {
		return raise(codeNotAllowed, "New secret was refused by one of the backends")
	}
	c.send(0, &codec.ConnectionUpdateSecretOk{})
	return nil
}
