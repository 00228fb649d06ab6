package native

import (
	"fmt"
	"strconv"

	"weir/internal/broker"
	"weir/internal/proto/amqp091/codec"
)

// expiryMillisMax is RabbitMQ's longest TTL: ten years.
const expiryMillisMax = 315_360_000_000

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

// count reads a number of things, bytes or milliseconds.
func count(v codec.Value, into **int64) string {
	n, bad := natural(v)
	*into = &n
	return bad
}

func expiry(v codec.Value) (int64, string) {
	n, bad := natural(v)
	if bad == "" && n > expiryMillisMax {
		bad = fmt.Sprintf("{value_too_large,%d}", n)
	}
	return n, bad
}

// age reads a text like 7D, in milliseconds.
func age(v codec.Value) (int64, string) {
	if v.Kind != 'S' {
		return 0, "{unacceptable_type," + v.TypeName() + "}"
	}
	millis, ok := maxAge(string(v.Bytes))
	if !ok {
		return 0, "invalid_max_age"
	}
	return millis, ""
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

func mismatch(field, received, current string) *broker.Error {
	return &broker.Error{Code: broker.CodeMismatch, Field: field, Received: received, Current: current}
}

// compare checks one argument. Integers of any width are alike.
func compare(name string, t codec.Table, existing map[string]any) *broker.Error {
	v, given := t.Lookup(name)
	old, there := existing[name]
	switch {
	case given && there && (plain(v) != fmt.Sprint(old) || !alike(v, old)):
		return mismatch(name, inQuotes(term(v)), inQuotes(fmt.Sprint(old)))
	case given && !there:
		return mismatch(name, described(v.TypeName(), term(v)), "none")
	case there && !given:
		return mismatch(name, "none", describedPlain(old))
	}
	return nil
}

func inQuotes(value string) string { return "'" + value + "'" }

// alike says whether the values are of one kind: a number without a fraction is
// not a whole one.
func alike(v codec.Value, old any) bool {
	_, whole := v.Int()
	_, fraction := v.Float()
	switch old.(type) {
	case int64:
		return whole
	case float64:
		return fraction
	case bool:
		return v.Kind == 't'
	}
	return !whole && !fraction && v.Kind != 't'
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
