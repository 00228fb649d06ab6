package meta

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"weir/internal/route"
)

// Arguments are a declaration's arguments as the dialect spelled them. Values
// are nil, bool, int64, float64, string, []any and map[string]any.
type Arguments map[string]any

// UnmarshalJSON keeps whole numbers int64, which plain JSON decoding would not.
func (a *Arguments) UnmarshalJSON(b []byte) error {
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	var raw map[string]any
	if err := d.Decode(&raw); err != nil {
		return fmt.Errorf("arguments: %w", err)
	}
	for k, v := range raw {
		raw[k] = WholeNumbers(v)
	}
	*a = raw
	return nil
}

// WholeNumbers makes int64 and float64 of the json.Numbers in v, at any depth.
func WholeNumbers(v any) any {
	switch v := v.(type) {
	case json.Number:
		if !strings.ContainsAny(v.String(), ".eE") {
			if n, err := strconv.ParseInt(v.String(), 10, 64); err == nil {
				return n
			}
		}
		f, err := v.Float64()
		if err != nil {
			return v.String()
		}
		return f
	case []any:
		for i := range v {
			v[i] = WholeNumbers(v[i])
		}
	case map[string]any:
		for k := range v {
			v[k] = WholeNumbers(v[k])
		}
	}
	return v
}

// canonical is a text that is equal exactly for equal arguments.
func (a Arguments) canonical() string {
	if len(a) == 0 {
		return ""
	}
	b, err := json.Marshal(a) // map keys come sorted
	if err != nil {
		return fmt.Sprint(map[string]any(a))
	}
	return string(b)
}

// headerValue is an argument as a headers exchange compares it.
func headerValue(v any) route.Value {
	switch v := v.(type) {
	case nil:
		return route.Nil()
	case bool:
		return route.Bool(v)
	case int64:
		return route.Int(v)
	case float64:
		return route.Float(v)
	case string:
		return route.Text(v)
	}
	return route.Opaque(fmt.Sprint(v))
}
