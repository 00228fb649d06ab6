package native

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"

	"weir/internal/auth"
	"weir/internal/broker"
)

// The names by which policies apply to one class of queues.
var applyClasses = map[string]string{"classic_queues": classic, "quorum_queues": quorum, "streams": stream}

// ShowApplyTo is how RabbitMQ spells what a policy applies to.
func ShowApplyTo(a broker.ApplyTo) string {
	for name, class := range applyClasses {
		if class == string(a) {
			return name
		}
	}
	return string(a)
}

// policyMeaning is what a definition comes to.
type policyMeaning struct {
	broker.Settings
	stream    broker.Settings // of streams, which read some keys otherwise
	alternate *string
	retry     string // when failed deliveries wait
}

// policyKey is one key of a definition.
type policyKey struct {
	operator bool     // an operator's policy may have it
	unfit    []string // classes of queues that a policy with it does not apply to
	bad      string   // RabbitMQ's words for a value it does not take
	read     func(m *policyMeaning, v any) bool
}

// Classes of queues that keys are no use to, as RabbitMQ sees them.
var (
	noStream     = []string{stream}
	onlyClassic  = []string{quorum, stream}
	onlyQuorum   = []string{classic, stream}
	onlyStream   = []string{classic, quorum}
	fitsAnything []string
)

// segmentBytesMax is RabbitMQ's largest segment of a stream.
const segmentBytesMax = 3_000_000_000

var policyKeys = map[string]policyKey{
	"alternate-exchange": {false, fitsAnything, "alternate exchange name", func(m *policyMeaning, v any) bool { return words(v, &m.alternate) }},
	"consumer-timeout":   {false, fitsAnything, "consumer timeout", func(m *policyMeaning, v any) bool { return whole(v, 0, &m.LeaseMillis) }},

	"dead-letter-exchange":    {false, noStream, "dead letter exchange name", func(m *policyMeaning, v any) bool { return words(v, &m.DeadLetterTo) }},
	"dead-letter-routing-key": {false, noStream, "dead letter routing key", func(m *policyMeaning, v any) bool { return words(v, &m.DeadLetterKey) }},
	"dead-letter-strategy": {false, onlyQuorum, "dead letter strategy", func(_ *policyMeaning, v any) bool {
		return v == "at-most-once" || v == "at-least-once"
	}},
	"message-ttl": {true, noStream, "message TTL", func(m *policyMeaning, v any) bool { return whole(v, 0, &m.TTLMillis) }},
	"expires":     {true, noStream, "queue expiry", func(m *policyMeaning, v any) bool { return whole(v, 1, &m.ExpiresMillis) }},
	"max-length":  {true, noStream, "maximum length", func(m *policyMeaning, v any) bool { return whole(v, 0, &m.MaxLength) }},
	"max-length-bytes": {true, fitsAnything, "maximum length in bytes", func(m *policyMeaning, v any) bool {
		return whole(v, 0, &m.MaxBytes) && whole(v, 0, &m.stream.RetainBytes)
	}},
	"overflow": {true, noStream, "overflow value", func(m *policyMeaning, v any) bool {
		o, ok := overflows[fmt.Sprint(v)]
		m.Overflow = &o
		return ok
	}},
	"delivery-limit": {true, onlyQuorum, "delivery limit", func(m *policyMeaning, v any) bool { return whole(v, math.MinInt64, &m.DeliveryLimit) }},
	"max-age": {false, onlyStream, "max age", func(m *policyMeaning, v any) bool {
		age, ok := maxAge(fmt.Sprint(v))
		m.stream.RetainMillis = &age
		return ok
	}},

	// How RabbitMQ stores and places a queue; see queueArgumentTable.
	"max-in-memory-length": {true, onlyQuorum, "maximum memory in bytes", atLeast(0)},
	"max-in-memory-bytes":  {true, onlyQuorum, "maximum memory in bytes", atLeast(0)},
	"queue-mode":           {false, onlyClassic, "queue-mode value", func(_ *policyMeaning, v any) bool { return v == "default" || v == "lazy" }},
	"queue-version":        {true, fitsAnything, "queue-version value", func(_ *policyMeaning, v any) bool { return v == int64(1) || v == int64(2) }},
	"queue-leader-locator": {false, fitsAnything, "queue leader locator value", func(_ *policyMeaning, v any) bool {
		return slices.Contains([]any{"client-local", "balanced", "random", "least-leaders"}, v)
	}},
	"queue-master-locator": {true, onlyClassic, "master locator", func(_ *policyMeaning, v any) bool {
		return slices.Contains([]any{"client-local", "balanced", "random", "least-leaders", "min-masters"}, v)
	}},
	"initial-cluster-size": {false, onlyStream, "cluster size", atLeast(0)},
	"target-group-size":    {true, onlyQuorum, "qq target count value", atLeast(1)},
	"stream-max-segment-size-bytes": {false, onlyStream, "segment size", func(_ *policyMeaning, v any) bool {
		n, ok := v.(int64)
		return ok && n >= 0 && n <= segmentBytesMax
	}},
	"stream-filter-size-bytes": {false, fitsAnything, "filter size. Valid range is 16-255", func(_ *policyMeaning, v any) bool {
		n, ok := v.(int64)
		return ok && n >= 16 && n <= 255
	}},

	// Of later releases.
	"delayed-retry-type": {false, onlyQuorum, "delayed retry type", func(m *policyMeaning, v any) bool {
		m.retry, _ = v.(string)
		return slices.Contains([]any{"all", "disabled"}, v)
	}},
	"delayed-retry-min": {false, onlyQuorum, "delayed retry minimum", func(m *policyMeaning, v any) bool { return whole(v, 0, &m.BackoffMin) }},
	"delayed-retry-max": {false, onlyQuorum, "delayed retry maximum", func(m *policyMeaning, v any) bool { return whole(v, 0, &m.BackoffMax) }},

	// Those RabbitMQ does not have; see ownArguments.
	"accept-limit": {false, noStream, "number of messages to accept", func(m *policyMeaning, v any) bool { return whole(v, 1, &m.AcceptMax) }},
	"message-deduplication": {false, fitsAnything, "switch of de-duplication", func(m *policyMeaning, v any) bool {
		on, ok := v.(bool)
		if window := int64(dedupMillisDefault); on && m.DedupMillis == nil {
			m.DedupMillis = &window
		}
		return ok
	}},
	"cache-ttl":    {false, fitsAnything, "de-duplication window", func(m *policyMeaning, v any) bool { return whole(v, 0, &m.DedupMillis) }},
	"retain-ms":    {false, noStream, "retention time", func(m *policyMeaning, v any) bool { return whole(v, 0, &m.RetainMillis) }},
	"retain-bytes": {false, noStream, "retention size", func(m *policyMeaning, v any) bool { return whole(v, 0, &m.RetainBytes) }},
	"rate-limit": {false, noStream, "rate limit", func(m *policyMeaning, v any) bool {
		rate, ok := v.(float64)
		if n, integer := v.(int64); integer {
			rate, ok = float64(n), true
		}
		m.RatePerSecond = &rate
		return ok && rate > 0
	}},
}

var overflows = map[string]broker.Overflow{
	"drop-head": broker.OverflowDropHead, "reject-publish": broker.OverflowReject,
	"reject-publish-dlx": broker.OverflowRejectDeadLetter, "block": broker.OverflowBlock,
}

func words(v any, into **string) bool {
	s, ok := v.(string)
	*into = &s
	return ok
}

func whole(v any, least int64, into **int64) bool {
	n, ok := v.(int64)
	*into = &n
	return ok && n >= least
}

func atLeast(least int64) func(*policyMeaning, any) bool {
	return func(_ *policyMeaning, v any) bool {
		n, ok := v.(int64)
		return ok && n >= least
	}
}

// maxAge reads "7D" and the like, in milliseconds.
func maxAge(s string) (int64, bool) {
	units := map[string]int64{"Y": 365 * 86_400, "M": 30 * 86_400, "D": 86_400, "h": 3600, "m": 60, "s": 1}
	digits := strings.TrimRight(s, "YMDhms")
	n, err := strconv.ParseInt(digits, 10, 64)
	unit := units[s[len(digits):]]
	if err != nil || n <= 0 || unit == 0 || digits[0] == '+' || n > math.MaxInt64/1000/unit {
		return 0, false
	}
	return n * unit * 1000, true
}

// PolicyBody is a policy as the management API and definitions spell it. Values
// are those of JSON with whole numbers as int64; nil is not given.
type PolicyBody struct {
	Pattern, Definition, Priority, ApplyTo any
}

// ReadPolicy reads what a policy means into spec, whose names are there. What it
// returns is RabbitMQ's text about everything that is wrong, or nothing.
func ReadPolicy(spec *broker.PolicySpec, b PolicyBody) string {
	var wrong []string
	note := func(bad string) {
		if bad != "" {
			wrong = append(wrong, bad)
		}
	}
	note(readDefinition(spec, b.Definition))
	note(readApplyTo(spec, b.ApplyTo))
	switch pattern, ok := b.Pattern.(string); {
	case !ok:
		note("pattern should be a binary but was " + ErlangTerm(b.Pattern))
	default:
		spec.Pattern = pattern
		if _, err := auth.CompilePattern(pattern); err != nil {
			note("pattern should be regular expression but is invalid: " + strings.TrimPrefix(err.Error(), auth.ErrPattern.Error()+"\n"))
		}
	}
	switch n := b.Priority.(type) {
	case nil:
	case int64:
		spec.Priority = float64(n)
	case float64:
		spec.Priority = n
	default:
		note("priority should be a number, actually was " + ErlangTerm(n))
	}
	if len(wrong) == 0 {
		return ""
	}
	return ValidationFailed(wrong...)
}

// ValidationFailed is how RabbitMQ begins what is wrong with a parameter.
func ValidationFailed(wrong ...string) string {
	return "Validation failed\n\n" + strings.Join(wrong, "\n") + "\n"
}

func readApplyTo(spec *broker.PolicySpec, v any) string {
	text, ok := v.(string)
	class := applyClasses[text]
	switch {
	case v == nil:
		spec.ApplyTo = broker.ApplyToAll
	case ok && class != "":
		spec.ApplyTo = broker.ApplyTo(class)
	case ok && slices.Contains([]broker.ApplyTo{broker.ApplyToAll, broker.ApplyToQueues, broker.ApplyToExchanges}, broker.ApplyTo(text)):
		spec.ApplyTo = broker.ApplyTo(text)
	default:
		return fmt.Sprintf("apply-to '%v' unrecognised; should be one of: 'queues', 'classic_queues',  'quorum_queues', "+
			"'streams', 'exchanges', or 'all'", v)
	}
	return ""
}

func readDefinition(spec *broker.PolicySpec, v any) string {
	definition, ok := v.(map[string]any)
	switch {
	case !ok:
		return "definition must be a dictionary: " + ErlangTerm(v)
	case len(definition) == 0:
		return "no policy provided"
	}
	var m policyMeaning
	var unknown []string
	for _, name := range slices.Sorted(maps.Keys(definition)) {
		k, known := policyKeys[name]
		value := definition[name]
		switch {
		case !known || spec.Operator && !k.operator:
			unknown = append(unknown, "{"+ErlangTerm(name)+","+ErlangTerm(value)+"}")
			continue
		case !k.read(&m, value):
			return ErlangTerm(value) + " is not a valid " + k.bad
		}
		for _, class := range k.unfit {
			if !slices.Contains(spec.Unfit, class) {
				spec.Unfit = append(spec.Unfit, class)
			}
		}
	}
	if len(unknown) > 0 {
		return "[" + strings.Join(unknown, ",") + "] are not recognised policy settings"
	}
	if m.retry != "all" {
		m.BackoffMin, m.BackoffMax = nil, nil
	}
	spec.Definition, spec.Settings, spec.Alternate = definition, m.Settings, m.alternate
	m.stream.LeaseMillis, m.stream.DedupMillis, m.stream.RatePerSecond = m.LeaseMillis, m.DedupMillis, m.RatePerSecond
	spec.ClassSettings = map[string]broker.Settings{stream: m.stream}
	return ""
}

// ErlangTerm is a JSON value as RabbitMQ prints it.
func ErlangTerm(v any) string {
	switch v := v.(type) {
	case string:
		return "<<" + strconv.Quote(v) + ">>"
	case []any:
		items := make([]string, len(v))
		for i := range v {
			items[i] = ErlangTerm(v[i])
		}
		return "[" + strings.Join(items, ",") + "]"
	case map[string]any:
		var items []string
		for _, k := range slices.Sorted(maps.Keys(v)) {
			items = append(items, ErlangTerm(k)+" => "+ErlangTerm(v[k]))
		}
		return "#{" + strings.Join(items, ",") + "}"
	case float64:
		if v == math.Trunc(v) && math.Abs(v) < 1e15 {
			return strconv.FormatFloat(v, 'f', 1, 64)
		}
		mantissa, exponent, _ := strings.Cut(strconv.FormatFloat(v, 'e', -1, 64), "e")
		if n, err := strconv.Atoi(exponent); err == nil && (n > 15 || n < -5) {
			if !strings.Contains(mantissa, ".") {
				mantissa += ".0"
			}
			return mantissa + "e" + strconv.Itoa(n)
		}
		return strconv.FormatFloat(v, 'f', -1, 64)
	case nil:
		return "null"
	}
	return fmt.Sprint(v)
}
