package config

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Kind is a type of values, numbered as Kafka does.
type Kind int8

// The kinds.
const (
	Boolean Kind = 1
	String  Kind = 2
	Int     Kind = 3
	Long    Kind = 5
	Double  Kind = 6
	List    Kind = 7
)

var kindNames = map[Kind]string{Int: "INT", Long: "LONG", Double: "DOUBLE"}

// Key is one setting.
type Key struct {
	Name    string
	Kind    Kind
	Default string
	Server  string // the setting of the server it is taken from; may be empty
	Doc     string
	min     float64 // of a number that bounded says has one
	max     float64 // 0 is none
	bounded bool
	oneOf   []string // of a text or list; nil is any

	replicas bool // a list of copies
}

// replica names a copy: its partition and its node.
var replica = regexp.MustCompile(`^[0-9]+:[0-9]+$`)

// invalid has Kafka's words.
func (k *Key) invalid(value, why string) error {
	return fmt.Errorf("Invalid value %s for configuration %s: %s", value, k.Name, why) //nolint:staticcheck // Kafka's words
}

// check says what is wrong with a value.
func (k *Key) check(value string) error {
	value = strings.TrimSpace(value)
	switch k.Kind {
	case Boolean:
		if !strings.EqualFold(value, "true") && !strings.EqualFold(value, "false") {
			return k.invalid(value, "Expected value to be either true or false")
		}
	case Int, Long, Double:
		return k.checkNumber(value)
	case String:
		if k.oneOf != nil && !slices.Contains(k.oneOf, value) {
			return k.invalid(value, "String must be one of: "+strings.Join(k.oneOf, ", "))
		}
	case List:
		return k.checkList(value)
	}
	return nil
}

func (k *Key) checkNumber(value string) error {
	bits := 64
	if k.Kind == Int {
		bits = 32
	}
	var n float64
	if k.Kind == Double {
		x, err := strconv.ParseFloat(value, 64)
		if err != nil || x != x {
			return k.invalid(value, "Not a number of type DOUBLE")
		}
		n = x
	} else {
		x, err := strconv.ParseInt(value, 10, bits)
		if err != nil {
			return k.invalid(value, "Not a number of type "+kindNames[k.Kind])
		}
		n = float64(x)
	}
	switch {
	case k.bounded && n < k.min:
		return k.invalid(value, fmt.Sprintf("Value must be at least %s", number(k.min)))
	case k.bounded && k.max != 0 && n > k.max:
		return k.invalid(value, fmt.Sprintf("Value must be no more than %s", number(k.max)))
	}
	return nil
}

func number(n float64) string { return strconv.FormatFloat(n, 'f', -1, 64) }

func (k *Key) checkList(value string) error {
	for _, v := range Split(value) {
		switch {
		case v == "":
			return k.invalid(value, "Configuration '"+k.Name+"' values must not be empty.")
		case k.oneOf != nil && !slices.Contains(k.oneOf, v):
			return k.invalid(v, "String must be one of: "+strings.Join(k.oneOf, ", "))
		case k.replicas && !replica.MatchString(v) && (v != "*" || strings.TrimSpace(value) != "*"):
			return k.invalid("["+value+"]", k.Name+" must be the literal '*' or a list of replicas in the following format: [partitionId]:[brokerId],[partitionId]:[brokerId],...")
		}
	}
	return nil
}

// Split takes a list apart.
func Split(value string) []string {
	if strings.TrimSpace(value) == "" {
		return nil
	}
	parts := strings.Split(value, ",")
	for i := range parts {
		parts[i] = strings.TrimSpace(parts[i])
	}
	return parts
}
