package native

import (
	"encoding/binary"
	"math/rand/v2"
	"unsafe"

	"weir/internal/proto/amqp091/codec"
	"weir/internal/route"
)

// Headers shows a message's headers and properties to exchanges that route by
// them. It aliases what it was set to.
type Headers struct{ Properties codec.Properties }

// Header implements route.Message.
func (h *Headers) Header(name string) (route.Value, bool) {
	v, ok := h.Properties.Headers.Lookup(name)
	if !ok {
		return route.Value{}, false
	}
	return routeValue(v), true
}

// Names implements route.Message.
func (h *Headers) Names(yield func(name string) bool) {
	for rest := h.Properties.Headers; ; {
		name, _, next, ok := rest.Next()
		if !ok || !yield(unsafe.String(unsafe.SliceData(name), len(name))) {
			return
		}
		rest = next
	}
}

// Property implements route.Message.
func (h *Headers) Property(which route.Property) (route.Value, bool) {
	p := &h.Properties
	switch which {
	case route.PropertyMessageID:
		return route.Borrow(p.MessageID), p.Has(codec.FlagMessageID)
	case route.PropertyCorrelationID:
		return route.Borrow(p.CorrelationID), p.Has(codec.FlagCorrelationID)
	case route.PropertyTimestamp:
		return route.Time(int64(p.Timestamp)), p.Has(codec.FlagTimestamp)
	case route.PropertyNone:
	}
	return route.Value{}, false
}

// Random implements route.Message.
func (h *Headers) Random() uint64 { return rand.Uint64() }

// Published is a broker.PublishedFunc.
func Published(stored []byte) ([]string, route.Message, error) {
	m, err := Open(stored)
	if err != nil {
		return nil, nil, err
	}
	h := &Headers{}
	if err := m.Properties(&h.Properties); err != nil {
		return nil, nil, err
	}
	_, blind := m.Blind()
	return append(m.Keys(&h.Properties), blind...), h, nil
}

func routeValue(v codec.Value) route.Value {
	if n, ok := v.Int(); ok {
		return route.Int(n)
	}
	if f, ok := v.Float(); ok {
		return route.Float(f)
	}
	switch v.Kind {
	case 't':
		b, _ := v.Bool()
		return route.Bool(b)
	case 'S', 'x':
		return route.Borrow(v.Bytes)
	case 'T':
		return route.Time(int64(binary.BigEndian.Uint64(v.Bytes)))
	case 'V':
		return route.Nil()
	}
	return route.Opaque(string(v.Bytes))
}
