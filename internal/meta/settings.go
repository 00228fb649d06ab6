package meta

// Overflow says what a queue at its limit does.
type Overflow uint8

// The overflow behaviours. Their numbers are on disk.
const (
	OverflowDropHead         Overflow = 0
	OverflowReject           Overflow = 1
	OverflowRejectDeadLetter Overflow = 2
	OverflowBlock            Overflow = 3
)

// Settings are what a queue does with its messages. Pointers are nil where the
// declarer said nothing, so that a policy can fill them.
type Settings struct {
	TTLMillis     *int64    `json:"ttl,omitempty"`      // per message
	ExpiresMillis *int64    `json:"expires,omitempty"`  // the queue itself, when unused
	MaxLength     *int64    `json:"max_len,omitempty"`  // ready messages
	MaxBytes      *int64    `json:"max_size,omitempty"` // of their bodies
	Overflow      *Overflow `json:"overflow,omitempty"`
	DeadLetterTo  *string   `json:"dlx,omitempty"` // exchange
	DeadLetterKey *string   `json:"dlk,omitempty"`
	MaxPriority   *uint8    `json:"prio,omitempty"`
	SingleActive  *bool     `json:"sac,omitempty"`
	DeliveryLimit *int64    `json:"limit,omitempty"`
	BackoffMin    *int64    `json:"back_min,omitempty"` // ms before a redelivery, times the count
	BackoffMax    *int64    `json:"back_max,omitempty"`
	LeaseMillis   *int64    `json:"lease,omitempty"` // after it a message is given to another
	DedupMillis   *int64    `json:"dedup,omitempty"` // de-duplication window
	RatePerSecond *float64  `json:"rate,omitempty"`  // delivery-rate limit
	RetainMillis  *int64    `json:"retain,omitempty"`
	RetainBytes   *int64    `json:"retain_size,omitempty"`
}
