package history

import (
	"encoding/binary"
	"fmt"

	"github.com/anishathalye/porcupine"
)

// QueueOp is what a client does with a queue.
type QueueOp uint8

// The operations on a queue.
const (
	Put     QueueOp = iota // a message, until it is confirmed
	Take                   // the first message that is ready, which is leased then
	Done                   // with a leased message: it is gone
	Back                   // a leased message returns to its place
	Restart                // of the broker: all leases are over
)

// QueueInput is a question to a queue.
type QueueInput struct {
	Queue   string // "" with Restart only
	Op      QueueOp
	Message uint32 // of Put, Done and Back; no number is put twice
}

func (i QueueInput) object() string { return i.Queue }

// QueueOutput is the answer to Take.
type QueueOutput struct {
	Message     uint32
	Empty       bool // there was nothing to take
	Redelivered bool // it may have been handed out before
	late        bool // told after the crash, in which case it may not have happened
}

// The state of a queue is a text of its messages in their order, five bytes each:
// the number and what it is. Texts can be compared.
const (
	messageBytes = 5

	ready     byte = 0
	leased    byte = 1
	handedOut byte = 2 // a flag beside ready or leased: it was given to somebody
)

// Queue returns the model of queues that hand out messages in the order they came,
// return them to where they were, and forget leases, but no message, in a restart.
func Queue() Model {
	return porcupine.Model{
		PartitionEvent: byObject,
		Init:           func() any { return "" },
		Step: func(state, input, output any) (bool, any) {
			return queueStep(state.(string), input.(QueueInput), output)
		},
		DescribeOperation: describeQueue,
		DescribeState: func(state any) string {
			s, text := state.(string), ""
			for at := 0; at < len(s); at += messageBytes {
				text += fmt.Sprintf("%d%s ", number(s, at), []string{"", " leased", " returned", " leased again"}[s[at+4]&3])
			}
			return text
		},
	}
}

func number(state string, at int) uint32 { return binary.BigEndian.Uint32([]byte(state[at : at+4])) }

func queueStep(s string, in QueueInput, output any) (bool, any) {
	switch in.Op {
	case Put:
		if find(s, in.Message) >= 0 {
			return false, s
		}
		return true, s + string(binary.BigEndian.AppendUint32(nil, in.Message)) + string(ready)
	case Take:
		out, _ := output.(QueueOutput)
		return takeStep(s, out)
	case Done, Back:
		at := find(s, in.Message)
		if at < 0 || s[at+4]&leased == 0 {
			return false, s
		}
		if in.Op == Done {
			return true, s[:at] + s[at+messageBytes:]
		}
		return true, s[:at+4] + string(ready|handedOut) + s[at+messageBytes:]
	case Restart:
		b := []byte(s)
		for at := 4; at < len(b); at += messageBytes {
			b[at] &^= leased
		}
		return true, string(b)
	}
	return false, s
}

func takeStep(s string, out QueueOutput) (bool, any) {
	for at := 0; at < len(s); at += messageBytes {
		if s[at+4]&leased != 0 {
			continue
		}
		if out.Empty || number(s, at) != out.Message || s[at+4]&handedOut != 0 && !out.Redelivered {
			return false, s
		}
		now := s[at+4] | leased
		if !out.late {
			now |= handedOut
		}
		return true, s[:at+4] + string(now) + s[at+messageBytes:]
	}
	return out.Empty, s
}

// find returns where a message stands in a state, or -1.
func find(s string, message uint32) int {
	for at := 0; at < len(s); at += messageBytes {
		if number(s, at) == message {
			return at
		}
	}
	return -1
}

func describeQueue(input, output any) string {
	in := input.(QueueInput)
	switch in.Op {
	case Put:
		return fmt.Sprint("put ", in.Message)
	case Take:
		out, told := output.(QueueOutput)
		switch {
		case !told:
			return "take: no answer"
		case out.Empty:
			return "take: empty"
		case out.Redelivered:
			return fmt.Sprint("take: ", out.Message, " again")
		}
		return fmt.Sprint("take: ", out.Message)
	case Done:
		return fmt.Sprint("done ", in.Message)
	case Back:
		return fmt.Sprint("back ", in.Message)
	case Restart:
	}
	return "restart"
}
