package native

import (
	"fmt"
	"slices"

	"weir/internal/broker"
	"weir/internal/proto/amqp091/codec"
)

// queueType is what x-queue-type may say. The engine has one kind of queue; the
// type decides which arguments and properties RabbitMQ would accept.
type queueType uint8

const (
	typeClassic queueType = 1 << iota
	typeQuorum
	typeStream
)

const typeAny = typeClassic | typeQuorum | typeStream

// The values of x-queue-type.
const (
	classic = "classic"
	quorum  = "quorum"
	stream  = "stream"
)

// deliveryLimitDefault is what quorum queues have without another.
const deliveryLimitDefault = 20

// String is the name RabbitMQ's error texts use.
func (t queueType) String() string { return "rabbit_" + t.short() + "_queue" }

// short is the value of x-queue-type.
func (t queueType) short() string {
	switch t {
	case typeQuorum:
		return quorum
	case typeStream:
		return stream
	default:
		return classic
	}
}

// queueArgument is one x-argument: which types take it, and how it is read (nil:
// known and not offered). What read returns is what is wrong, in RabbitMQ's words.
type queueArgument struct {
	types queueType
	read  func(s *broker.Settings, v codec.Value) string
}

func accepted(*broker.Settings, codec.Value) string { return "" }

func hint(_ *broker.Settings, v codec.Value) string {
	_, bad := natural(v)
	return bad
}

var queueArgumentTable = map[string]queueArgument{
	"x-expires": {typeClassic | typeQuorum, func(s *broker.Settings, v codec.Value) string {
		n, bad := expiry(v)
		if bad == "" && n == 0 {
			bad = "{value_zero,0}"
		}
		s.ExpiresMillis = &n
		return bad
	}},
	"x-message-ttl": {typeClassic | typeQuorum, func(s *broker.Settings, v codec.Value) string {
		n, bad := expiry(v)
		s.TTLMillis = &n
		return bad
	}},
	"x-dead-letter-exchange":    {typeClassic | typeQuorum, func(s *broker.Settings, v codec.Value) string { return text(v, &s.DeadLetterTo) }},
	"x-dead-letter-routing-key": {typeClassic | typeQuorum, func(s *broker.Settings, v codec.Value) string { return text(v, &s.DeadLetterKey) }},
	// Dead letters are stored at their target before they leave their queue,
	// which is the stronger of the two strategies.
	"x-dead-letter-strategy": {typeQuorum, func(_ *broker.Settings, v codec.Value) string {
		return oneOf(v, "invalid_dlx_strategy", "at-most-once", "at-least-once")
	}},
	"x-max-length":       {typeClassic | typeQuorum, func(s *broker.Settings, v codec.Value) string { return count(v, &s.MaxLength) }},
	"x-max-length-bytes": {typeAny, func(s *broker.Settings, v codec.Value) string { return count(v, &s.MaxBytes) }}, // see readStream
	"x-overflow":         {typeClassic | typeQuorum, overflow},
	"x-max-priority": {typeClassic, func(s *broker.Settings, v codec.Value) string {
		n, bad := natural(v)
		if bad == "" && n > 255 {
			bad = fmt.Sprintf("{max_value_exceeded,%d}", n)
		}
		most := uint8(n)
		s.MaxPriority = &most
		return bad
	}},
	"x-single-active-consumer": {typeClassic | typeQuorum, func(s *broker.Settings, v codec.Value) string {
		on, ok := v.Bool()
		if !ok {
			return "{unacceptable_type," + v.TypeName() + "}"
		}
		s.SingleActive = &on
		return ""
	}},
	"x-delivery-limit": {typeQuorum, func(s *broker.Settings, v codec.Value) string {
		n, bad := integer(v)
		s.DeliveryLimit = &n // a negative limit is none
		return bad
	}},
	"x-consumer-timeout": {typeClassic | typeQuorum, func(s *broker.Settings, v codec.Value) string { return count(v, &s.LeaseMillis) }},
	"x-delayed-retry-type": {typeQuorum, func(_ *broker.Settings, v codec.Value) string {
		return oneOf(v, "invalid_delayed_retry_type", "all", "failed", "returned", "disabled")
	}}, // see ReadQueue
	"x-delayed-retry-min": {typeQuorum, func(s *broker.Settings, v codec.Value) string { return count(v, &s.BackoffMin) }},
	"x-delayed-retry-max": {typeQuorum, func(s *broker.Settings, v codec.Value) string { return count(v, &s.BackoffMax) }},
	// How RabbitMQ stores and places a queue. None of it changes what a client
	// sees, and the engine does all of it by itself.
	"x-queue-mode":                {typeClassic, mode},
	"x-queue-version":             {typeClassic, version},
	"x-queue-master-locator":      {typeClassic, accepted},
	"x-queue-leader-locator":      {typeAny, locator},
	"x-max-in-memory-length":      {typeQuorum, hint},
	"x-max-in-memory-bytes":       {typeQuorum, hint},
	"x-quorum-initial-group-size": {typeQuorum, hintNotZero},

	"x-consumer-disconnected-timeout": {typeQuorum, nil},
	"x-member-placement-tag":          {typeQuorum, nil},
	// Of streams. Sizes of segments and filters are RabbitMQ's way of storing.
	"x-max-age": {typeStream, func(s *broker.Settings, v codec.Value) string {
		millis, bad := age(v)
		s.RetainMillis = &millis
		return bad
	}},
	"x-stream-max-segment-size-bytes": {typeStream, hint},
	"x-stream-filter-size-bytes":      {typeStream, hint},
	"x-initial-cluster-size":          {typeStream, hintNotZero},
}

// The sizes of filters that streams take.
const (
	filterBytesMin = 16
	filterBytesMax = 255
)

// readStream completes the declaration of a stream.
func readStream(s *broker.Settings, t codec.Table) *Error {
	yes := true
	s.Stream = &yes
	s.RetainBytes, s.MaxBytes = s.MaxBytes, nil
	if v, ok := t.Lookup("x-stream-max-segment-size-bytes"); ok {
		if n, _ := v.Int(); n > segmentBytesMax {
			return refuse("Exceeded max value for x-stream-max-segment-size-bytes")
		}
	}
	if v, ok := t.Lookup("x-stream-filter-size-bytes"); ok {
		if n, _ := v.Int(); n < filterBytesMin || n > filterBytesMax {
			return refuse("Invalid value for  x-stream-filter-size-bytes")
		}
	}
	return nil
}

func hintNotZero(_ *broker.Settings, v codec.Value) string {
	n, bad := natural(v)
	if bad == "" && n == 0 {
		bad = "{value_zero,0}"
	}
	return bad
}

func locator(_ *broker.Settings, v codec.Value) string {
	return oneOf(v, "invalid_queue_locator_arg", "client-local", "balanced", "random", "least-leaders")
}

// ownArguments are those RabbitMQ does not have, for queues of any type.
var ownArguments = map[string]func(s *broker.Settings, v codec.Value) string{
	// The plugin's name: messages of an id seen before are dropped.
	"x-message-deduplication": func(s *broker.Settings, v codec.Value) string {
		on, ok := v.Bool()
		if !ok {
			return "{unacceptable_type," + v.TypeName() + "}"
		}
		if window := int64(dedupMillisDefault); on && s.DedupMillis == nil {
			s.DedupMillis = &window
		}
		return ""
	},
	"x-cache-ttl": func(s *broker.Settings, v codec.Value) string { return count(v, &s.DedupMillis) },
	"x-rate-limit": func(s *broker.Settings, v codec.Value) string {
		rate, ok := v.Float()
		if n, integer := v.Int(); integer {
			rate, ok = float64(n), true
		}
		if !ok || rate <= 0 {
			return "expected a positive number"
		}
		s.RatePerSecond = &rate
		return ""
	},
	// How many messages the queue takes in all its life: those after them are
	// refused.
	"x-accept-limit": func(s *broker.Settings, v codec.Value) string {
		n, bad := natural(v)
		if bad == "" && n == 0 {
			bad = "{value_zero,0}"
		}
		s.AcceptMax = &n
		return bad
	},
	"x-retain-ms":    func(s *broker.Settings, v codec.Value) string { return count(v, &s.RetainMillis) },
	"x-retain-bytes": func(s *broker.Settings, v codec.Value) string { return count(v, &s.RetainBytes) },
}

// ownOfStreams are those that mean something where nothing is consumed.
var ownOfStreams = map[string]bool{"x-message-deduplication": true, "x-cache-ttl": true}

// dedupMillisDefault is the window of x-message-deduplication without another.
const dedupMillisDefault = 10 * 60 * 1000

func overflow(s *broker.Settings, v codec.Value) string {
	if bad := oneOf(v, "invalid_overflow", "drop-head", "reject-publish", "reject-publish-dlx", "block"); bad != "" {
		return bad
	}
	o := overflows[string(v.Bytes)]
	s.Overflow = &o
	return ""
}

func version(_ *broker.Settings, v codec.Value) string {
	n, bad := natural(v)
	if bad == "" && n != 1 && n != 2 {
		bad = fmt.Sprintf("\"unsupported queue version '%d'\"", n)
	}
	return bad
}

func mode(_ *broker.Settings, v codec.Value) string {
	return oneOf(v, fmt.Sprintf("\"unsupported queue mode '%s'\"", v.Bytes), "default", "lazy")
}

// readQueueType reads x-queue-type; without it a queue is classic.
func readQueueType(what string, t codec.Table) (queueType, *Error) {
	v, ok := t.Lookup("x-queue-type")
	if !ok {
		return typeClassic, nil
	}
	if v.Kind != 'S' {
		return 0, refuse("invalid arg 'x-queue-type' for %s: {unacceptable_type,%s}", what, v.TypeName())
	}
	switch string(v.Bytes) {
	case "", "undefined", classic:
		return typeClassic, nil
	case quorum:
		return typeQuorum, nil
	case stream:
		return typeStream, nil
	}
	return 0, refuse("invalid arg 'x-queue-type' for %s: \"unsupported queue type '%s'\"", what, v.Bytes)
}

// DefaultType gives a declaration without x-queue-type that of its namespace, if
// queues of that type can be what it wants.
func DefaultType(spec *broker.QueueSpec, class string, t codec.Table) codec.Table {
	_, given := t.Lookup(queueTypeArgument)
	if given || class == "" || class == classic || !spec.Durable || spec.Exclusive || spec.AutoDelete {
		return t
	}
	return codec.AppendField(slices.Clone(t), queueTypeArgument, class)
}

// KnownType says whether queues can be of this type.
func KnownType(name string) bool { return name == classic || name == quorum || name == stream }

// ReadQueue reads the arguments of a declaration in namespace space into spec.
// An error that is Late counts only where the queue is not there yet.
func ReadQueue(spec *broker.QueueSpec, space string, t codec.Table, serverNamed bool) *Error {
	what := Resource("queue", spec.Name, space)
	kind, e := readQueueType(what, t)
	if e != nil {
		return e
	}
	if kind != typeClassic && serverNamed {
		return refuse("Cannot declare a server-named queue for type %v", kind)
	}
	spec.Class, spec.Arguments, spec.Check = kind.short(), t.Map(), checkQueue(kind, t)
	e = checkProperties(spec, kind, what)
	if e == nil {
		e = readQueueArguments(&spec.Settings, kind, what, t)
	}
	if e != nil {
		e.Late = true
		return e
	}
	switch kind {
	case typeQuorum:
		limit := int64(deliveryLimitDefault)
		spec.Defaults = &broker.Settings{DeliveryLimit: &limit}
		spec.PolicyFirst = true // of overflow; RabbitMQ does so here and not for classic ones
	case typeStream:
		spec.PolicyFirst = true // of retention, likewise
	default: // a classic queue's own arguments go first
	}
	return nil
}

// checkProperties refuses what queues of a type cannot be.
func checkProperties(spec *broker.QueueSpec, kind queueType, what string) *Error {
	switch {
	case kind == typeClassic:
	case spec.AutoDelete:
		return refuse("invalid property 'auto-delete' for %s", what)
	case spec.Exclusive:
		return refuse("invalid property 'exclusive-owner' for %s", what)
	case !spec.Durable:
		return refuse("invalid property 'non-durable' for %s", what)
	}
	return nil
}

func readQueueArguments(s *broker.Settings, kind queueType, what string, t codec.Table) *Error {
	if v, ok := t.Lookup("x-dead-letter-exchange"); ok && v.Kind != 'S' { // looked at before all others
		return refuse("invalid type '%s' for arg 'x-dead-letter-exchange' in %s", v.TypeName(), what)
	}
	for rest := t; ; {
		name, v, next, ok := rest.Next()
		if !ok {
			break
		}
		rest = next
		if e := readQueueArgument(s, kind, what, string(name), v); e != nil {
			return e
		}
	}
	if s.DeadLetterKey != nil && s.DeadLetterTo == nil {
		return refuse("invalid arg 'x-dead-letter-routing-key' for %s: routing_key_but_no_dlx_defined", what)
	}
	switch v, _ := t.Lookup("x-delayed-retry-type"); string(v.Bytes) {
	case "all":
	case "failed", "returned":
		return notImplemented("x-delayed-retry-type '%s' is not implemented", v.Bytes)
	default:
		s.BackoffMin, s.BackoffMax = nil, nil
	}
	if kind == typeStream {
		return readStream(s, t)
	}
	return nil
}

func readQueueArgument(s *broker.Settings, kind queueType, what, name string, v codec.Value) *Error {
	a, known := queueArgumentTable[name]
	bad := ""
	switch own := ownArguments[name]; {
	case own != nil && kind == typeStream && !ownOfStreams[name]:
		return refuse("invalid arg '%s' for %s of queue type %v", name, what, kind)
	case own != nil:
		bad = own(s, v)
	case !known:
		return nil // RabbitMQ lets anybody add arguments of their own
	case a.types&kind == 0:
		return refuse("invalid arg '%s' for %s of queue type %v", name, what, kind)
	case a.read == nil:
		return notImplemented("argument '%s' is not implemented", name)
	default:
		bad = a.read(s, v)
	}
	if bad != "" {
		return refuse("invalid arg '%s' for %s: %s", name, what, bad)
	}
	return nil
}

// QueueType is the type that queues declared with these arguments have.
func QueueType(arguments map[string]any) string {
	kind, _ := arguments["x-queue-type"].(string)
	if kind == "" || kind == "undefined" {
		return classic
	}
	return kind
}
