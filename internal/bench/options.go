package bench

import (
	"errors"
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
	Progress  func(Sample)
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
	return nil
}
