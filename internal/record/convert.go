package record

import (
	"errors"
	"fmt"
	"iter"
)

// Common is a message as every dialect can tell it. What a dialect has no place
// for stands in Headers under a name that docs/interop.md gives.
type Common struct {
	Key       []byte // nil is none, which is not an empty one
	Body      []byte
	NoBody    bool // there is none, which is not an empty one
	Headers   []Field
	Timestamp int64 // unix milliseconds; 0 is unknown
	Address   Address

	ContentType, ContentEncoding, CorrelationID, ReplyTo Text
	MessageID, Type, UserID, AppID, Expiration, Cluster  Text
	Priority, DeliveryMode                               Small
}

// Address is where a message was published to: a name and a key. A dialect that
// knows nothing like that leaves it out.
type Address struct {
	Set        bool
	Name       []byte
	RoutingKey []byte
}

// Text is a text that may be missing.
type Text struct {
	Set   bool
	Value []byte
}

// Small is a small number that may be missing.
type Small struct {
	Set   bool
	Value uint8
}

// Field is a header; a name may stand several times. Its value is nil, bool, int64, float64, []byte for text and
// other bytes, []any of those, or map[string]any of those and of strings.
type Field struct {
	Name  string
	Value any
}

// Converter is what a dialect registers to have its messages read by the others,
// and theirs by its own readers. It may be called from any goroutine.
type Converter interface {
	// Unpack hands the messages of native bytes to yield with their indexes, which
	// ascend, until it says false. A message is valid until yield returns. Unpacked
	// they may take so many bytes: ErrBudget. Other errors are ErrMalformed.
	Unpack(e *Envelope, native []byte, budgetBytes int64, yield func(index uint32, c *Common) bool) error
	// Pack returns native bytes of the one message and completes its envelope.
	Pack(c *Common, e *Envelope) (native []byte)
}

// Converters are those of all dialects.
type Converters map[Dialect]Converter

// ErrNoMessage says that a record has no message at an index: it was taken out, or
// never was one.
var ErrNoMessage = errors.New("record: no such message")

const (
	// unpackBytesMax bounds what a reader unpacks of one record.
	unpackBytesMax = MessageBytesMax
	// largeBytes is what a record unpacks to that is only kept open while it is
	// read, and no second one beside it.
	largeBytes = 4 << 20
)

// readerMax is how many records a Reader keeps open: consumers get messages of
// several logs in turn.
const readerMax = 4

// Reader hands out the messages of records in one dialect. It keeps the records
// open that it read last, so that who reads the messages of one in order unpacks
// it once. It belongs to one goroutine and is closed at the end.
type Reader struct {
	converters Converters
	to         Dialect
	open       []*opened // the one used last is the last
}

// opened is a record that is read message by message.
type opened struct {
	first  *byte // of the record: its identity
	native []byte
	e      Envelope
	at     uint32 // of the message that next brings
	large  bool
	next   func() (uint32, *Common, bool)
	stop   func()
	err    error
}

// start begins to unpack within the budget.
func (o *opened) start(from Converter, budgetBytes int64) {
	o.err = nil
	o.next, o.stop = iter.Pull2(func(yield func(uint32, *Common) bool) {
		o.err = from.Unpack(&o.e, o.native, budgetBytes, yield)
	})
}

// NewReader returns a reader for who reads the dialect.
func (c Converters) NewReader(to Dialect) *Reader { return &Reader{converters: c, to: to} }

// Close gives up what is open.
func (r *Reader) Close() {
	for _, o := range r.open {
		o.stop()
	}
	r.open = nil
}

// Rest gives up what takes much memory. It is worth a call when nothing is read for
// a while.
func (r *Reader) Rest() {
	for i := 0; i < len(r.open); {
		if o := r.open[i]; o.large {
			r.forget(o)
		} else {
			i++
		}
	}
}

// Message returns a record of the reader's dialect with the message that rec has at
// index: rec itself where it is of that dialect.
func (r *Reader) Message(rec []byte, index uint32) ([]byte, error) {
	if len(rec) > 4 && Dialect(rec[4]) == r.to {
		return rec, nil
	}
	c, e, err := r.common(rec, index)
	if err != nil {
		return nil, err
	}
	out := Envelope{Dialect: r.to, Timestamp: e.Timestamp, Priority: e.Priority, Body: uint32(len(c.Body))}
	return Append(nil, &out, r.converters[r.to].Pack(c, &out)), nil
}

// common finds the message at index. It is valid until the next call.
func (r *Reader) common(rec []byte, index uint32) (*Common, *Envelope, error) {
	o, err := r.at(rec, index)
	if err != nil {
		return nil, nil, err
	}
	for {
		i, c, ok := o.next()
		switch {
		case !ok && errors.Is(o.err, ErrBudget) && !o.large:
			r.Rest()
			o.large = true
			o.start(r.converters[o.e.Dialect], unpackBytesMax)
		case !ok && o.err != nil:
			err := o.err
			r.forget(o)
			return nil, nil, err
		case !ok || i > index:
			r.forget(o)
			return nil, nil, ErrNoMessage
		case i == index:
			o.at = i + 1
			return c, &o.e, nil
		}
	}
}

// at returns the record, open and not read beyond index.
func (r *Reader) at(rec []byte, index uint32) (*opened, error) {
	if len(rec) == 0 {
		return nil, ErrMalformed
	}
	for i, o := range r.open {
		if o.first != &rec[0] {
			continue
		}
		if o.at > index {
			r.forget(o)
			break
		}
		copy(r.open[i:], r.open[i+1:])
		r.open[len(r.open)-1] = o
		return o, nil
	}
	o := &opened{first: &rec[0]}
	var err error
	if o.native, err = Decode(rec, &o.e); err != nil {
		return nil, err
	}
	from := r.converters[o.e.Dialect]
	if from == nil || r.converters[r.to] == nil {
		return nil, fmt.Errorf("record: no converter between dialects %d and %d", o.e.Dialect, r.to)
	}
	o.start(from, largeBytes)
	if len(r.open) == readerMax {
		r.forget(r.open[0])
	}
	r.open = append(r.open, o)
	return o, nil
}

func (r *Reader) forget(o *opened) {
	o.stop()
	for i := range r.open {
		if r.open[i] == o {
			r.open = append(r.open[:i], r.open[i+1:]...)
			return
		}
	}
}

// Convert returns a record of dialect to with the message that rec has at index.
func (c Converters) Convert(rec []byte, index uint32, to Dialect) ([]byte, error) {
	r := c.NewReader(to)
	defer r.Close()
	return r.Message(rec, index)
}
