package native

import (
	"slices"

	"weir/internal/broker"
	"weir/internal/proto/amqp091/codec"
	"weir/internal/route"
)

// ExchangeTypes are the exchange types on offer.
var ExchangeTypes = []string{
	"direct", "fanout", "headers", "topic", "x-consistent-hash", "x-delayed-message",
	"x-local-random", "x-modulus-hash", "x-random", recentHistory,
}

// CheckExchangeType refuses types nobody routes by.
func CheckExchangeType(kind string) *Error {
	if kind == "" {
		return refuse("invalid exchange type ''")
	}
	if !slices.Contains(ExchangeTypes, kind) {
		return refuse("unknown exchange type '%s'", kind)
	}
	return nil
}

// ExchangeType is the type an exchange of the engine's kind was declared with.
func ExchangeType(kind string, arguments map[string]any) string {
	if inner, ok := arguments["x-delayed-type"]; ok && inner == kind {
		return "x-delayed-message"
	}
	return kind
}

// ReadExchange reads the arguments of a declaration in namespace space into spec,
// whose kind CheckExchangeType took.
func ReadExchange(spec *broker.ExchangeSpec, space string, t codec.Table) *Error {
	what := Resource("exchange", spec.Name, space)
	spec.Arguments, spec.Check = t.Map(), checkExchange(t)
	if v, ok := t.Lookup("alternate-exchange"); ok {
		if v.Kind != 'S' {
			return refuse("invalid type '%s' for arg 'alternate-exchange' in %s", v.TypeName(), what)
		}
		name := string(v.Bytes)
		spec.Alternate = &name
	}
	if spec.Kind == "x-delayed-message" {
		v, ok := t.Lookup("x-delayed-type")
		inner := string(v.Bytes)
		if !ok || v.Kind != 'S' || !slices.Contains(ExchangeTypes, inner) || inner == spec.Kind {
			return refuse("Invalid argument, 'x-delayed-type' must be an existing exchange type")
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
	if spec.Kind == recentHistory {
		if e := readHistory(spec, t); e != nil {
			return e
		}
	}
	return nil
}

// checkExchange compares the arguments of a declaration with those of the
// exchange that is there.
func checkExchange(t codec.Table) func(map[string]any) *broker.Error {
	return func(existing map[string]any) *broker.Error {
		for _, name := range []string{"alternate-exchange", "x-delayed-type", hashHeader, hashProperty, historyLength} {
			if err := compare(name, t, existing); err != nil {
				return err
			}
		}
		return nil
	}
}

// The exchange type that gives its last messages to queues bound later.
const (
	recentHistory        = "x-recent-history"
	historyLength        = "x-recent-history-length"
	historyLengthDefault = 20
	// noStore is the header of messages that are not remembered.
	noStore = "x-recent-history-no-store"
)

func readHistory(spec *broker.ExchangeSpec, t codec.Table) *Error {
	spec.Remember = historyLengthDefault
	v, ok := t.Lookup(historyLength)
	if !ok {
		return nil
	}
	n, ok := v.Int()
	if !ok || n <= 0 {
		return refuse("Invalid argument %s, 'x-recent-history-length' must be a positive integer", quoted(v))
	}
	spec.Remember = n
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
func hashArguments(spec *broker.ExchangeSpec, t codec.Table, what string) *Error {
	header, byHeader := t.Lookup(hashHeader)
	property, byProperty := t.Lookup(hashProperty)
	switch {
	case byHeader && byProperty:
		return refuse("hash-header and hash-property are mutually exclusive in %s", what)
	case byHeader && header.Kind != 'S':
		return refuse("invalid type '%s' for arg 'hash-header' in %s", header.TypeName(), what)
	case byHeader:
		spec.HashBy.Header = string(header.Bytes)
	case byProperty:
		p, ok := hashProperties[string(property.Bytes)]
		if !ok || property.Kind != 'S' {
			return refuse("Unsupported property: %s", property.Bytes)
		}
		spec.HashBy.Property = p
	}
	return nil
}

// ReadMatch reads x-match from the arguments of a binding.
func ReadMatch(arguments codec.Table) (route.MatchMode, *Error) {
	v, ok := arguments.Lookup("x-match")
	if !ok {
		return route.MatchAll, nil
	}
	if v.Kind != 'S' {
		return 0, refuse("Invalid x-match field type %s (value %s); expected longstr", v.TypeName(), shownTerm(v))
	}
	switch string(v.Bytes) {
	case "all":
		return route.MatchAll, nil
	case "any":
		return route.MatchAny, nil
	case "all-with-x":
		return route.MatchAllWithX, nil
	case "any-with-x":
		return route.MatchAnyWithX, nil
	}
	return 0, refuse("Invalid x-match field value %s; expected all, any, all-with-x, or any-with-x", shownTerm(v))
}

// shownTerm renders a value as Erlang prints it.
func shownTerm(v codec.Value) string {
	switch {
	case v.Kind == 'V':
		return "undefined"
	case v.Kind == 'F' || v.Kind == 'A':
		if len(v.Bytes) == 0 {
			return "[]"
		}
	case (v.Kind == 'S' || v.Kind == 'x') && len(v.Bytes) == 0:
		return "<<>>"
	case v.Kind == 'S' || v.Kind == 'x':
		return "<<\"" + string(v.Bytes) + "\">>"
	}
	return term(v)
}
