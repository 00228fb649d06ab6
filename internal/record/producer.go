package record

import "encoding/binary"

// ProducerID names a producer that numbers what it sends; it is never reused.
type ProducerID uint64

// Part says what a record is to its producer.
type Part uint8

// The parts. They are on disk.
const (
	PartNone        Part = iota // the producer does not number what it sends
	PartPlain                   // a message outside of any transaction
	PartTransaction             // a message of the producer's open transaction
	PartCommit                  // no message: the open transaction has happened
	PartAbort                   // no message: it has not
	partEnd
)

// Marker says whether a record ends a transaction and is no message.
func (p Part) Marker() bool { return p == PartCommit || p == PartAbort }

// Producer tells who sent a record, and as which of all it sent to the log.
type Producer struct {
	ID       ProducerID
	Epoch    uint16 // of several that have the same id, the one of the latest epoch
	Sequence uint32 // of the record's first message; wraps to 0 behind 2^31-1
	Part     Part
}

const producerBytes = 16

func (p *Producer) append(dst []byte) []byte {
	dst = binary.LittleEndian.AppendUint64(dst, uint64(p.ID))
	dst = binary.LittleEndian.AppendUint16(dst, p.Epoch)
	dst = binary.LittleEndian.AppendUint32(dst, p.Sequence)
	return append(dst, byte(p.Part), 0)
}

// decode reports false where the bytes, of which there are enough, are no producer.
func (p *Producer) decode(b []byte) bool {
	*p = Producer{
		ID: ProducerID(binary.LittleEndian.Uint64(b)), Epoch: binary.LittleEndian.Uint16(b[8:]),
		Sequence: binary.LittleEndian.Uint32(b[10:]), Part: Part(b[14]),
	}
	return p.Part > PartNone && p.Part < partEnd && b[15] == 0
}
