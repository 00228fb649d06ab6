package amqp091

import (
	"strings"

	"weir/internal/broker"
	"weir/internal/proto/amqp091/codec"
	"weir/internal/proto/amqp091/native"
)

func (ch *channel) exchangeMethod(id codec.ID, arguments []byte) *exception {
	switch id {
	case codec.IDExchangeDeclare:
		return ch.exchangeDeclare(arguments)
	case codec.IDExchangeDelete:
		return ch.exchangeDelete(arguments)
	case codec.IDExchangeBind:
		var m codec.ExchangeBind
		if err := m.Decode(arguments); err != nil {
			return undecodable(arguments)
		}
		e := ch.bind(false, "exchange", m.Destination, m.Source, m.RoutingKey, m.Arguments)
		if e == nil {
			ch.answer(m.NoWait, &codec.ExchangeBindOk{})
		}
		return e
	case codec.IDExchangeUnbind:
		var m codec.ExchangeUnbind
		if err := m.Decode(arguments); err != nil {
			return undecodable(arguments)
		}
		e := ch.bind(true, "exchange", m.Destination, m.Source, m.RoutingKey, m.Arguments)
		if e == nil {
			ch.answer(m.NoWait, &codec.ExchangeUnbindOk{})
		}
		return e
	}
	return unexpectedMethod(id)
}

// stripLines takes line ends out of a name, as RabbitMQ does before it looks.
func stripLines(name string) string {
	if !strings.ContainsAny(name, "\r\n") {
		return name
	}
	return strings.NewReplacer("\r", "", "\n", "").Replace(name)
}

func onDefaultExchange() *exception {
	return raise(codeAccessRefused, "operation not permitted on the default exchange")
}

func reservedName(kind, name string) *exception {
	if !strings.HasPrefix(name, "amq.") {
		return nil
	}
	return raise(codeAccessRefused, "%s name '%s' contains reserved prefix 'amq.*'", kind, name)
}

func (ch *channel) exchangeDeclare(arguments []byte) *exception {
	var m codec.ExchangeDeclare
	if err := m.Decode(arguments); err != nil {
		return undecodable(arguments)
	}
	name := stripLines(m.Exchange)
	spec := broker.ExchangeSpec{
		Name: name, Passive: m.Passive, Kind: m.Type, Durable: m.Durable,
		AutoDelete: m.AutoDelete, Internal: m.Internal,
	}
	if !m.Passive {
		if e := native.CheckExchangeType(m.Type); e != nil {
			return raiseNative(e)
		}
	}
	if name == "" {
		return onDefaultExchange()
	}
	if !m.Passive {
		if e := native.ReadExchange(&spec, ch.conn.vhost, m.Arguments); e != nil {
			spec.Invalid = e.Broker() // where there is none to compare it with
		}
		if strings.HasPrefix(name, "amq.") {
			// Reserved names may be declared where they exist, as what they are.
			passive := broker.ExchangeSpec{Name: name, Passive: true}
			if err := ch.conn.session.DeclareExchange(passive); err != nil && err.Code == broker.CodeNotFound {
				return reservedName("exchange", name)
			}
		}
	}
	if err := ch.conn.session.DeclareExchange(spec); err != nil {
		return ch.exception(err)
	}
	ch.answer(m.NoWait, &codec.ExchangeDeclareOk{})
	return nil
}

func (ch *channel) exchangeDelete(arguments []byte) *exception {
	var m codec.ExchangeDelete
	if err := m.Decode(arguments); err != nil {
		return undecodable(arguments)
	}
	name := stripLines(m.Exchange)
	if name == "" {
		return onDefaultExchange()
	}
	if strings.HasPrefix(name, "amq.") {
		return raise(codeAccessRefused, "deletion of system %s not allowed", native.Resource("exchange", name, ch.conn.vhost))
	}
	err := ch.conn.session.DeleteExchange(name, broker.DeleteOptions{IfUnused: m.IfUnused})
	if err != nil && err.Code != broker.CodeNotFound { // deleting what is not there succeeds
		return ch.exception(err)
	}
	ch.answer(m.NoWait, &codec.ExchangeDeleteOk{})
	return nil
}

// bind binds or unbinds a queue or an exchange.
func (ch *channel) bind(remove bool, kind, destination, source, key string, arguments codec.Table) *exception {
	destination, source = stripLines(destination), stripLines(source)
	if kind == "queue" && isReplyAddress(destination) {
		return raise(codeAccessRefused, "cannot bind or unbind to a volatile (direct reply-to) queue")
	}
	if source == "" || destination == "" && kind == "exchange" {
		return onDefaultExchange()
	}
	spec := broker.BindingSpec{
		Source: source, Destination: destination, ToExchange: kind == "exchange", Key: key,
		Arguments: arguments.Map(),
	}
	match, e := native.ReadMatch(arguments)
	if e != nil {
		return raiseNative(e)
	}
	spec.Match = match
	var err *broker.Error
	if remove {
		// Unbinding what is not bound succeeds, whether its ends are there or not.
		if err = ch.conn.session.Unbind(spec); err != nil && err.Code == broker.CodeNotFound {
			err = nil
		}
	} else {
		err = ch.conn.session.Bind(spec)
	}
	return ch.exception(err)
}
