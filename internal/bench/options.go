package bench

import (
	"errors"
	"slices"
	"time"
)

// Options say what to run.
type Options struct {
	URL       string
	Queues    int    // named Prefix-N
	Prefix    string // of queue names
	Producers int
	Consumers int
	Size      int // body bytes, at least payloadBytes
	Confirms  int // confirms outstanding per producer; 0: no confirm mode
	Prefetch  int // per consumer; 0: no acks
	AckEvery  int // acknowledge with multiple after so many
	Rate      float64
	Duration  time.Duration
	Warmup    time.Duration
	Messages  int64 // in all; 0: until Duration has passed
	Type      string
	Transient bool // queues and messages
	Keep      bool // leave the queues and what is in them
	// ExchangeType (direct, topic or headers) puts an exchange in between, with
	// Bindings bindings, at least one for each queue. Producers go through them:
	// every message matches one.
	ExchangeType string
	Bindings     int
	// Priorities gives queues so many and messages each of them in turn.
	Priorities int
	// Backlog is published before consumers are attached.
	Backlog int64
	// DeadLetter (reject or overflow) sends every message on to a dead-letter queue,
	// where the consumers are. Overflowing queues keep their last 1000.
	DeadLetter string
	// Transaction publishes in transactions of so many messages; 0 is none.
	Transaction int
	// ServerPID is the broker's process on this machine, to measure its CPU.
	ServerPID int
	Progress  func(Sample)
}

// window is how many messages of a producer may be without an answer; 0 is no bound.
func (o *Options) window() int {
	if o.Transaction > 0 {
		return o.Transaction
	}
	return o.Confirms
}

// kept is how many messages stay in the queues whatever consumers do.
func (o *Options) kept() int64 {
	if o.DeadLetter == deadByOverflow {
		return overflowLength * int64(o.Queues)
	}
	return 0
}

// Sample is one second of a run.
type Sample struct {
	At                  time.Duration
	Published, Consumed float64 // per second
}

var errOptions = errors.New("bench")

func (o *Options) check() error {
	switch {
	case o.Producers+o.Consumers == 0:
		return errors.Join(errOptions, errors.New("no producers and no consumers"))
	case o.Size < payloadBytes:
		return errors.Join(errOptions, errors.New("size: at least 16 bytes, for the time and the sequence"))
	case o.Queues < 1:
		return errors.Join(errOptions, errors.New("queues: at least one"))
	case o.Duration <= 0 && o.Messages <= 0:
		return errors.Join(errOptions, errors.New("neither a duration nor a number of messages"))
	}
	return o.checkTopology()
}

func (o *Options) checkTopology() error {
	var text string
	switch {
	case !slices.Contains([]string{"", "direct", "topic", "headers"}, o.ExchangeType):
		text = "exchange-type: direct, topic or headers"
	case o.ExchangeType != "" && o.Consumers != 0 && o.Consumers != o.Queues:
		text = "exchange-type: as many consumers as queues, or none"
	case o.Bindings < 0 || o.Bindings > 0 && o.ExchangeType == "":
		text = "bindings: of an exchange, named by its type"
	case !slices.Contains([]string{"", deadByReject, deadByOverflow}, o.DeadLetter):
		text = "dead-letter: reject or overflow"
	case o.DeadLetter == deadByReject && o.Prefetch == 0:
		text = "dead-letter: what is not acknowledged cannot be rejected"
	case o.Priorities < 0 || o.Priorities > 255 || o.Priorities > 0 && o.ExchangeType != "":
		text = "priorities: at most 255, and without an exchange"
	case o.Backlog < 0 || o.Backlog > 0 && (o.Producers == 0 || o.Rate > 0):
		text = "backlog: with producers, and not at a fixed rate"
	case o.Transaction < 0 || o.Transaction > batchMax:
		text = "transaction: at most 256 messages"
	case o.Producers*o.kinds() > streamsMax:
		text = "producers: at most 65536 times keys or priorities"
	default:
		return nil
	}
	return errors.Join(errOptions, errors.New(text))
}
