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

// connectionUpdateSecret takes any secret, as RabbitMQ does for users with a
// password: only tokens expire, a password stays good for the life of the
// connection and is not looked at again.
func (c *conn) connectionUpdateSecret(arguments []byte) *exception {
	var m codec.ConnectionUpdateSecret
	if err := m.Decode(arguments); err != nil {
		return undecodable(arguments)
	}
	c.send(0, &codec.ConnectionUpdateSecretOk{})
	return nil
}
