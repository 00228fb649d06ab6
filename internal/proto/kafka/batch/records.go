package batch

import (
	"encoding/binary"
	"errors"
	"iter"

	"weir/internal/record"
)

// A record inside a batch; numbers are zigzag varints:
//
//	length | attributes u8 | timestamp delta | offset delta | key length, key |
//	value length, value | headers n, n × (name length, name, value length, value)
//
// A length of -1 is null.

// reader takes a record apart. After a mistake it reads zeros and bad is set.
type reader struct {
	b   []byte
	bad bool
}

func (r *reader) varint() int64 {
	n, size := binary.Varint(r.b)
	if size <= 0 {
		r.bad, r.b = true, nil
		return 0
	}
	r.b = r.b[size:]
	return n
}

func (r *reader) take(n int64) []byte {
	if n < 0 || n > int64(len(r.b)) {
		r.bad, r.b = true, nil
		return nil
	}
	out := r.b[:n:n]
	r.b = r.b[n:]
	return out
}

// field reads a length and so many bytes; nil is null.
func (r *reader) field() []byte {
	n := r.varint()
	if n < 0 {
		r.bad = r.bad || n != -1
		return nil
	}
	return r.take(n)
}

// message reads what is in a record behind its length.
func (r *reader) message(m *record.Message, firstTime int64) {
	r.take(1) // attributes, of which there are none
	m.Timestamp = firstTime + r.varint()
	delta := r.varint()
	r.bad = r.bad || delta < 0 || delta > 1<<31-1
	m.Delta = uint32(delta)
	m.Key = r.field()
	m.Value = r.field()
	m.Headers = m.Headers[:0]
	n := r.varint()
	if n < 0 || n > int64(len(r.b)/2) { // a header takes two bytes at least
		r.bad = true
		return
	}
	for range n {
		h := record.Header{Name: r.field()}
		h.Value = r.field()
		m.Headers = append(m.Headers, h)
	}
	r.bad = r.bad || len(r.b) > 0
}

// walk reads unpacked records and says whether they are what the batch's head
// says: as many, in ascending order, within the batch. It ends early where yield
// says false.
func (b Batch) walk(records []byte, yield func(raw []byte, m *record.Message) bool) error {
	var m record.Message
	m.Control = b.Control()
	last := int64(-1)
	all := reader{b: records}
	for range b.Count() {
		start := all.b
		one := reader{b: all.take(all.varint())}
		if all.bad {
			return record.ErrMalformed
		}
		one.message(&m, b.FirstTime())
		if one.bad || int64(m.Delta) <= last || int64(m.Delta) > int64(b.LastDelta()) {
			return record.ErrMalformed
		}
		last = int64(m.Delta)
		if b.AppendTime() {
			m.Timestamp = b.MaxTime()
		}
		if !yield(start[:len(start)-len(all.b)], &m) {
			return nil
		}
	}
	if len(all.b) > 0 {
		return record.ErrMalformed
	}
	return nil
}

// Records hands out the messages of a batch, unpacked into no more than budget
// bytes. What comes last with an error is no message. Slices are valid for one
// step.
func (b Batch) Records(budgetBytes int64) iter.Seq2[*record.Message, error] {
	return func(yield func(*record.Message, error) bool) {
		records, release, err := b.unpack(budgetBytes)
		if err == nil {
			defer release()
			stopped := false
			err = b.walk(records, func(_ []byte, m *record.Message) bool {
				stopped = !yield(m, nil)
				return !stopped
			})
			if stopped {
				return
			}
		}
		if err != nil {
			yield(nil, err)
		}
	}
}

// unpack returns the records without compression. release gives the memory back.
func (b Batch) unpack(budgetBytes int64) (records []byte, release func(), err error) {
	return decompress(b.Codec(), b[headBytes:], budgetBytes)
}

// Facts are what only the records of a batch know.
type Facts struct {
	MinTime, MaxTime   int64  // unix ms
	MinDelta, MaxDelta uint32 // of the first records that have them
	Keyless            int64  // delta of the first record without a key; -1 none
	Bytes              int64  // unpacked
	Dense              bool   // every offset of the batch has its record
}

// Check looks at every record of a batch. An error says that they are not what
// the head of the batch promises, or take more than the budget.
func (b Batch) Check(budgetBytes int64) (Facts, error) {
	quick := budgetBytes
	if c := b.Codec(); c == Gzip || c == LZ4 || c == Zstd {
		quick = min(budgetBytes, quickBytes)
	}
	records, release, err := b.unpack(quick)
	if errors.Is(err, record.ErrBudget) && quick < budgetBytes {
		return b.checkStream(budgetBytes)
	}
	if err != nil {
		return Facts{}, err
	}
	defer release()
	f := Facts{Bytes: int64(len(records)), Dense: b.Count() == b.LastDelta()+1, Keyless: -1}
	first := true
	err = b.walk(records, func(_ []byte, m *record.Message) bool {
		f.note(m, first, m.Key == nil)
		first = false
		return true
	})
	return f, err
}

// note takes in what a record tells.
func (f *Facts) note(m *record.Message, first, keyless bool) {
	if first || m.Timestamp > f.MaxTime {
		f.MaxTime, f.MaxDelta = m.Timestamp, m.Delta
	}
	if first || m.Timestamp < f.MinTime {
		f.MinTime, f.MinDelta = m.Timestamp, m.Delta
	}
	if keyless && f.Keyless < 0 {
		f.Keyless = int64(m.Delta)
	}
}

// WithoutKey returns the deltas of the records that have no key, at most so many.
func (b Batch) WithoutKey(budgetBytes int64, most int) ([]uint32, error) {
	records, release, err := b.unpack(budgetBytes)
	if err != nil {
		return nil, err
	}
	defer release()
	var deltas []uint32
	err = b.walk(records, func(_ []byte, m *record.Message) bool {
		if m.Key == nil {
			deltas = append(deltas, m.Delta)
		}
		return len(deltas) < most
	})
	return deltas, err
}

// Recompress returns a batch with the same records in another compression.
func (b Batch) Recompress(c Codec, level int, budgetBytes int64) (Batch, error) {
	records, release, err := b.unpack(budgetBytes)
	if err != nil {
		return nil, err
	}
	defer release()
	packed, err := Compress(c, level, records)
	if err != nil {
		return nil, err
	}
	out := append(Batch(nil), b[:headBytes]...)
	out = append(out, packed...)
	binary.BigEndian.PutUint16(out[attributesAt:], b.Attributes()&^codecMask|uint16(c))
	out.Seal()
	return out, nil
}
