package amqp091

import "weir/internal/proto/amqp091/codec"

func (ch *channel) channelMethod(id codec.ID, arguments []byte) *exception {
	switch id {
	case codec.IDChannelOpen:
		return raise(codeChannelError, "second 'channel.open' seen")
	case codec.IDChannelFlow:
		return ch.channelFlow(arguments)
	case codec.IDChannelFlowOk:
		return nil
	case codec.IDChannelClose:
		var m codec.ChannelClose
		if err := m.Decode(arguments); err != nil {
			return undecodable(arguments)
		}
		ch.close()
		ch.remove()
		ch.conn.send(ch.number, &codec.ChannelCloseOk{})
		return nil
	}
	return unexpectedMethod(id)
}

// channelFlow says that flow is on. RabbitMQ does not let a client switch it
// off: prefetch does what it was for.
func (ch *channel) channelFlow(arguments []byte) *exception {
	var m codec.ChannelFlow
	if err := m.Decode(arguments); err != nil {
		return undecodable(arguments)
	}
	if !m.Active {
		return raise(codeNotImplemented, "active=false")
	}
	ch.conn.send(ch.number, &codec.ChannelFlowOk{Active: true})
	return nil
}

// accessMethod answers access.request, which says nothing since 0-9.
func (ch *channel) accessMethod(id codec.ID, arguments []byte) *exception {
	if id != codec.IDAccessRequest {
		return unexpectedMethod(id)
	}
	var m codec.AccessRequest
	if err := m.Decode(arguments); err != nil {
		return undecodable(arguments)
	}
	ch.conn.send(ch.number, &codec.AccessRequestOk{Ticket: 1})
	return nil
}
