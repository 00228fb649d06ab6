package admin

import (
	"encoding/json"
	"fmt"
	"strings"

	"weir/internal/broker"
	"weir/internal/proto/amqp091/codec"
)

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
	broker.WholeNumbers(raw)
	*a = raw
	return nil
}

// encodeTable encodes arguments or headers the way a client of the dialect would.
func encodeTable(m map[string]any) (codec.Table, *failure) {
	if !encodable(m, codec.TableDepthMax) {
		return nil, badRequest("headers or arguments are too deep, or the name of one is longer than 255 bytes")
	}
	t := codec.AppendMap(nil, m)
	if codec.CheckTable(t) != nil {
		return nil, badRequest("too many headers or arguments")
	}
	return t, nil
}

// encodable says whether a value fits the dialect's tables. It goes down as far
// as those may be deep, no further.
func encodable(v any, depth int) bool {
	switch v := v.(type) {
	case map[string]any:
		for name, inner := range v {
			if depth == 0 || len(name) > shortBytesMax || !encodable(inner, depth-1) {
				return false
			}
		}
	case []any:
		for _, inner := range v {
			if depth == 0 || !encodable(inner, depth-1) {
				return false
			}
		}
	}
	return true
}
