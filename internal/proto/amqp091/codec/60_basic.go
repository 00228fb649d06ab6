package codec

import (
	"encoding/binary"

	"weir/internal/wire"
)

// BasicQos is basic.qos (60.10).
type BasicQos struct {
	PrefetchSize  uint32
	PrefetchCount uint16
	Global        bool
}

// ID returns the method's class and number.
func (*BasicQos) ID() ID { return IDBasicQos }

// Decode reads the arguments of basic.qos.
func (m *BasicQos) Decode(b []byte) error {
	r := wire.NewReader(b)
	m.PrefetchSize = r.Uint32()
	m.PrefetchCount = r.Uint16()
	m.Global = r.Uint8()&1 != 0
	return finish(&r)
}

// Append writes the arguments behind dst.
func (m *BasicQos) Append(dst []byte) []byte {
	dst = binary.BigEndian.AppendUint32(dst, m.PrefetchSize)
	dst = binary.BigEndian.AppendUint16(dst, m.PrefetchCount)
	dst = append(dst, bit(m.Global, 0))
	return dst
}

// BasicQosOk is basic.qos-ok (60.11).
type BasicQosOk struct{}

// ID returns the method's class and number.
func (*BasicQosOk) ID() ID { return IDBasicQosOk }

// Decode reads the arguments of basic.qos-ok.
func (*BasicQosOk) Decode(b []byte) error { return empty(b) }

// Append writes the arguments behind dst.
func (*BasicQosOk) Append(dst []byte) []byte { return dst }

// BasicConsume is basic.consume (60.20).
type BasicConsume struct {
	Queue       string
	ConsumerTag string
	NoLocal     bool
	NoAck       bool
	Exclusive   bool
	NoWait      bool
	Arguments   Table
}

// ID returns the method's class and number.
func (*BasicConsume) ID() ID { return IDBasicConsume }

// Decode reads the arguments of basic.consume; strings of bytes and tables alias b.
func (m *BasicConsume) Decode(b []byte) error {
	r := wire.NewReader(b)
	r.Uint16() // ticket
	m.Queue = readString(&r)
	m.ConsumerTag = readString(&r)
	bits := r.Uint8()
	m.NoLocal = bits&1 != 0
	m.NoAck = bits&2 != 0
	m.Exclusive = bits&4 != 0
	m.NoWait = bits&8 != 0
	m.Arguments = readTable(&r)
	return finish(&r)
}

// Append writes the arguments behind dst.
func (m *BasicConsume) Append(dst []byte) []byte {
	dst = append(dst, 0, 0)
	dst = appendShort(dst, m.Queue)
	dst = appendShort(dst, m.ConsumerTag)
	dst = append(dst, bit(m.NoLocal, 0)|bit(m.NoAck, 1)|bit(m.Exclusive, 2)|bit(m.NoWait, 3))
	dst = appendLong(dst, m.Arguments)
	return dst
}

// BasicConsumeOk is basic.consume-ok (60.21).
type BasicConsumeOk struct {
	ConsumerTag string
}

// ID returns the method's class and number.
func (*BasicConsumeOk) ID() ID { return IDBasicConsumeOk }

// Decode reads the arguments of basic.consume-ok.
func (m *BasicConsumeOk) Decode(b []byte) error {
	r := wire.NewReader(b)
	m.ConsumerTag = readString(&r)
	return finish(&r)
}

// Append writes the arguments behind dst.
func (m *BasicConsumeOk) Append(dst []byte) []byte {
	dst = appendShort(dst, m.ConsumerTag)
	return dst
}

// BasicCancel is basic.cancel (60.30).
type BasicCancel struct {
	ConsumerTag string
	NoWait      bool
}

// ID returns the method's class and number.
func (*BasicCancel) ID() ID { return IDBasicCancel }

// Decode reads the arguments of basic.cancel.
func (m *BasicCancel) Decode(b []byte) error {
	r := wire.NewReader(b)
	m.ConsumerTag = readString(&r)
	m.NoWait = r.Uint8()&1 != 0
	return finish(&r)
}

// Append writes the arguments behind dst.
func (m *BasicCancel) Append(dst []byte) []byte {
	dst = appendShort(dst, m.ConsumerTag)
	dst = append(dst, bit(m.NoWait, 0))
	return dst
}

// BasicCancelOk is basic.cancel-ok (60.31).
type BasicCancelOk struct {
	ConsumerTag string
}

// ID returns the method's class and number.
func (*BasicCancelOk) ID() ID { return IDBasicCancelOk }

// Decode reads the arguments of basic.cancel-ok.
func (m *BasicCancelOk) Decode(b []byte) error {
	r := wire.NewReader(b)
	m.ConsumerTag = readString(&r)
	return finish(&r)
}

// Append writes the arguments behind dst.
func (m *BasicCancelOk) Append(dst []byte) []byte {
	dst = appendShort(dst, m.ConsumerTag)
	return dst
}

// BasicPublish is basic.publish (60.40).
type BasicPublish struct {
	Exchange   []byte
	RoutingKey []byte
	Mandatory  bool
	Immediate  bool
}

// ID returns the method's class and number.
func (*BasicPublish) ID() ID { return IDBasicPublish }

// Decode reads the arguments of basic.publish; strings of bytes and tables alias b.
func (m *BasicPublish) Decode(b []byte) error {
	r := wire.NewReader(b)
	r.Uint16() // ticket
	m.Exchange = readShort(&r)
	m.RoutingKey = readShort(&r)
	bits := r.Uint8()
	m.Mandatory = bits&1 != 0
	m.Immediate = bits&2 != 0
	return finish(&r)
}

// Append writes the arguments behind dst.
func (m *BasicPublish) Append(dst []byte) []byte {
	dst = append(dst, 0, 0)
	dst = appendShort(dst, m.Exchange)
	dst = appendShort(dst, m.RoutingKey)
	dst = append(dst, bit(m.Mandatory, 0)|bit(m.Immediate, 1))
	return dst
}

// BasicReturn is basic.return (60.50).
type BasicReturn struct {
	ReplyCode  uint16
	ReplyText  string
	Exchange   []byte
	RoutingKey []byte
}

// ID returns the method's class and number.
func (*BasicReturn) ID() ID { return IDBasicReturn }

// Decode reads the arguments of basic.return; strings of bytes and tables alias b.
func (m *BasicReturn) Decode(b []byte) error {
	r := wire.NewReader(b)
	m.ReplyCode = r.Uint16()
	m.ReplyText = readString(&r)
	m.Exchange = readShort(&r)
	m.RoutingKey = readShort(&r)
	return finish(&r)
}

// Append writes the arguments behind dst.
func (m *BasicReturn) Append(dst []byte) []byte {
	dst = binary.BigEndian.AppendUint16(dst, m.ReplyCode)
	dst = appendShort(dst, m.ReplyText)
	dst = appendShort(dst, m.Exchange)
	dst = appendShort(dst, m.RoutingKey)
	return dst
}

// BasicDeliver is basic.deliver (60.60).
type BasicDeliver struct {
	ConsumerTag []byte
	DeliveryTag uint64
	Redelivered bool
	Exchange    []byte
	RoutingKey  []byte
}

// ID returns the method's class and number.
func (*BasicDeliver) ID() ID { return IDBasicDeliver }

// Decode reads the arguments of basic.deliver; strings of bytes and tables alias b.
func (m *BasicDeliver) Decode(b []byte) error {
	r := wire.NewReader(b)
	m.ConsumerTag = readShort(&r)
	m.DeliveryTag = r.Uint64()
	m.Redelivered = r.Uint8()&1 != 0
	m.Exchange = readShort(&r)
	m.RoutingKey = readShort(&r)
	return finish(&r)
}

// Append writes the arguments behind dst.
func (m *BasicDeliver) Append(dst []byte) []byte {
	dst = appendShort(dst, m.ConsumerTag)
	dst = binary.BigEndian.AppendUint64(dst, m.DeliveryTag)
	dst = append(dst, bit(m.Redelivered, 0))
	dst = appendShort(dst, m.Exchange)
	dst = appendShort(dst, m.RoutingKey)
	return dst
}

// BasicGet is basic.get (60.70).
type BasicGet struct {
	Queue string
	NoAck bool
}

// ID returns the method's class and number.
func (*BasicGet) ID() ID { return IDBasicGet }

// Decode reads the arguments of basic.get.
func (m *BasicGet) Decode(b []byte) error {
	r := wire.NewReader(b)
	r.Uint16() // ticket
	m.Queue = readString(&r)
	m.NoAck = r.Uint8()&1 != 0
	return finish(&r)
}

// Append writes the arguments behind dst.
func (m *BasicGet) Append(dst []byte) []byte {
	dst = append(dst, 0, 0)
	dst = appendShort(dst, m.Queue)
	dst = append(dst, bit(m.NoAck, 0))
	return dst
}

// BasicGetOk is basic.get-ok (60.71).
type BasicGetOk struct {
	DeliveryTag  uint64
	Redelivered  bool
	Exchange     []byte
	RoutingKey   []byte
	MessageCount uint32
}

// ID returns the method's class and number.
func (*BasicGetOk) ID() ID { return IDBasicGetOk }

// Decode reads the arguments of basic.get-ok; strings of bytes and tables alias b.
func (m *BasicGetOk) Decode(b []byte) error {
	r := wire.NewReader(b)
	m.DeliveryTag = r.Uint64()
	m.Redelivered = r.Uint8()&1 != 0
	m.Exchange = readShort(&r)
	m.RoutingKey = readShort(&r)
	m.MessageCount = r.Uint32()
	return finish(&r)
}

// Append writes the arguments behind dst.
func (m *BasicGetOk) Append(dst []byte) []byte {
	dst = binary.BigEndian.AppendUint64(dst, m.DeliveryTag)
	dst = append(dst, bit(m.Redelivered, 0))
	dst = appendShort(dst, m.Exchange)
	dst = appendShort(dst, m.RoutingKey)
	dst = binary.BigEndian.AppendUint32(dst, m.MessageCount)
	return dst
}

// BasicGetEmpty is basic.get-empty (60.72).
type BasicGetEmpty struct {
	ClusterID string
}

// ID returns the method's class and number.
func (*BasicGetEmpty) ID() ID { return IDBasicGetEmpty }

// Decode reads the arguments of basic.get-empty.
func (m *BasicGetEmpty) Decode(b []byte) error {
	r := wire.NewReader(b)
	m.ClusterID = readString(&r)
	return finish(&r)
}

// Append writes the arguments behind dst.
func (m *BasicGetEmpty) Append(dst []byte) []byte {
	dst = appendShort(dst, m.ClusterID)
	return dst
}

// BasicAck is basic.ack (60.80).
type BasicAck struct {
	DeliveryTag uint64
	Multiple    bool
}

// ID returns the method's class and number.
func (*BasicAck) ID() ID { return IDBasicAck }

// Decode reads the arguments of basic.ack.
func (m *BasicAck) Decode(b []byte) error {
	r := wire.NewReader(b)
	m.DeliveryTag = r.Uint64()
	m.Multiple = r.Uint8()&1 != 0
	return finish(&r)
}

// Append writes the arguments behind dst.
func (m *BasicAck) Append(dst []byte) []byte {
	dst = binary.BigEndian.AppendUint64(dst, m.DeliveryTag)
	dst = append(dst, bit(m.Multiple, 0))
	return dst
}

// BasicReject is basic.reject (60.90).
type BasicReject struct {
	DeliveryTag uint64
	Requeue     bool
}

// ID returns the method's class and number.
func (*BasicReject) ID() ID { return IDBasicReject }

// Decode reads the arguments of basic.reject.
func (m *BasicReject) Decode(b []byte) error {
	r := wire.NewReader(b)
	m.DeliveryTag = r.Uint64()
	m.Requeue = r.Uint8()&1 != 0
	return finish(&r)
}

// Append writes the arguments behind dst.
func (m *BasicReject) Append(dst []byte) []byte {
	dst = binary.BigEndian.AppendUint64(dst, m.DeliveryTag)
	dst = append(dst, bit(m.Requeue, 0))
	return dst
}

// BasicRecoverAsync is basic.recover-async (60.100).
type BasicRecoverAsync struct {
	Requeue bool
}

// ID returns the method's class and number.
func (*BasicRecoverAsync) ID() ID { return IDBasicRecoverAsync }

// Decode reads the arguments of basic.recover-async.
func (m *BasicRecoverAsync) Decode(b []byte) error {
	r := wire.NewReader(b)
	m.Requeue = r.Uint8()&1 != 0
	return finish(&r)
}

// Append writes the arguments behind dst.
func (m *BasicRecoverAsync) Append(dst []byte) []byte {
	dst = append(dst, bit(m.Requeue, 0))
	return dst
}

// BasicRecover is basic.recover (60.110).
type BasicRecover struct {
	Requeue bool
}

// ID returns the method's class and number.
func (*BasicRecover) ID() ID { return IDBasicRecover }

// Decode reads the arguments of basic.recover.
func (m *BasicRecover) Decode(b []byte) error {
	r := wire.NewReader(b)
	m.Requeue = r.Uint8()&1 != 0
	return finish(&r)
}

// Append writes the arguments behind dst.
func (m *BasicRecover) Append(dst []byte) []byte {
	dst = append(dst, bit(m.Requeue, 0))
	return dst
}

// BasicRecoverOk is basic.recover-ok (60.111).
type BasicRecoverOk struct{}

// ID returns the method's class and number.
func (*BasicRecoverOk) ID() ID { return IDBasicRecoverOk }

// Decode reads the arguments of basic.recover-ok.
func (*BasicRecoverOk) Decode(b []byte) error { return empty(b) }

// Append writes the arguments behind dst.
func (*BasicRecoverOk) Append(dst []byte) []byte { return dst }

// BasicNack is basic.nack (60.120).
type BasicNack struct {
	DeliveryTag uint64
	Multiple    bool
	Requeue     bool
}

// ID returns the method's class and number.
func (*BasicNack) ID() ID { return IDBasicNack }

// Decode reads the arguments of basic.nack.
func (m *BasicNack) Decode(b []byte) error {
	r := wire.NewReader(b)
	m.DeliveryTag = r.Uint64()
	bits := r.Uint8()
	m.Multiple = bits&1 != 0
	m.Requeue = bits&2 != 0
	return finish(&r)
}

// Append writes the arguments behind dst.
func (m *BasicNack) Append(dst []byte) []byte {
	dst = binary.BigEndian.AppendUint64(dst, m.DeliveryTag)
	dst = append(dst, bit(m.Multiple, 0)|bit(m.Requeue, 1))
	return dst
}
