package shard

import (
	"weir/internal/cursor"
	"weir/internal/record"
	"weir/internal/store"
)

// never is a retention start beyond all offsets: nothing settled is kept.
const never = ^record.Offset(0)

// Log is one log and its settling cursor.
type Log struct {
	id     record.LogID
	config *Config // shared by all logs that have the same

	// Replicated.
	next      record.Offset // the next message's
	retained  record.Offset // settled messages from here on are kept
	cursor    *cursor.Settling
	why       map[record.Offset]Why // of the cursor's dead messages
	dedup     *dedup
	commits   map[string]record.Offset // positional cursors
	producers map[record.ProducerID]*producer
	opens     []record.ProducerID // have a transaction open, in the order of its first message
	aborted   []Aborted           // in the order of their markers
	swept     int64               // when silent producers were looked for
	attended  bool                // messages may have been delivered beyond the cursor\'s high-water mark

	source *Log   // of a view
	views  []*Log // of a source, by id

	// Where messages are.
	tail    store.Range
	shelved record.Offset // wanted messages below are on the shelf
	dirty   bool          // changed since the last checkpoint

	lateFrom  record.Offset // the first of those that came too old to stay
	lateUntil int64         // they stay until then, unix ms; a restart forgets it

	// Leader only.
	consumers  map[cursor.ConsumerID]*consumer
	followers  map[cursor.ConsumerID]*follower
	leasing    int  // consumers with an age limit of their own
	hot        bool // stands in Machine.hot
	timed      bool // stands in Machine.timers
	delivered  record.Offset
	allowed    record.Offset // may be delivered: what a crash would flag
	suspect    record.Offset // below it, delivered before a crash perhaps
	announcing bool
	announced  record.Offset // delivered, as proposed
	cold       cold
	blob       blob // of a view
	pulls      []pull
	waiting    []func()       // for what is released
	awaited    map[any]func() // of those who wait for a message
	appended   bool           // since the last dispatch
	inflight   int64          // proposed, not yet applied: for limits
	inflightB  int64
	fresh      uint64 // turn that brought a message that may not wait
	freshFrom  int64  // when the first of them came
	held       bool   // they wait for the mark that deliveries wait for
	releasing  int64  // messages whose release is proposed, not yet applied
	stats      Stats
}

// Stats counts what happened to a log on this leader.
type Stats struct {
	Published, Delivered, Redelivered, Acked uint64
}

// Counts are a log's numbers at one moment.
type Counts struct {
	cursor.Counts
	Stats
	Next   record.Offset
	Active cursor.ConsumerID
}

// consumer is an attachment as the leader's dispatch sees it.
type consumer struct {
	id       cursor.ConsumerID
	log      *Log
	receiver Receiver
	auto     bool // settled by being delivered
	hidden   bool // a puller, not a consumer to anybody else
	paused   bool
	batch    []Delivery

	leaseMillis int64 // its own limit of a lease's age; 0 is none
	stamps      []stamped
}

// Delivery is one message handed to a consumer.
type Delivery struct {
	Offset      record.Offset
	Count       uint32 // earlier deliveries known to have been returned
	Redelivered bool   // may have been delivered before
	Record      []byte // package record; immutable, may be kept
	// Of how many messages the record is one, and which of them this is.
	Of, Index uint32
}

// Bytes is the delivery's part of its record.
func (d *Delivery) Bytes() int { return len(d.Record) / int(max(d.Of, 1)) }

// Receiver is where a consumer's deliveries go. Its methods never block.
type Receiver interface {
	// Reserve takes room for one delivery of so many bytes, or says that there
	// is none: the machine then leaves the consumer out until Resume.
	Reserve(bytes int) bool
	// Deliver hands over; the slice is reused after the call.
	Deliver(ds []Delivery)
}

type pull struct {
	c     *consumer
	reply func(d Delivery, ok bool, ready uint64)
	take  *take // instead of reply
}

// cold is a window of records read back from the shelf.
type cold struct {
	reading    bool
	at         int
	records    []coldRecord
	from, upto record.Offset // of a follower or a view: what was read through
	gaps       []cursor.Range
}

type coldRecord struct {
	offset record.Offset
	record []byte
}

// find returns the record of o if the window holds it.
func (c *cold) find(o record.Offset) ([]byte, bool) {
	if c.at < len(c.records) && c.records[c.at].offset == o {
		return c.records[c.at].record, true
	}
	lo, hi := 0, len(c.records)
	for lo < hi {
		m := (lo + hi) / 2
		if c.records[m].offset < o {
			lo = m + 1
		} else {
			hi = m
		}
	}
	if lo < len(c.records) && c.records[lo].offset == o {
		c.at = lo
		return c.records[lo].record, true
	}
	return nil, false
}

func (c *cold) drop() { c.records, c.at, c.from, c.upto = nil, 0, 0, 0 }

// wanted says whether the message at o still has to be kept.
func (l *Log) wanted(o record.Offset) bool {
	return o < l.next && (o >= l.retained || l.cursor.Unsettled().Contains(o))
}

// wantedCount counts the wanted messages in [lo, hi).
func (l *Log) wantedCount(lo, hi record.Offset) int64 {
	if hi > l.next {
		hi = l.next
	}
	if lo >= hi {
		return 0
	}
	var n int64
	if l.retained < hi {
		n = int64(hi - max(lo, l.retained))
		hi = max(lo, l.retained)
	}
	return n + int64(l.cursor.Unsettled().CountRange(lo, hi))
}

// firstWanted is the first offset that has to be kept, or next.
func (l *Log) firstWanted() record.Offset {
	first := l.next
	if o, ok := l.cursor.Unsettled().First(); ok {
		first = o
	}
	return min(first, l.retained, l.next)
}
