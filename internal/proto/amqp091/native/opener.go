package native

import (
	"weir/internal/record"
)

// Opener tells what a topic has to know of a message to keep the last of every
// key. Native bytes of which no message is left are empty.
type Opener struct{}

var (
	_ record.Opener  = Opener{}
	_ record.Sparser = Opener{}
)

// Open implements record.Opener.
func (Opener) Open(native []byte, budgetBytes int64, yield func(m *record.Message) bool) error {
	if len(native) == 0 {
		return nil
	}
	return Converter{}.Unpack(&record.Envelope{}, native, budgetBytes, func(_ uint32, c *record.Common) bool {
		m := record.Message{Timestamp: c.Timestamp, Key: c.Key, Value: nonNil(c.Body)}
		if c.Timestamp == 0 {
			m.Timestamp = -1
		}
		if c.NoBody {
			m.Value = nil
		}
		return yield(&m)
	})
}

// Keep implements record.Opener.
func (o Opener) Keep(native []byte, budgetBytes int64, keep func(m *record.Message) bool) ([]byte, error) {
	out := native
	err := o.Open(native, budgetBytes, func(m *record.Message) bool {
		if !keep(m) {
			out = []byte{}
		}
		return true
	})
	return out, err
}

// Sparse implements record.Sparser.
func (Opener) Sparse(native []byte) bool { return len(native) == 0 }
