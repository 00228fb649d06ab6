package history

import (
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/anishathalye/porcupine"
)

// LogOp is what a client does with a log.
type LogOp uint8

// The operations on a log.
const (
	Append LogOp = iota // messages, until they are acknowledged with their place
	Read                // from a place
	End                 // of what can be read
)

// LogInput is a question to a log.
type LogInput struct {
	Log     string
	Op      LogOp
	Message uint32 // of Append; no number is appended twice
	Count   int    // of Append: how many places it takes
	From    int64  // of Read
}

func (i LogInput) object() string { return i.Log }

// LogOutput is the answer of a log.
type LogOutput struct {
	// First is where Append put the first message, and the end of the log that Read
	// and End were told.
	First    int64
	Messages []uint32 // Read: the number at each place
}

// placeBytes is a place of a log in the text that is its state.
const placeBytes = 4

// Log returns the model of logs whose places are dense, are never given twice,
// and can be read by everybody once one client knows of them.
func Log() Model {
	return porcupine.Model{
		PartitionEvent:    byObject,
		Init:              func() any { return "" },
		Step:              func(state, input, output any) (bool, any) { return logStep(state.(string), input.(LogInput), output) },
		DescribeOperation: describeLog,
		DescribeState:     func(state any) string { return fmt.Sprint(numbers(state.(string))) },
	}
}

func logStep(s string, in LogInput, output any) (bool, any) {
	out, _ := output.(LogOutput)
	end := int64(len(s) / placeBytes)
	switch in.Op {
	case Append:
		if out.First != end {
			return false, s
		}
		b := []byte(s)
		for range in.Count {
			b = binary.BigEndian.AppendUint32(b, in.Message)
		}
		return true, string(b)
	case Read:
		last := in.From + int64(len(out.Messages))
		if out.First != end || in.From < 0 || last > end {
			return false, s
		}
		return slices.Equal(numbers(s[in.From*placeBytes:last*placeBytes]), out.Messages), s
	case End:
		return out.First == end, s
	}
	return false, s
}

func numbers(s string) []uint32 {
	var all []uint32
	for at := 0; at < len(s); at += placeBytes {
		all = append(all, number(s, at))
	}
	return all
}

func describeLog(input, output any) string {
	in, text := input.(LogInput), "no answer"
	if out, told := output.(LogOutput); told {
		text = fmt.Sprint(out.First, " ", out.Messages)
	}
	switch in.Op {
	case Append:
		return fmt.Sprintf("append %d × %d: %s", in.Message, in.Count, text)
	case Read:
		return fmt.Sprintf("read from %d: %s", in.From, text)
	case End:
	}
	return "end: " + text
}
