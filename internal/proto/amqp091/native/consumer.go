package native

import (
	"encoding/binary"
	"fmt"
	"math"

	"weir/internal/broker"
	"weir/internal/proto/amqp091/codec"
	"weir/internal/record"
)

// consumerArguments says which queue types take the arguments of basic.consume
// that RabbitMQ knows. A queue of another type that retains its messages can be
// followed like a stream.
var consumerArguments = map[string]queueType{
	"x-priority":                typeClassic | typeQuorum,
	"x-consumer-timeout":        typeClassic | typeQuorum,
	streamOffset:                typeStream,
	streamFilter:                typeStream,
	"x-stream-match-unfiltered": typeStream,
}

const (
	streamOffset = "x-stream-offset"
	streamFilter = "x-stream-filter"
	// filterHeader is what a publisher marks a message with for filters.
	filterHeader = "x-stream-filter-value"
)

// ReadConsumer reads the arguments of a consumer of the queue q. now is in unix
// milliseconds.
func ReadConsumer(o *broker.AttachOptions, q *broker.QueueInfo, t codec.Table, now int64) *Error {
	what := Resource("queue", q.Name, q.Namespace)
	kind := kindOf(q.Arguments)
	if q.Views != "" {
		t = Without(t, streamOffset) // it is where the cursor began
	}
	if _, ok := t.Lookup(streamOffset); ok && kind != typeStream && q.Retains {
		kind = typeStream
	}
	for rest := t; ; {
		name, v, next, ok := rest.Next()
		if !ok {
			break
		}
		rest = next
		types, known := consumerArguments[string(name)]
		if !known {
			continue
		}
		if types&kind == 0 {
			return refuse("invalid arg '%s' for %s of queue type %v", name, what, kind)
		}
		if bad := readConsumerArgument(o, string(name), v, now); bad != "" {
			return refuse("invalid arg '%s' for %s: %s", name, what, bad)
		}
	}
	if kind == typeStream {
		if o.From == nil {
			o.From = &broker.Position{End: true}
		}
		o.Accept = filter(t)
	}
	return nil
}

func readConsumerArgument(o *broker.AttachOptions, name string, v codec.Value, now int64) string {
	switch name {
	case "x-priority":
		n, bad := integer(v)
		o.Priority = int32(min(max(n, -1<<31), 1<<31-1))
		return bad
	case "x-consumer-timeout":
		n, bad := natural(v)
		o.LeaseMillis = n
		return bad
	case streamOffset:
		at, ok := position(v, now)
		if !ok {
			return fmt.Sprintf("{invalid_stream_offset_arg,{%s,%v}}", v.TypeName(), quoted(v))
		}
		o.From = &at
	}
	return ""
}

// ViewBegin reads where a new cursor over a topic begins; nil is at its end. now is
// in unix milliseconds.
func ViewBegin(what string, t codec.Table, now int64) (*broker.Position, *Error) {
	v, ok := t.Lookup(streamOffset)
	if !ok {
		return nil, nil
	}
	at, ok := position(v, now)
	if !ok {
		return nil, refuse("invalid arg '%s' for %s: {invalid_stream_offset_arg,{%s,%v}}", streamOffset, what, v.TypeName(), quoted(v))
	}
	return &at, nil
}

// quoted renders a value as RabbitMQ's texts show a binary or a number.
func quoted(v codec.Value) string {
	if v.Kind == 'S' {
		return `<<"` + string(v.Bytes) + `">>`
	}
	return term(v)
}

// position reads x-stream-offset: first, last, next, an interval back from now, a
// timestamp in seconds, or an offset.
func position(v codec.Value, now int64) (broker.Position, bool) {
	if v.Kind == 'S' {
		switch string(v.Bytes) {
		case "first":
			return broker.Position{}, true
		case "last":
			return broker.Position{Last: true}, true
		case "next":
			return broker.Position{End: true}, true
		}
		millis, bad := age(v)
		return broker.Position{UnixMillis: max(now-millis, 1)}, bad == ""
	}
	if v.Kind == 'T' {
		seconds := min(binary.BigEndian.Uint64(v.Bytes), math.MaxInt64/1000)
		return broker.Position{UnixMillis: max(int64(seconds)*1000, 1)}, true
	}
	n, ok := v.Int()
	return broker.Position{Offset: record.Offset(max(n, 0))}, ok && n >= 0
}

// filter returns what picks the messages of a consumer with x-stream-filter, nil
// without. RabbitMQ lets some others through, for its clients to look again.
func filter(t codec.Table) func(rec []byte) bool {
	v, ok := t.Lookup(streamFilter)
	if !ok {
		return nil
	}
	wanted := map[string]bool{}
	if v.Kind == 'S' {
		wanted[string(v.Bytes)] = true
	}
	if array, ok := v.Array(); ok {
		for _, s := range AppendTexts(nil, array) {
			wanted[s] = true
		}
	}
	also, _ := t.Lookup("x-stream-match-unfiltered")
	unfiltered, _ := also.Bool()
	return func(rec []byte) bool {
		m, err := OpenRecord(rec)
		var p codec.Properties
		if err != nil || m.Properties(&p) != nil {
			return unfiltered
		}
		v, ok := p.Headers.Lookup(filterHeader)
		if !ok || v.Kind != 'S' {
			return unfiltered
		}
		return wanted[string(v.Bytes)]
	}
}

// kindOf is the type a queue was declared with.
func kindOf(arguments map[string]any) queueType {
	switch QueueType(arguments) {
	case quorum:
		return typeQuorum
	case stream:
		return typeStream
	}
	return typeClassic
}
