package batch

import (
	"encoding/binary"

	"weir/internal/record"
)

// Opener opens stored batches for readers that do not speak Kafka, and takes
// messages out of them.
type Opener struct{}

var _ record.Opener = Opener{}

// Open implements record.Opener.
func (Opener) Open(native []byte, budgetBytes int64, yield func(m *record.Message) bool) error {
	b, _, err := Read(native)
	if err != nil {
		return err
	}
	for m, err := range b.Records(budgetBytes) {
		if err != nil {
			return err
		}
		if !yield(m) {
			return nil
		}
	}
	return nil
}

// Keep implements record.Opener. The batch keeps its compression, its times and
// its producer.
func (Opener) Keep(native []byte, budgetBytes int64, keep func(m *record.Message) bool) ([]byte, error) {
	b, _, err := Read(native)
	if err != nil {
		return nil, err
	}
	records, release, err := b.unpack(budgetBytes)
	if err != nil {
		return nil, err
	}
	defer release()
	var kept []byte
	n, newest := int32(0), int64(-1)
	err = b.walk(records, func(raw []byte, m *record.Message) bool {
		if keep(m) {
			kept = append(kept, raw...)
			n, newest = n+1, max(newest, m.Timestamp)
		}
		return true
	})
	if err != nil || n == b.Count() {
		return native, err
	}
	out := append(Batch(nil), b[:headBytes]...)
	if n > 0 {
		packed, err := Compress(b.Codec(), LevelDefault, kept)
		if err != nil {
			return nil, err
		}
		out = append(out, packed...)
	} else {
		binary.BigEndian.PutUint16(out[attributesAt:], b.Attributes()&^codecMask)
	}
	binary.BigEndian.PutUint32(out[recordCountAt:], uint32(n))
	if !b.AppendTime() && n > 0 {
		binary.BigEndian.PutUint64(out[maxTimeAt:], uint64(newest))
	}
	out.Seal()
	return out, nil
}

// Sparse implements record.Sparser.
func (Opener) Sparse(native []byte) bool {
	b, _, err := Read(native)
	return err == nil && b.Count() <= b.LastDelta()
}

// Empty is a batch of one offset without a message: what is left where there was
// one.
func Empty() Batch {
	b := make(Batch, headBytes)
	b[magicAt] = magic
	for i := maxTimeAt + 8; i < recordCountAt; i++ {
		b[i] = 0xff // no producer, epoch or sequence
	}
	b.Seal()
	return b
}
