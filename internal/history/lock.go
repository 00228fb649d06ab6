package history

import (
	"fmt"

	"github.com/anishathalye/porcupine"
)

// LockInput is a question about a lock by one of its users, numbered from 0.
type LockInput struct {
	Lock    string
	User    int
	Release bool // otherwise it is tried
}

func (i LockInput) object() string { return i.Lock }

// LockOutput says whether a try succeeded.
type LockOutput struct{ Held bool }

// nobody holds the lock.
const nobody = -1

// Lock returns the model of a lock that is tried and not waited for.
func Lock() Model {
	return porcupine.Model{
		PartitionEvent: byObject,
		Init:           func() any { return nobody },
		Step: func(state, input, output any) (bool, any) {
			holder, in := state.(int), input.(LockInput)
			if in.Release {
				return holder == in.User, nobody
			}
			out, _ := output.(LockOutput)
			if !out.Held {
				return holder != nobody, holder
			}
			return holder == nobody, in.User
		},
		DescribeOperation: func(input, output any) string {
			in := input.(LockInput)
			if in.Release {
				return fmt.Sprint("release by ", in.User)
			}
			return fmt.Sprintf("try by %d: %+v", in.User, output)
		},
	}
}
