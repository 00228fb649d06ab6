package codec

import (
	"encoding/binary"

	"weir/internal/wire"
)

// QueueDeclare is queue.declare (50.10).
type QueueDeclare struct {
	Queue      string
	Passive    bool
	Durable    bool
	Exclusive  bool
	AutoDelete bool
	NoWait     bool
	Arguments  Table
}

// ID returns the method's class and number.
func (*QueueDeclare) ID() ID { return IDQueueDeclare }

// Decode reads the arguments of queue.declare; strings of bytes and tables alias b.
func (m *QueueDeclare) Decode(b []byte) error {
	r := wire.NewReader(b)
	r.Uint16() // ticket
	m.Queue = readString(&r)
	bits := r.Uint8()
	m.Passive = bits&1 != 0
	m.Durable = bits&2 != 0
	m.Exclusive = bits&4 != 0
	m.AutoDelete = bits&8 != 0
	m.NoWait = bits&16 != 0
	m.Arguments = readTable(&r)
	return finish(&r)
}

// Append writes the arguments behind dst.
func (m *QueueDeclare) Append(dst []byte) []byte {
	dst = append(dst, 0, 0)
	dst = appendShort(dst, m.Queue)
	dst = append(dst, bit(m.Passive, 0)|bit(m.Durable, 1)|bit(m.Exclusive, 2)|bit(m.AutoDelete, 3)|bit(m.NoWait, 4))
	dst = appendLong(dst, m.Arguments)
	return dst
}

// QueueDeclareOk is queue.declare-ok (50.11).
type QueueDeclareOk struct {
	Queue         string
	MessageCount  uint32
	ConsumerCount uint32
}

// ID returns the method's class and number.
func (*QueueDeclareOk) ID() ID { return IDQueueDeclareOk }

// Decode reads the arguments of queue.declare-ok.
func (m *QueueDeclareOk) Decode(b []byte) error {
	r := wire.NewReader(b)
	m.Queue = readString(&r)
	m.MessageCount = r.Uint32()
	m.ConsumerCount = r.Uint32()
	return finish(&r)
}

// Append writes the arguments behind dst.
func (m *QueueDeclareOk) Append(dst []byte) []byte {
	dst = appendShort(dst, m.Queue)
	dst = binary.BigEndian.AppendUint32(dst, m.MessageCount)
	dst = binary.BigEndian.AppendUint32(dst, m.ConsumerCount)
	return dst
}

// QueueBind is queue.bind (50.20).
type QueueBind struct {
	Queue      string
	Exchange   string
	RoutingKey string
	NoWait     bool
	Arguments  Table
}

// ID returns the method's class and number.
func (*QueueBind) ID() ID { return IDQueueBind }

// Decode reads the arguments of queue.bind; strings of bytes and tables alias b.
func (m *QueueBind) Decode(b []byte) error {
	r := wire.NewReader(b)
	r.Uint16() // ticket
	m.Queue = readString(&r)
	m.Exchange = readString(&r)
	m.RoutingKey = readString(&r)
	m.NoWait = r.Uint8()&1 != 0
	m.Arguments = readTable(&r)
	return finish(&r)
}

// Append writes the arguments behind dst.
func (m *QueueBind) Append(dst []byte) []byte {
	dst = append(dst, 0, 0)
	dst = appendShort(dst, m.Queue)
	dst = appendShort(dst, m.Exchange)
	dst = appendShort(dst, m.RoutingKey)
	dst = append(dst, bit(m.NoWait, 0))
	dst = appendLong(dst, m.Arguments)
	return dst
}

// QueueBindOk is queue.bind-ok (50.21).
type QueueBindOk struct{}

// ID returns the method's class and number.
func (*QueueBindOk) ID() ID { return IDQueueBindOk }

// Decode reads the arguments of queue.bind-ok.
func (*QueueBindOk) Decode(b []byte) error { return empty(b) }

// Append writes the arguments behind dst.
func (*QueueBindOk) Append(dst []byte) []byte { return dst }

// QueuePurge is queue.purge (50.30).
type QueuePurge struct {
	Queue  string
	NoWait bool
}

// ID returns the method's class and number.
func (*QueuePurge) ID() ID { return IDQueuePurge }

// Decode reads the arguments of queue.purge.
func (m *QueuePurge) Decode(b []byte) error {
	r := wire.NewReader(b)
	r.Uint16() // ticket
	m.Queue = readString(&r)
	m.NoWait = r.Uint8()&1 != 0
	return finish(&r)
}

// Append writes the arguments behind dst.
func (m *QueuePurge) Append(dst []byte) []byte {
	dst = append(dst, 0, 0)
	dst = appendShort(dst, m.Queue)
	dst = append(dst, bit(m.NoWait, 0))
	return dst
}

// QueuePurgeOk is queue.purge-ok (50.31).
type QueuePurgeOk struct {
	MessageCount uint32
}

// ID returns the method's class and number.
func (*QueuePurgeOk) ID() ID { return IDQueuePurgeOk }

// Decode reads the arguments of queue.purge-ok.
func (m *QueuePurgeOk) Decode(b []byte) error {
	r := wire.NewReader(b)
	m.MessageCount = r.Uint32()
	return finish(&r)
}

// Append writes the arguments behind dst.
func (m *QueuePurgeOk) Append(dst []byte) []byte {
	dst = binary.BigEndian.AppendUint32(dst, m.MessageCount)
	return dst
}

// QueueDelete is queue.delete (50.40).
type QueueDelete struct {
	Queue    string
	IfUnused bool
	IfEmpty  bool
	NoWait   bool
}

// ID returns the method's class and number.
func (*QueueDelete) ID() ID { return IDQueueDelete }

// Decode reads the arguments of queue.delete.
func (m *QueueDelete) Decode(b []byte) error {
	r := wire.NewReader(b)
	r.Uint16() // ticket
	m.Queue = readString(&r)
	bits := r.Uint8()
	m.IfUnused = bits&1 != 0
	m.IfEmpty = bits&2 != 0
	m.NoWait = bits&4 != 0
	return finish(&r)
}

// Append writes the arguments behind dst.
func (m *QueueDelete) Append(dst []byte) []byte {
	dst = append(dst, 0, 0)
	dst = appendShort(dst, m.Queue)
	dst = append(dst, bit(m.IfUnused, 0)|bit(m.IfEmpty, 1)|bit(m.NoWait, 2))
	return dst
}

// QueueDeleteOk is queue.delete-ok (50.41).
type QueueDeleteOk struct {
	MessageCount uint32
}

// ID returns the method's class and number.
func (*QueueDeleteOk) ID() ID { return IDQueueDeleteOk }

// Decode reads the arguments of queue.delete-ok.
func (m *QueueDeleteOk) Decode(b []byte) error {
	r := wire.NewReader(b)
	m.MessageCount = r.Uint32()
	return finish(&r)
}

// Append writes the arguments behind dst.
func (m *QueueDeleteOk) Append(dst []byte) []byte {
	dst = binary.BigEndian.AppendUint32(dst, m.MessageCount)
	return dst
}

// QueueUnbind is queue.unbind (50.50).
type QueueUnbind struct {
	Queue      string
	Exchange   string
	RoutingKey string
	Arguments  Table
}

// ID returns the method's class and number.
func (*QueueUnbind) ID() ID { return IDQueueUnbind }

// Decode reads the arguments of queue.unbind; strings of bytes and tables alias b.
func (m *QueueUnbind) Decode(b []byte) error {
	r := wire.NewReader(b)
	r.Uint16() // ticket
	m.Queue = readString(&r)
	m.Exchange = readString(&r)
	m.RoutingKey = readString(&r)
	m.Arguments = readTable(&r)
	return finish(&r)
}

// Append writes the arguments behind dst.
func (m *QueueUnbind) Append(dst []byte) []byte {
	dst = append(dst, 0, 0)
	dst = appendShort(dst, m.Queue)
	dst = appendShort(dst, m.Exchange)
	dst = appendShort(dst, m.RoutingKey)
	dst = appendLong(dst, m.Arguments)
	return dst
}

// QueueUnbindOk is queue.unbind-ok (50.51).
type QueueUnbindOk struct{}

// ID returns the method's class and number.
func (*QueueUnbindOk) ID() ID { return IDQueueUnbindOk }

// Decode reads the arguments of queue.unbind-ok.
func (*QueueUnbindOk) Decode(b []byte) error { return empty(b) }

// Append writes the arguments behind dst.
func (*QueueUnbindOk) Append(dst []byte) []byte { return dst }
