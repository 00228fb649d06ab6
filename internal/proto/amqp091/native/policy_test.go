package native_test

import (
	"encoding/json"
	"strings"
	"testing"

	"weir/internal/broker"
	"weir/internal/frugal"
	"weir/internal/proto/amqp091/native"
)

// FuzzReadPolicy reads whatever JSON says; what it takes has a meaning, and what it
// does not take has a reason.
func FuzzReadPolicy(f *testing.F) {
	for _, seed := range []string{
		`{"max-length":5,"overflow":"drop-head"}`, `{"max-age":"7D"}`, `{"rate-limit":0.5,"x":[{}]}`, `{"delivery-limit":-1}`, `5`, `[]`,
	} {
		f.Add([]byte(seed), "^q", "queues", false)
	}
	f.Add([]byte(`{"max-length":5}`), "^"+strings.Repeat("x{1000}", 200), "queues", false)
	f.Fuzz(func(t *testing.T, definition []byte, pattern, applyTo string, operator bool) {
		frugal.CheckPattern(t, len(definition)+len(pattern)+len(applyTo), len(pattern), func() { readPolicy(t, definition, pattern, applyTo, operator) })
	})
}

func readPolicy(t *testing.T, definition []byte, pattern, applyTo string, operator bool) {
	var v any
	d := json.NewDecoder(strings.NewReader(string(definition)))
	d.UseNumber()
	if d.Decode(&v) != nil {
		return
	}
	spec := broker.PolicySpec{Namespace: "/", Name: "p", Operator: operator}
	bad := native.ReadPolicy(&spec, native.PolicyBody{Pattern: pattern, ApplyTo: applyTo, Definition: broker.WholeNumbers(v)})
	if bad == "" && len(spec.Definition) == 0 {
		t.Fatalf("%s means nothing", definition)
	}
	if bad != "" && !strings.HasPrefix(bad, "Validation failed\n\n") {
		t.Fatalf("%s: %q", definition, bad)
	}
	if max := spec.Settings.MaxLength; bad == "" && max != nil && *max < 0 {
		t.Fatalf("%s: max-length %d", definition, *max)
	}
}
