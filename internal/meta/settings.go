package meta

import "reflect"

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
	TTLMillis     *int64      `json:"ttl,omitempty"`      // per message
	ExpiresMillis *int64      `json:"expires,omitempty"`  // the queue itself, when unused
	MaxLength     *int64      `json:"max_len,omitempty"`  // ready messages
	MaxBytes      *int64      `json:"max_size,omitempty"` // of their bodies
	Overflow      *Overflow   `json:"overflow,omitempty"`
	DeadLetterTo  *string     `json:"dlx,omitempty"` // exchange
	DeadLetterKey *string     `json:"dlk,omitempty"`
	MaxPriority   *uint8      `json:"prio,omitempty"`
	SingleActive  *bool       `json:"sac,omitempty"`
	DeliveryLimit *int64      `json:"limit,omitempty"`    // negative: none
	BackoffMin    *int64      `json:"back_min,omitempty"` // ms before a redelivery, times the count
	BackoffMax    *int64      `json:"back_max,omitempty"`
	LeaseMillis   *int64      `json:"lease,omitempty"` // after it a message is given to another
	DedupMillis   *int64      `json:"dedup,omitempty"` // de-duplication window
	RatePerSecond *float64    `json:"rate,omitempty"`  // delivery-rate limit
	RetainMillis  *int64      `json:"retain,omitempty"`
	RetainBytes   *int64      `json:"retain_size,omitempty"`
	AcceptMax     *int64      `json:"accept,omitempty"`      // messages the queue takes in all its life
	Uncommitted   *bool       `json:"uncommitted,omitempty"` // a view shows what may yet be undone
	Stream        *bool       `json:"stream,omitempty"`      // nobody settles its messages; they are read by offset
	Compact       *Compaction `json:"compact,omitempty"`     // of a topic
	MessageBytes  *int64      `json:"max_message,omitempty"` // of a topic: the largest message that others than its own dialect may add
	DeadTopic     *string     `json:"dead_topic,omitempty"`  // of a group that reads together: what it gives up goes to this topic
	DeadWhole     *bool       `json:"dead_whole,omitempty"`  // with key and value, not only where it stood
	TakesDead     *bool       `json:"takes_dead,omitempty"`  // of a topic: groups may send there what they give up
}

// Compaction keeps the last message of every key and lets those before it go.
type Compaction struct {
	LagMin          int64   `json:"lag_min,omitempty"`   // ms in which a message is left alone
	LagMax          int64   `json:"lag_max,omitempty"`   // ms after which it is looked at whatever DirtyRatio says; 0 never
	TombstoneMillis int64   `json:"tombstone,omitempty"` // how long a message without a value stays after that
	DirtyRatio      float64 `json:"dirty,omitempty"`     // part of the bytes not looked at yet that makes it worth while
	TailBytes       int64   `json:"tail_size,omitempty"` // what may stay in memory, where nothing is compacted
	TailMillis      int64   `json:"tail_age,omitempty"`  // likewise
}

// Shares says whether these settings of a group that reads together are other's.
func (s *Settings) Shares(other *Settings) bool { return reflect.DeepEqual(s, other) }

// with returns the declared settings s with those of a policy. Of two limits the
// lower one counts; of values that cannot be compared, the declared one, or the
// policy's where policyFirst says so.
func (s Settings) with(policy *Settings, policyFirst bool) Settings {
	low, high := s, *policy
	s.fill(policy)
	if policyFirst {
		set(&s.Overflow, high.Overflow)
		set(&s.RetainMillis, high.RetainMillis)
		set(&s.RetainBytes, high.RetainBytes)
	}
	s.lower(&low, &high)
	return s
}

// capped returns a policy's settings s under an operator's: the lower of two
// limits, and the operator's value of what cannot be compared.
func (s Settings) capped(operator *Settings) Settings {
	policy := s
	s = *operator
	s.fill(&policy)
	s.lower(&policy, operator)
	return s
}

// filled returns s with defaults where it says nothing.
func (s Settings) filled(defaults *Settings) Settings {
	s.fill(defaults)
	return s
}

// lower sets every limit that both a and b have to the lower one.
func (s *Settings) lower(a, b *Settings) {
	s.TTLMillis = lowerLimit(a.TTLMillis, b.TTLMillis)
	s.ExpiresMillis = lowerLimit(a.ExpiresMillis, b.ExpiresMillis)
	s.MaxLength = lowerLimit(a.MaxLength, b.MaxLength)
	s.MaxBytes = lowerLimit(a.MaxBytes, b.MaxBytes)
	s.DeliveryLimit = lowerLimit(a.DeliveryLimit, b.DeliveryLimit)
	s.LeaseMillis = lowerLimit(a.LeaseMillis, b.LeaseMillis)
}

// lowerLimit returns the lower of two limits; a negative one is none.
func lowerLimit(a, b *int64) *int64 {
	switch {
	case a == nil:
		return b
	case b == nil:
		return a
	case *a < 0 || *b < 0:
		if *a > *b {
			return a
		}
		return b
	case *a < *b:
		return a
	}
	return b
}

// fill takes over from other what s says nothing about.
func (s *Settings) fill(other *Settings) {
	unset(&s.TTLMillis, other.TTLMillis)
	unset(&s.ExpiresMillis, other.ExpiresMillis)
	unset(&s.MaxLength, other.MaxLength)
	unset(&s.MaxBytes, other.MaxBytes)
	unset(&s.Overflow, other.Overflow)
	unset(&s.DeadLetterTo, other.DeadLetterTo)
	unset(&s.DeadLetterKey, other.DeadLetterKey)
	unset(&s.MaxPriority, other.MaxPriority)
	unset(&s.SingleActive, other.SingleActive)
	unset(&s.DeliveryLimit, other.DeliveryLimit)
	unset(&s.BackoffMin, other.BackoffMin)
	unset(&s.BackoffMax, other.BackoffMax)
	unset(&s.LeaseMillis, other.LeaseMillis)
	unset(&s.DedupMillis, other.DedupMillis)
	unset(&s.RatePerSecond, other.RatePerSecond)
	unset(&s.RetainMillis, other.RetainMillis)
	unset(&s.RetainBytes, other.RetainBytes)
	unset(&s.AcceptMax, other.AcceptMax)
}

func unset[T any](to **T, from *T) {
	if *to == nil {
		*to = from
	}
}

func set[T any](to **T, from *T) {
	if from != nil {
		*to = from
	}
}
