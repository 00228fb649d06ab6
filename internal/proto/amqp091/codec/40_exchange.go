package codec

import "weir/internal/wire"

// ExchangeDeclare is exchange.declare (40.10).
type ExchangeDeclare struct {
	Exchange   string
	Type       string
	Passive    bool
	Durable    bool
	AutoDelete bool
	Internal   bool
	NoWait     bool
	Arguments  Table
}

// ID returns the method's class and number.
func (*ExchangeDeclare) ID() ID { return IDExchangeDeclare }

// Decode reads the arguments of exchange.declare; strings of bytes and tables alias b.
func (m *ExchangeDeclare) Decode(b []byte) error {
	r := wire.NewReader(b)
	r.Uint16() // ticket
	m.Exchange = readString(&r)
	m.Type = readString(&r)
	bits := r.Uint8()
	m.Passive = bits&1 != 0
	m.Durable = bits&2 != 0
	m.AutoDelete = bits&4 != 0
	m.Internal = bits&8 != 0
	m.NoWait = bits&16 != 0
	m.Arguments = readTable(&r)
	return finish(&r)
}

// Append writes the arguments behind dst.
func (m *ExchangeDeclare) Append(dst []byte) []byte {
	dst = append(dst, 0, 0)
	dst = appendShort(dst, m.Exchange)
	dst = appendShort(dst, m.Type)
	dst = append(dst, bit(m.Passive, 0)|bit(m.Durable, 1)|bit(m.AutoDelete, 2)|bit(m.Internal, 3)|bit(m.NoWait, 4))
	dst = appendLong(dst, m.Arguments)
	return dst
}

// ExchangeDeclareOk is exchange.declare-ok (40.11).
type ExchangeDeclareOk struct{}

// ID returns the method's class and number.
func (*ExchangeDeclareOk) ID() ID { return IDExchangeDeclareOk }

// Decode reads the arguments of exchange.declare-ok.
func (*ExchangeDeclareOk) Decode(b []byte) error { return empty(b) }

// Append writes the arguments behind dst.
func (*ExchangeDeclareOk) Append(dst []byte) []byte { return dst }

// ExchangeDelete is exchange.delete (40.20).
type ExchangeDelete struct {
	Exchange string
	IfUnused bool
	NoWait   bool
}

// ID returns the method's class and number.
func (*ExchangeDelete) ID() ID { return IDExchangeDelete }

// Decode reads the arguments of exchange.delete.
func (m *ExchangeDelete) Decode(b []byte) error {
	r := wire.NewReader(b)
	r.Uint16() // ticket
	m.Exchange = readString(&r)
	bits := r.Uint8()
	m.IfUnused = bits&1 != 0
	m.NoWait = bits&2 != 0
	return finish(&r)
}

// Append writes the arguments behind dst.
func (m *ExchangeDelete) Append(dst []byte) []byte {
	dst = append(dst, 0, 0)
	dst = appendShort(dst, m.Exchange)
	dst = append(dst, bit(m.IfUnused, 0)|bit(m.NoWait, 1))
	return dst
}

// ExchangeDeleteOk is exchange.delete-ok (40.21).
type ExchangeDeleteOk struct{}

// ID returns the method's class and number.
func (*ExchangeDeleteOk) ID() ID { return IDExchangeDeleteOk }

// Decode reads the arguments of exchange.delete-ok.
func (*ExchangeDeleteOk) Decode(b []byte) error { return empty(b) }

// Append writes the arguments behind dst.
func (*ExchangeDeleteOk) Append(dst []byte) []byte { return dst }

// ExchangeBind is exchange.bind (40.30).
type ExchangeBind struct {
	Destination string
	Source      string
	RoutingKey  string
	NoWait      bool
	Arguments   Table
}

// ID returns the method's class and number.
func (*ExchangeBind) ID() ID { return IDExchangeBind }

// Decode reads the arguments of exchange.bind; strings of bytes and tables alias b.
func (m *ExchangeBind) Decode(b []byte) error {
	r := wire.NewReader(b)
	r.Uint16() // ticket
	m.Destination = readString(&r)
	m.Source = readString(&r)
	m.RoutingKey = readString(&r)
	m.NoWait = r.Uint8()&1 != 0
	m.Arguments = readTable(&r)
	return finish(&r)
}

// Append writes the arguments behind dst.
func (m *ExchangeBind) Append(dst []byte) []byte {
	dst = append(dst, 0, 0)
	dst = appendShort(dst, m.Destination)
	dst = appendShort(dst, m.Source)
	dst = appendShort(dst, m.RoutingKey)
	dst = append(dst, bit(m.NoWait, 0))
	dst = appendLong(dst, m.Arguments)
	return dst
}

// ExchangeBindOk is exchange.bind-ok (40.31).
type ExchangeBindOk struct{}

// ID returns the method's class and number.
func (*ExchangeBindOk) ID() ID { return IDExchangeBindOk }

// Decode reads the arguments of exchange.bind-ok.
func (*ExchangeBindOk) Decode(b []byte) error { return empty(b) }

// Append writes the arguments behind dst.
func (*ExchangeBindOk) Append(dst []byte) []byte { return dst }

// ExchangeUnbind is exchange.unbind (40.40).
type ExchangeUnbind struct {
	Destination string
	Source      string
	RoutingKey  string
	NoWait      bool
	Arguments   Table
}

// ID returns the method's class and number.
func (*ExchangeUnbind) ID() ID { return IDExchangeUnbind }

// Decode reads the arguments of exchange.unbind; strings of bytes and tables alias b.
func (m *ExchangeUnbind) Decode(b []byte) error {
	r := wire.NewReader(b)
	r.Uint16() // ticket
	m.Destination = readString(&r)
	m.Source = readString(&r)
	m.RoutingKey = readString(&r)
	m.NoWait = r.Uint8()&1 != 0
	m.Arguments = readTable(&r)
	return finish(&r)
}

// Append writes the arguments behind dst.
func (m *ExchangeUnbind) Append(dst []byte) []byte {
	dst = append(dst, 0, 0)
	dst = appendShort(dst, m.Destination)
	dst = appendShort(dst, m.Source)
	dst = appendShort(dst, m.RoutingKey)
	dst = append(dst, bit(m.NoWait, 0))
	dst = appendLong(dst, m.Arguments)
	return dst
}

// ExchangeUnbindOk is exchange.unbind-ok (40.51).
type ExchangeUnbindOk struct{}

// ID returns the method's class and number.
func (*ExchangeUnbindOk) ID() ID { return IDExchangeUnbindOk }

// Decode reads the arguments of exchange.unbind-ok.
func (*ExchangeUnbindOk) Decode(b []byte) error { return empty(b) }

// Append writes the arguments behind dst.
func (*ExchangeUnbindOk) Append(dst []byte) []byte { return dst }
