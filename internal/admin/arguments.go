package admin

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"weir/internal/broker"
)

const (
	classic = "classic"
	quorum  = "quorum"
	// dedupMillisDefault is the window of x-message-deduplication without another.
	dedupMillisDefault = 10 * 60 * 1000
)

// argument is one x-argument of a queue: which types take it, and how it is
// read. What read returns says what is wrong, or nothing.
type argument struct {
	types string
	read  func(s *broker.Settings, v any) string
}

const both = classic + " " + quorum

// natural reads a whole number of 0 or more.
func natural(v any, to **int64) string {
	n, ok := v.(int64)
	if !ok || n < 0 {
		return "not a whole number of 0 or more"
	}
	*to = &n
	return ""
}

func textArgument(v any, to **string) string {
	s, ok := v.(string)
	if !ok {
		return "not a text"
	}
	*to = &s
	return ""
}

func oneOf(v any, words ...string) string {
	if s, ok := v.(string); !ok || !slices.Contains(words, s) {
		return "not one of " + strings.Join(words, ", ")
	}
	return ""
}

func ignored(*broker.Settings, any) string { return "" }

// queueArguments are those RabbitMQ has and this broker carries out, those that
// only say how RabbitMQ stores a queue, and this broker's own.
var queueArguments = map[string]argument{
	"x-queue-type": {both, func(_ *broker.Settings, v any) string { return oneOf(v, classic, quorum) }},
	"x-expires": {both, func(s *broker.Settings, v any) string {
		bad := natural(v, &s.ExpiresMillis)
		if bad == "" && (*s.ExpiresMillis == 0 || *s.ExpiresMillis > expiryMillisMax) {
			bad = "not between 1 and ten years"
		}
		return bad
	}},
	"x-message-ttl": {both, func(s *broker.Settings, v any) string {
		bad := natural(v, &s.TTLMillis)
		if bad == "" && *s.TTLMillis > expiryMillisMax {
			bad = "more than ten years"
		}
		return bad
	}},
	"x-dead-letter-exchange":    {both, func(s *broker.Settings, v any) string { return textArgument(v, &s.DeadLetterTo) }},
	"x-dead-letter-routing-key": {both, func(s *broker.Settings, v any) string { return textArgument(v, &s.DeadLetterKey) }},
	"x-dead-letter-strategy":    {quorum, func(_ *broker.Settings, v any) string { return oneOf(v, "at-most-once", "at-least-once") }},
	"x-max-length":              {both, func(s *broker.Settings, v any) string { return natural(v, &s.MaxLength) }},
	"x-max-length-bytes":        {both, func(s *broker.Settings, v any) string { return natural(v, &s.MaxBytes) }},
	"x-overflow":                {both, overflow},
	"x-max-priority":            {classic, maxPriority},
	"x-single-active-consumer": {both, func(s *broker.Settings, v any) string {
		on, ok := v.(bool)
		if !ok {
			return "not a boolean"
		}
		s.SingleActive = &on
		return ""
	}},
	"x-delivery-limit": {quorum, func(s *broker.Settings, v any) string {
		n, ok := v.(int64)
		if !ok {
			return "not a whole number"
		}
		if n >= 0 { // a negative limit is none
			s.DeliveryLimit = &n
		}
		return ""
	}},
	"x-consumer-timeout":     {quorum, func(s *broker.Settings, v any) string { return natural(v, &s.LeaseMillis) }},
	"x-delayed-retry-min":    {quorum, func(s *broker.Settings, v any) string { return natural(v, &s.BackoffMin) }},
	"x-delayed-retry-max":    {quorum, func(s *broker.Settings, v any) string { return natural(v, &s.BackoffMax) }},
	"x-queue-mode":           {classic, ignored},
	"x-queue-version":        {classic, ignored},
	"x-queue-master-locator": {classic, ignored},
	"x-queue-leader-locator": {both, ignored},

	"x-quorum-initial-group-size": {quorum, ignored},

	"x-message-deduplication": {both, func(s *broker.Settings, v any) string {
		on, ok := v.(bool)
		if !ok {
			return "not a boolean"
		}
		if window := int64(dedupMillisDefault); on && s.DedupMillis == nil {
			s.DedupMillis = &window
		}
		return ""
	}},
	"x-cache-ttl":    {both, func(s *broker.Settings, v any) string { return natural(v, &s.DedupMillis) }},
	"x-retain-ms":    {both, func(s *broker.Settings, v any) string { return natural(v, &s.RetainMillis) }},
	"x-retain-bytes": {both, func(s *broker.Settings, v any) string { return natural(v, &s.RetainBytes) }},
	"x-rate-limit": {both, func(s *broker.Settings, v any) string {
		rate, ok := v.(float64)
		if n, integer := v.(int64); integer {
			rate, ok = float64(n), true
		}
		if !ok || rate <= 0 {
			return "not a positive number"
		}
		s.RatePerSecond = &rate
		return ""
	}},
}

func overflow(s *broker.Settings, v any) string {
	words := []string{"drop-head", "reject-publish", "reject-publish-dlx", "block"}
	if bad := oneOf(v, words...); bad != "" {
		return bad
	}
	o := []broker.Overflow{broker.OverflowDropHead, broker.OverflowReject,
		broker.OverflowRejectDeadLetter, broker.OverflowBlock}[slices.Index(words, v.(string))]
	s.Overflow = &o
	return ""
}

func maxPriority(s *broker.Settings, v any) string {
	n, ok := v.(int64)
	if !ok || n < 0 || n > 255 {
		return "not a whole number from 0 to 255"
	}
	most := uint8(n)
	s.MaxPriority = &most
	return ""
}

// readArguments fills spec from its Arguments. Arguments of nobody are kept, as
// RabbitMQ does; known ones that are not carried out are refused.
func readArguments(spec *broker.QueueSpec) *failure {
	kind := queueType(spec.Arguments)
	if kind == quorum && !spec.Durable {
		return badRequest("PRECONDITION_FAILED - invalid property 'non-durable' for a quorum queue")
	}
	for name, v := range spec.Arguments {
		a, known := queueArguments[name]
		if !known {
			if slices.Contains(notOffered, name) {
				return badRequest("argument '" + name + "' is not offered")
			}
			continue
		}
		bad := ""
		if !strings.Contains(a.types, kind) && name != "x-queue-type" {
			bad = "not for queues of type " + kind
		} else {
			bad = a.read(&spec.Settings, v)
		}
		if bad != "" {
			return badRequest("PRECONDITION_FAILED - invalid arg '" + name + "' for queue '" + spec.Name + "': " + bad)
		}
	}
	if spec.Settings.DeadLetterKey != nil && spec.Settings.DeadLetterTo == nil {
		return badRequest("PRECONDITION_FAILED - x-dead-letter-routing-key without x-dead-letter-exchange")
	}
	wanted := spec.Arguments
	spec.Check = func(existing map[string]any) *broker.Error {
		if a, b := queueType(wanted), queueType(existing); a != b {
			return &broker.Error{Code: broker.CodeMismatch, Field: "x-queue-type", Received: a, Current: b}
		}
		for name := range queueArguments {
			if err := sameArgument(name, wanted, existing); err != nil && name != "x-queue-type" {
				return err
			}
		}
		return nil
	}
	return nil
}

// notOffered are arguments RabbitMQ knows and this broker does not carry out.
var notOffered = []string{
	"x-max-age", "x-stream-max-segment-size-bytes", "x-stream-filter-size-bytes", "x-initial-cluster-size",
	"x-consumer-disconnected-timeout", "x-member-placement-tag", "x-delayed-retry-type",
	"x-max-in-memory-length", "x-max-in-memory-bytes",
}

func queueType(arguments map[string]any) string {
	if kind, _ := arguments["x-queue-type"].(string); kind == quorum {
		return quorum
	}
	return classic
}

// sameArgument compares one argument of two declarations.
func sameArgument(name string, wanted, existing map[string]any) *broker.Error {
	if a, b := described(wanted, name), described(existing, name); a != b {
		return &broker.Error{Code: broker.CodeMismatch, Field: name, Received: a, Current: b}
	}
	return nil
}

func described(arguments map[string]any, name string) string {
	v, ok := arguments[name]
	if !ok {
		return "none"
	}
	return fmt.Sprintf("'%v'", v)
}

// arguments are those of a declaration or binding. Numbers that are whole are
// int64.
type arguments map[string]any

// UnmarshalJSON also takes the empty list some tools send for nothing.
func (a *arguments) UnmarshalJSON(b []byte) error {
	if string(b) == "[]" {
		return nil
	}
	var raw map[string]any
	d := json.NewDecoder(strings.NewReader(string(b)))
	d.UseNumber()
	if err := d.Decode(&raw); err != nil {
		return fmt.Errorf("arguments: %w", err)
	}
	whole(raw)
	*a = raw
	return nil
}
