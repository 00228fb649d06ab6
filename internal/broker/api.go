package broker

import (
	"net/netip"

	"weir/internal/meta"
	"weir/internal/record"
	"weir/internal/route"
	"weir/internal/shard"
)

// Principal is an authenticated user.
type Principal struct {
	User string
	Tags []string
}

// SessionOptions describe the connection a session serves.
type SessionOptions struct {
	Namespace  string
	Dialect    string // for listings: "AMQP 0-9-1"
	Name       string // unique for listings: "127.0.0.1:5123 -> 127.0.0.1:5672"
	Remote     netip.AddrPort
	Properties map[string]any // what the client said of itself
	// WindowBytes bounds the bytes delivered and not yet reported by Sent.
	// 0 takes the default of 4 MiB.
	WindowBytes int64
	// Pressure is called when publishers should stop (true) or may go on.
	// It runs on an engine goroutine and must not block.
	Pressure func(blocked bool, reason string)
	// Uncounted sessions count against no limit of sessions.
	Uncounted bool
	// Managing sessions are an administrator's, who needs no rights in the
	// namespace for what he does through them.
	Managing bool
	// Kill is called when an administrator closes the connection.
	Kill func(reason string)
	// Describer tells more of the session in listings; nil tells nothing.
	Describer Describer
}

// Settings are what a queue does with its messages; see package meta.
type Settings = meta.Settings

// Compaction keeps the last message of every key of a topic; see package meta.
type Compaction = meta.Compaction

// Overflow says what a queue at its limit does.
type Overflow = meta.Overflow

// The overflow behaviours.
const (
	OverflowDropHead         = meta.OverflowDropHead
	OverflowReject           = meta.OverflowReject
	OverflowRejectDeadLetter = meta.OverflowRejectDeadLetter
	OverflowBlock            = meta.OverflowBlock
)

// WholeNumbers makes int64 and float64 of the json.Numbers in v, at any depth: the
// values that Arguments hold.
func WholeNumbers(v any) any { return meta.WholeNumbers(v) }

// QueueSpec declares a queue.
type QueueSpec struct {
	Name       string
	Passive    bool // check that it exists and may be used; nothing else is compared
	Durable    bool
	Exclusive  bool // to this session, deleted with it
	AutoDelete bool // deleted when its last consumer has gone
	Settings   Settings
	// Class is the dialect's name for queues like this one, which policies may
	// select by, and Defaults are what holds where neither the declaration nor a
	// policy says anything. PolicyFirst lets a policy go before the declaration
	// where both have a value and neither is the lower limit.
	Class       string
	Defaults    *Settings
	PolicyFirst bool
	// Begin is where a new view over a topic begins; nil is with what comes.
	Begin *Position
	// Arguments are the declaration as the dialect spelled it, kept for listings
	// and for Check. Values: nil, bool, int64, float64, string, []any, map[string]any.
	Arguments map[string]any
	// Invalid is what is wrong with the declaration. It is the answer where the
	// queue does not exist.
	Invalid *Error
	// Check compares Arguments where the queue exists already (not for Passive).
	Check func(existing map[string]any) *Error
}

// QueueInfo is a queue and its counts at one moment.
type QueueInfo struct {
	Namespace, Name                string
	Durable, Exclusive, AutoDelete bool
	Owner                          string // session name of an exclusive queue
	Arguments                      map[string]any
	Policy, OperatorPolicy         string         // names of those that apply
	Definition                     map[string]any // of both together; nil without one
	Class                          string         // see QueueSpec
	Views                          string         // the topic it is a view over; "" of others
	Retains                        bool           // keeps messages beyond their settlement
	Log                            record.LogID
	Ready, Unsettled, Total        uint64 // Unsettled: handed out, not settled
	ReadyBytes, Bytes              int64
	Consumers                      int
	ActiveConsumer                 string
	Published, Delivered, Acked    uint64
	Redelivered                    uint64
}

// ExchangeSpec declares an exchange.
type ExchangeSpec struct {
	Name       string
	Passive    bool
	Kind       string // "direct", "fanout", "topic", "headers", "x-consistent-hash", …
	Durable    bool
	AutoDelete bool // deleted when its last binding has gone
	Internal   bool // no publishes from clients
	Alternate  *string
	HashBy     route.HashBy // what a hash exchange looks at
	// Remember is how many of the last messages the exchange keeps, for queues and
	// exchanges that are bound to it later; 0 is none.
	Remember  int64
	Arguments map[string]any
	// Invalid is what is wrong with the declaration. It is the answer where the
	// exchange does not exist.
	Invalid *Error
	Check   func(existing map[string]any) *Error
}

// ExchangeInfo is an exchange as listed.
type ExchangeInfo struct {
	Namespace, Name, Kind         string
	Durable, AutoDelete, Internal bool
	Arguments                     map[string]any
	Policy, OperatorPolicy        string
	Definition                    map[string]any // of both together; nil without one
}

// BindingSpec binds a queue or an exchange to a source exchange.
type BindingSpec struct {
	Source      string
	Destination string
	ToExchange  bool
	Key         string
	Arguments   map[string]any
	// Match is how a headers exchange compares Arguments, all of which but
	// "x-match" are headers.
	Match route.MatchMode
}

// DeleteOptions guard a delete.
type DeleteOptions struct {
	IfUnused, IfEmpty bool
}

// Outgoing is one message to publish. Slices are only read during Publish.
type Outgoing struct {
	Exchange string
	Key      []byte
	Dialect  record.Dialect
	Priority uint8
	TTL      int64 // ms; -1 none, and so is what is beyond 285,000 years
	Delay    int64 // ms; 0 none, 285,000 years at most
	Dedup    record.DedupID
	Message  route.Message // headers for those exchanges that look; may be nil
	// Forget keeps the message out of what exchanges remember.
	Forget bool
	// Order, if not nil, is what the order of messages is kept by in a topic, in the
	// place of Key: those alike go to the same partition.
	Order []byte
	// ExtraKeys are further routing keys the message is published with.
	ExtraKeys []string
	// Native is the message in its dialect, in up to three parts.
	Native [3][]byte
}

// Refusal is one message of a Completion that was not stored everywhere.
type Refusal struct {
	Sequence uint64
	Code     Code
}

// Completion reports a contiguous run of a publisher's messages as durable,
// except for those refused. Completions come in order and without gaps.
type Completion struct {
	First, Last uint64
	Refused     []Refusal // ascending; nil when all are stored
}

// Delivery is one message handed to a consumer.
type Delivery = shard.Delivery

// Sink receives what an attachment is given. Its methods run on engine
// goroutines, never block and never fail. The slice is reused after the call.
type Sink interface {
	Deliver(a *Attachment, ds []Delivery)
	// Detached says that the broker ended the attachment; nothing follows.
	Detached(a *Attachment, cause *Error)
}

// AttachOptions attach a consumer to a queue.
type AttachOptions struct {
	Queue      string
	Tag        string // for listings
	Exclusive  bool
	Priority   int32
	AutoSettle bool // settled by being delivered; credit is then only the byte window
	Credit     int64
	// LeaseMillis, when not 0, is how long this consumer may keep a message before
	// it is given to another. The queue's own limit holds as well.
	LeaseMillis int64
	// Pool, when not nil, bounds the leases of all attachments that share it.
	Pool     *CreditPool
	Part     uint32 // for listings: of the session, 0 the session itself
	Prefetch uint32 // for listings; 0 is unlimited
	// From, when not nil, makes the attachment follow the queue from there: it is
	// handed every message that is kept, in order, and takes none from anybody.
	// Settle does nothing then, Credit counts messages still to be handed over. A
	// stream can only be followed; without From it is from its end.
	From *Position
	// Accept picks the messages a following attachment is handed; nil takes all.
	// It runs on an engine goroutine and must be quick.
	Accept    func(rec []byte) bool
	Arguments map[string]any
}

// Outcome is what a consumer decided about a message.
type Outcome uint8

// The outcomes.
const (
	Accept  Outcome = iota // done
	Release                // give it to somebody again, counted as a delivery
	Return                 // give it back untouched: it was never looked at
	Reject                 // dead-letter it, or drop it where there is nowhere to
	Renew                  // keep it, and for another full lease
)

// Pulled is the answer to a Pull.
type Pulled struct {
	Attachment *Attachment // settles the delivery
	Delivery   Delivery
	Ready      uint64 // messages left
}
