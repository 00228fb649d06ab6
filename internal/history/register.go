package history

import (
	"fmt"

	"github.com/anishathalye/porcupine"
)

// RegisterOp is what a client does with a register.
type RegisterOp uint8

// The operations on a register.
const (
	Write RegisterOp = iota // a value
	Load                    // the value
	Swap                    // a value for another, if that is the one
	Next                    // makes the value one more, and says which it is then
)

// RegisterInput is a question to a register.
type RegisterInput struct {
	Register string
	Op       RegisterOp
	Value    int64 // of Write and Swap
	Expected int64 // of Swap
}

func (i RegisterInput) object() string { return i.Register }

// RegisterOutput is the answer of a register.
type RegisterOutput struct {
	Value   int64 // of Load and Next
	Swapped bool  // of Swap
}

// Register returns the model of values that are written as a whole: a position,
// a number that only grows. They begin with initial.
func Register(initial int64) Model {
	return porcupine.Model{
		PartitionEvent: byObject,
		Init:           func() any { return initial },
		Step: func(state, input, output any) (bool, any) {
			return registerStep(state.(int64), input.(RegisterInput), output)
		},
		DescribeOperation: func(input, output any) string {
			in := input.(RegisterInput)
			name := []string{"write", "load", "swap", "next"}[in.Op]
			return fmt.Sprintf("%s %d %d: %+v", name, in.Expected, in.Value, output)
		},
	}
}

func registerStep(s int64, in RegisterInput, output any) (bool, any) {
	out, _ := output.(RegisterOutput)
	switch in.Op {
	case Write:
		return true, in.Value
	case Load:
		return out.Value == s, s
	case Swap:
		if out.Swapped != (s == in.Expected) {
			return false, s
		}
		if out.Swapped {
			return true, in.Value
		}
		return true, s
	case Next:
		return out.Value == s+1, s + 1
	}
	return false, s
}
