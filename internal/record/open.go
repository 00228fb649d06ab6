package record

import "errors"

// ErrBudget says that native bytes unpack to more than may be spent on them.
var ErrBudget = errors.New("record: unpacks to more than the budget")

// Message is one message inside of a record's native bytes. Its slices are valid
// until the function it was handed to returns.
type Message struct {
	Delta     uint32 // its offset less the record's
	Timestamp int64  // unix milliseconds; negative is unknown
	Key       []byte // nil is none, which is not an empty one
	Value     []byte // likewise
	Headers   []Header
	// Control says that the dialect wrote the message for itself: its offset is
	// taken, but it is nobody's to read.
	Control bool
}

// Header is a name and a value that go with a message.
type Header struct {
	Name  []byte
	Value []byte // nil is none
}

// Opener looks into native bytes of the dialect it is for. Errors are ErrMalformed
// and ErrBudget; an Opener may be called from any goroutine.
type Opener interface {
	// Open hands the messages to yield by offset until it says false. Unpacked they
	// may take so many bytes.
	Open(native []byte, budgetBytes int64, yield func(m *Message) bool) error
	// Keep returns native bytes with those messages only that keep wants. They
	// stay at their offsets, and the bytes cover as many as before, even where no
	// message is left. Where all are wanted it returns native itself.
	Keep(native []byte, budgetBytes int64, keep func(m *Message) bool) ([]byte, error)
}

// Sparser is an Opener that knows at a glance whether messages were taken out of
// native bytes.
type Sparser interface{ Sparse(native []byte) bool }
