package shard

import (
	"encoding/json"

	"weir/internal/cursor"
	"weir/internal/record"
)

// Config is what a log does with its messages. It is replicated with the log;
// unset fields mean the plain behaviour.
type Config struct {
	Priorities    uint8           `json:"prio,omitempty"` // highest priority; 0 is one lane
	TTL           int64           `json:"ttl,omitempty"`  // ms; -1 none, 0 gone unless taken at once
	HasTTL        bool            `json:"has_ttl,omitempty"`
	MaxLength     int64           `json:"max_len"` // -1 none
	MaxBytes      int64           `json:"max_size"`
	Overflow      cursor.Overflow `json:"overflow,omitempty"`
	DeadLetter    bool            `json:"dead,omitempty"` // rejected and expired messages are kept until stored elsewhere
	SingleActive  bool            `json:"sac,omitempty"`
	DeliveryLimit uint32          `json:"limit,omitempty"`
	NoReturns     bool            `json:"no_returns,omitempty"` // a delivery limit of 0
	BackoffMin    int64           `json:"back_min,omitempty"`
	BackoffMax    int64           `json:"back_max,omitempty"`
	Lease         int64           `json:"lease,omitempty"` // ms
	Dedup         int64           `json:"dedup,omitempty"` // window, ms
	RatePerSecond float64         `json:"rate,omitempty"`
	Retain        int64           `json:"retain,omitempty"`      // ms settled messages are kept; 0 not at all
	RetainBytes   int64           `json:"retain_size,omitempty"` // at most, with Retain

	// AcceptMax is how many messages the log takes in all its life; 0 is no bound.
	// What comes after them is refused, whatever Overflow says.
	AcceptMax int64 `json:"accept,omitempty"`
	// Stream logs keep every message, settled by nobody, until Retain and
	// RetainBytes (0: no bound) let it go; followers read them.
	Stream bool `json:"stream,omitempty"`

	// Source, if not 0, makes the log a view of another one of the shard, which is
	// a stream: it hands out that one's messages from Begin on, or what comes when
	// Begin is negative.
	Source record.LogID `json:"source,omitempty"`
	Begin  int64        `json:"begin,omitempty"`
	// Uncommitted lets a view show what may yet be undone, or was.
	Uncommitted bool `json:"uncommitted,omitempty"`

	encoded []byte // as it came
}

// Encode returns the replicated form.
func (c Config) Encode() []byte {
	b, err := json.Marshal(c)
	if err != nil {
		panic(err) // numbers and booleans always marshal
	}
	return b
}

func decodeConfig(b []byte) (Config, error) {
	c := Config{MaxLength: -1, MaxBytes: -1}
	err := json.Unmarshal(b, &c)
	return c, err
}

// lanes is the number of priority lanes: one per priority, from 0.
func (c *Config) lanes() uint16 { return uint16(c.Priorities) + 1 }

func (c *Config) cursor() cursor.Config {
	burst := 1
	if c.RatePerSecond >= 20 {
		burst = int(c.RatePerSecond / 20) // 50 ms worth, so that timers need not be finer
	}
	return cursor.Config{
		Lanes: c.lanes(), DeliveryLimit: c.DeliveryLimit, NoReturns: c.NoReturns,
		MaxLength: c.MaxLength, MaxBytes: c.MaxBytes, Overflow: c.Overflow,
		SingleActive: c.SingleActive, BackoffMin: c.BackoffMin, BackoffMax: c.BackoffMax,
		RatePerSecond: c.RatePerSecond, RateBurst: burst, LeaseTimeout: c.Lease,
	}
}

// Overflow says what a log at its limit does.
type Overflow = cursor.Overflow
