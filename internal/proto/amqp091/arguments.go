package amqp091

import (
	"fmt"
	"strconv"

	"weir/internal/broker"
	"weir/internal/proto/amqp091/codec"
	"weir/internal/route"
)

// expiryMillisMax is RabbitMQ's longest TTL: ten years.
const expiryMillisMax = 315_360_000_000

// queueType is what x-queue-type may say. The engine has one kind of queue; the
// type decides which arguments and properties RabbitMQ would accept.
type queueType uint8

const (
	typeClassic queueType = 1 << iota
	typeQuorum
)

// String is the name RabbitMQ's error texts use.
func (t queueType) String() string {
	if t == typeQuorum {
		return "rabbit_quorum_queue"
	}
	return "rabbit_classic_queue"
}

// queueArgument is one x-argument: which types take it, how it is read (nil:
// known and not offered), and whether a second declaration must repeat it.
type queueArgument struct {
	types queueType
	read  func(s *broker.Settings, v codec.Value) string
}

func accepted(*broker.Settings, codec.Value) string { return "" }

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
	"x-max-length": {typeClassic | typeQuorum, func(s *broker.Settings, v codec.Value) string {
		n, bad := natural(v)
		s.MaxLength = &n
		return bad
	}},
	"x-max-length-bytes": {typeClassic | typeQuorum, func(s *broker.Settings, v codec.Value) string {
		n, bad := natural(v)
		s.MaxBytes = &n
		return bad
	}},
	"x-overflow": {typeClassic | typeQuorum, overflow},
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
		if n >= 0 { // a negative limit is none
			s.DeliveryLimit = &n
		}
		return bad
	}},
	"x-consumer-timeout": {typeQuorum, func(s *broker.Settings, v codec.Value) string {
		n, bad := natural(v)
		s.LeaseMillis = &n
		return bad
	}},
	"x-delayed-retry-type": {typeQuorum, func(_ *broker.Settings, v codec.Value) string {
		return oneOf(v, "invalid_delayed_retry_type", "all", "failed", "returned", "disabled")
	}}, // see queueArguments
	"x-delayed-retry-min": {typeQuorum, func(s *broker.Settings, v codec.Value) string {
		n, bad := natural(v)
		s.BackoffMin = &n
		return bad
	}},
	"x-delayed-retry-max": {typeQuorum, func(s *broker.Settings, v codec.Value) string {
		n, bad := natural(v)
		s.BackoffMax = &n
		return bad
	}},
	// How RabbitMQ stores and places a queue. None of it changes what a client
	// sees, and the engine does all of it by itself.
	"x-queue-mode":                {typeClassic, accepted},
	"x-queue-version":             {typeClassic, version},
	"x-queue-master-locator":      {typeClassic, accepted},
	"x-queue-leader-locator":      {typeClassic | typeQuorum, accepted},
	"x-max-in-memory-length":      {typeQuorum, func(_ *broker.Settings, v codec.Value) string { _, bad := natural(v); return bad }},
	"x-max-in-memory-bytes":       {typeQuorum, func(_ *broker.Settings, v codec.Value) string { _, bad := natural(v); return bad }},
	"x-quorum-initial-group-size": {typeQuorum, func(_ *broker.Settings, v codec.Value) string { _, bad := natural(v); return bad }},

	"x-consumer-disconnected-timeout": {typeQuorum, nil},
	"x-member-placement-tag":          {typeQuorum, nil},
	// Of streams.
	"x-max-age":                       {0, nil},
	"x-stream-max-segment-size-bytes": {0, nil},
	"x-stream-filter-size-bytes":      {0, nil},
	"x-initial-cluster-size":          {0, nil},
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
	"x-cache-ttl": func(s *broker.Settings, v codec.Value) string {
		n, bad := natural(v)
		s.DedupMillis = &n
		return bad
	},
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
	"x-retain-ms": func(s *broker.Settings, v codec.Value) string {
		n, bad := natural(v)
		s.RetainMillis = &n
		return bad
	},
	"x-retain-bytes": func(s *broker.Settings, v codec.Value) string {
		n, bad := natural(v)
		s.RetainBytes = &n
		return bad
	},
}

// dedupMillisDefault is the window of x-message-deduplication without another.
const dedupMillisDefault = 10 * 60 * 1000

// integer reads any integer kind, with RabbitMQ's words where it is none.
func integer(v codec.Value) (int64, string) {
	n, ok := v.Int()
	if !ok {
		return 0, fmt.Sprintf("\"expected integer, got %s\"", v.TypeName())
	}
	return n, ""
}

func natural(v codec.Value) (int64, string) {
	n, bad := integer(v)
	if bad == "" && n < 0 {
		bad = fmt.Sprintf("{value_negative,%d}", n)
	}
	return n, bad
}

func expiry(v codec.Value) (int64, string) {
	n, bad := natural(v)
	if bad == "" && n > expiryMillisMax {
		bad = fmt.Sprintf("{value_too_large,%d}", n)
	}
	return n, bad
}

func text(v codec.Value, into **string) string {
	if v.Kind != 'S' {
		return "{unacceptable_type," + v.TypeName() + "}"
	}
	s := string(v.Bytes)
	*into = &s
	return ""
}

func oneOf(v codec.Value, bad string, words ...string) string {
	if v.Kind != 'S' {
		return "{unacceptable_type," + v.TypeName() + "}"
	}
	for _, w := range words {
		if string(v.Bytes) == w {
			return ""
		}
	}
	return bad
}

func overflow(s *broker.Settings, v codec.Value) string {
	if bad := oneOf(v, "invalid_overflow", "drop-head", "reject-publish", "reject-publish-dlx", "block"); bad != "" {
		return bad
	}
	o := map[string]broker.Overflow{"drop-head": broker.OverflowDropHead, "reject-publish": broker.OverflowReject,
		"reject-publish-dlx": broker.OverflowRejectDeadLetter, "block": broker.OverflowBlock}[string(v.Bytes)]
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

// readQueueType reads x-queue-type; without it a queue is classic.
func readQueueType(what string, t codec.Table) (queueType, *exception) {
	v, ok := t.Lookup("x-queue-type")
	if !ok {
		return typeClassic, nil
	}
	if v.Kind != 'S' {
		return 0, raise(codePreconditionFailed, "invalid arg 'x-queue-type' for %s: {unacceptable_type,%s}", what,
			v.TypeName())
	}
	switch string(v.Bytes) {
	case "", "undefined", "classic":
		return typeClassic, nil
	case "quorum":
		return typeQuorum, nil
	case "stream":
		return 0, raise(codeNotImplemented, "queue type 'stream' is not implemented")
	}
	return 0, raise(codePreconditionFailed, "invalid arg 'x-queue-type' for %s: \"unsupported queue type '%s'\"", what,
		v.Bytes)
}

// queueArguments reads the arguments of a declaration into spec.
func (ch *channel) queueArguments(spec *broker.QueueSpec, t codec.Table, serverNamed bool) *exception {
	what := resource("queue", spec.Name, ch.conn.vhost)
	kind, e := readQueueType(what, t)
	if e != nil {
		return e
	}
	if kind == typeQuorum {
		switch {
		case serverNamed:
			return raise(codePreconditionFailed, "Cannot declare a server-named queue for type %v", kind)
		case spec.Exclusive:
			return raise(codePreconditionFailed, "invalid property 'exclusive-owner' for %s", what)
		case !spec.Durable:
			return raise(codePreconditionFailed, "invalid property 'non-durable' for %s", what)
		}
	}
	for rest := t; ; {
		name, v, next, ok := rest.Next()
		if !ok {
			break
		}
		rest = next
		if e := readQueueArgument(&spec.Settings, kind, what, string(name), v); e != nil {
			return e
		}
	}
	if s := &spec.Settings; s.DeadLetterKey != nil && s.DeadLetterTo == nil {
		return raise(codePreconditionFailed,
			"invalid arg 'x-dead-letter-routing-key' for %s: routing_key_but_no_dlx_defined", what)
	}
	switch v, _ := t.Lookup("x-delayed-retry-type"); string(v.Bytes) {
	case "all":
	case "failed", "returned":
		return raise(codeNotImplemented, "x-delayed-retry-type '%s' is not implemented", v.Bytes)
	default:
		spec.Settings.BackoffMin, spec.Settings.BackoffMax = nil, nil
	}
	spec.Arguments = t.Map()
	spec.Check = ch.checkQueue(what, kind, t)
	return nil
}

func readQueueArgument(s *broker.Settings, kind queueType, what, name string, v codec.Value) *exception {
	a, known := queueArgumentTable[name]
	bad := ""
	switch own := ownArguments[name]; {
	case own != nil:
		bad = own(s, v)
	case !known:
		return nil // RabbitMQ lets anybody add arguments of their own
	case a.types&kind == 0:
		return raise(codePreconditionFailed, "invalid arg '%s' for %s of queue type %v", name, what, kind)
	case a.read == nil:
		return raise(codeNotImplemented, "argument '%s' is not implemented", name)
	default:
		bad = a.read(s, v)
	}
	if bad != "" {
		return raise(codePreconditionFailed, "invalid arg '%s' for %s: %s", name, what, bad)
	}
	return nil
}

// checkQueue compares the arguments of a declaration with those of the queue
// that is there.
func (ch *channel) checkQueue(what string, kind queueType, t codec.Table) func(map[string]any) *broker.Error {
	return func(existing map[string]any) *broker.Error {
		current, _ := existing["x-queue-type"].(string)
		if current == "" || current == "undefined" {
			current = "classic"
		}
		wanted := "classic"
		if kind == typeQuorum {
			wanted = "quorum"
		}
		if current != wanted {
			return mismatch("x-queue-type", described("longstr", wanted), described("longstr", current))
		}
		for name, a := range queueArgumentTable {
			if a.types&kind == 0 {
				continue
			}
			if err := compare(name, t, existing); err != nil {
				return err
			}
		}
		for name := range ownArguments {
			if err := compare(name, t, existing); err != nil {
				return err
			}
		}
		return nil
	}
}

func mismatch(field, received, current string) *broker.Error {
	return &broker.Error{Code: broker.CodeMismatch, Field: field, Received: received, Current: current}
}

// compare checks one argument. Integers of any width are alike.
func compare(name string, t codec.Table, existing map[string]any) *broker.Error {
	v, given := t.Lookup(name)
	old, there := existing[name]
	received, current := "none", "none"
	if given {
		received = described(v.TypeName(), term(v))
	}
	if there {
		current = describedPlain(old)
	}
	if given != there || given && plain(v) != fmt.Sprint(old) {
		return mismatch(name, received, current)
	}
	return nil
}

// plain renders a scalar so that values of one kind can be compared.
func plain(v codec.Value) string {
	if n, ok := v.Int(); ok {
		return strconv.FormatInt(n, 10)
	}
	if b, ok := v.Bool(); ok {
		return strconv.FormatBool(b)
	}
	if f, ok := v.Float(); ok {
		return fmt.Sprint(f)
	}
	return string(v.Bytes)
}

// term renders a value for an error text.
func term(v codec.Value) string {
	if v.Kind == 'F' || v.Kind == 'A' {
		return "[...]"
	}
	return plain(v)
}

func described(kind, value string) string { return "the value '" + value + "' of type '" + kind + "'" }

// describedPlain renders an argument of a queue that exists. Which width an
// integer came in is not kept; most clients send the narrow one.
func describedPlain(v any) string {
	kind := "void"
	switch v := v.(type) {
	case bool:
		kind = "bool"
	case int64:
		if kind = "signedint"; v != int64(int32(v)) {
			kind = "long"
		}
	case float64:
		kind = "double"
	case string:
		kind = "longstr"
	case []any:
		kind = "array"
	case map[string]any:
		kind = "table"
	}
	return described(kind, fmt.Sprint(v))
}

// consumeArguments reads the arguments of basic.consume.
func (ch *channel) consumeArguments(o *broker.AttachOptions, t codec.Table) *exception {
	what := resource("queue", o.Queue, ch.conn.vhost)
	if v, ok := t.Lookup("x-priority"); ok {
		n, bad := integer(v)
		if bad != "" {
			return raise(codePreconditionFailed, "invalid arg 'x-priority' for %s: %s", what, bad)
		}
		o.Priority = int32(min(max(n, -1<<31), 1<<31-1))
	}
	for _, name := range []string{"x-consumer-timeout", "x-stream-offset", "x-stream-filter"} {
		if _, ok := t.Lookup(name); ok {
			return raise(codeNotImplemented, "argument '%s' is not implemented", name)
		}
	}
	return nil
}

// exchangeKinds are the exchange types on offer.
var exchangeKinds = map[string]bool{
	"direct": true, "fanout": true, "topic": true, "headers": true, "x-consistent-hash": true,
	"x-modulus-hash": true, "x-random": true, "x-delayed-message": true,
}

func knownExchange(kind string) bool { return exchangeKinds[kind] }

// exchangeArguments reads the arguments of a declaration into spec.
func (ch *channel) exchangeArguments(spec *broker.ExchangeSpec, t codec.Table) *exception {
	what := resource("exchange", spec.Name, ch.conn.vhost)
	if v, ok := t.Lookup("alternate-exchange"); ok {
		if v.Kind != 'S' {
			return raise(codePreconditionFailed, "invalid type '%s' for arg 'alternate-exchange' in %s", v.TypeName(), what)
		}
		name := string(v.Bytes)
		spec.Alternate = &name
	}
	if spec.Kind == "x-delayed-message" {
		v, ok := t.Lookup("x-delayed-type")
		inner := string(v.Bytes)
		if !ok || v.Kind != 'S' || !knownExchange(inner) || inner == spec.Kind {
			return raise(codePreconditionFailed,
				"Invalid argument, 'x-delayed-type' must be an existing exchange type")
		}
		// Every exchange delays what asks for it; the argument stays to tell the
		// type apart when it is declared again.
		spec.Kind = inner
	}
	if spec.Kind == "x-consistent-hash" {
		if e := hashArguments(spec, t, what); e != nil {
			return e
		}
	}
	spec.Arguments = t.Map()
	spec.Check = func(existing map[string]any) *broker.Error {
		for _, name := range []string{"alternate-exchange", "x-delayed-type", hashHeader, hashProperty} {
			if err := compare(name, t, existing); err != nil {
				return err
			}
		}
		return nil
	}
	return nil
}

// The arguments of a consistent hash exchange.
const (
	hashHeader   = "hash-header"
	hashProperty = "hash-property"
)

// hashProperties are the properties such an exchange may look at.
var hashProperties = map[string]route.Property{
	"message_id": route.PropertyMessageID, "correlation_id": route.PropertyCorrelationID, "timestamp": route.PropertyTimestamp,
}

// hashArguments reads what a consistent hash exchange hashes by: a header or a
// property, else the routing key.
func hashArguments(spec *broker.ExchangeSpec, t codec.Table, what string) *exception {
	header, byHeader := t.Lookup(hashHeader)
	property, byProperty := t.Lookup(hashProperty)
	switch {
	case byHeader && byProperty:
		return raise(codePreconditionFailed, "hash-header and hash-property are mutually exclusive in %s", what)
	case byHeader && header.Kind != 'S':
		return raise(codePreconditionFailed, "invalid type '%s' for arg 'hash-header' in %s", header.TypeName(), what)
	case byHeader:
		spec.HashBy.Header = string(header.Bytes)
	case byProperty:
		p, ok := hashProperties[string(property.Bytes)]
		if !ok || property.Kind != 'S' {
			return raise(codePreconditionFailed, "Unsupported property: %s", property.Bytes)
		}
		spec.HashBy.Property = p
	}
	return nil
}
