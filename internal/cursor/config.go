package cursor

// Overflow says what becomes of messages beyond MaxLength or MaxBytes.
type Overflow uint8

// The overflow behaviours. Their numbers are on disk and never change.
const (
	OverflowDropHead         Overflow = 0 // the oldest of the lowest lane go
	OverflowReject           Overflow = 1 // the publisher is told no
	OverflowRejectDeadLetter Overflow = 2 // as Reject, and the refused message is dead-lettered
	OverflowBlock            Overflow = 3 // the publisher waits for room
)

// Attributes is what the cursor needs to know of a message.
type Attributes struct {
	Priority uint8
	Expiry   int64 // unix milliseconds; 0 is never
	Due      int64 // not ready before, unix milliseconds; 0 is at once
	Bytes    uint32
}

// Config is the policy of one queue.
type Config struct {
	// Lanes is the number of priority lanes; 0 and 1 are one. A message goes to
	// lane min(priority, Lanes-1), and higher lanes go first.
	Lanes uint16
	// DeliveryLimit is how many counted releases a message survives; 0 is any
	// number.
	DeliveryLimit uint32
	// NoReturns lets a message survive no counted release at all.
	NoReturns bool
	// MaxLength and MaxBytes bound the ready messages; -1 is no bound.
	MaxLength, MaxBytes int64
	Overflow            Overflow
	// SingleActive lets one consumer at a time have messages.
	SingleActive bool
	// A released message waits BackoffMin milliseconds times its delivery count,
	// at most BackoffMax; 0 for BackoffMin is no wait, for BackoffMax no cap.
	BackoffMin, BackoffMax int64
	// RatePerSecond bounds deliveries by a token bucket of RateBurst tokens, at
	// least one; 0 is no bound.
	RatePerSecond float64
	RateBurst     int
	// LeaseTimeout is the age in milliseconds at which a lease is returned; 0 is
	// never.
	LeaseTimeout int64
}

// Counts is a look at a queue.
type Counts struct {
	Ready, Leased, Delayed, Held, Dead, Unsettled uint64
	// ReadyBytes is exact where MaxBytes is set and Bytes in proportion
	// otherwise. Bytes is of the unsettled messages.
	ReadyBytes, Bytes int64
	// Consumers does not count those that only pull.
	Consumers int
}
