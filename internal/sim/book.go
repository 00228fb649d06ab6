package sim

import (
	"slices"
	"sync"
	"time"
)

// fate is what a client knows of a message it sent.
type fate uint8

const (
	unknown   fate = iota // sent, no answer
	confirmed             // the broker has promised to keep it
	withdrawn             // in a transaction that was aborted
)

// ackGrace is how long before the end of a life an acknowledgement may get lost
// that the broker has read.
const ackGrace = 2 * time.Second

// entry is one message of the world.
type entry struct {
	id       messageID
	place    string // queue, or topic
	producer string
	number   int // among its producer's in that place
	fate     fate

	part    int32 // of topics, where known
	offset  int64
	located bool
	term    term
	in      map[string]*delivery // by queue
}

// delivery is what consumers of a queue have done with a message.
type delivery struct {
	times    int
	copies   int       // as far as they are counted
	settled  time.Time // when its acknowledgement was sent
	sure     bool      // and has certainly arrived
	rejected bool      // perhaps
}

// of returns what is known of the message in a queue.
func (e *entry) of(queue string) *delivery {
	d := e.in[queue]
	if d == nil {
		d = &delivery{}
		e.in[queue] = d
	}
	return d
}

// book is what all clients know together.
type book struct {
	world   *World
	mu      sync.Mutex
	entries map[messageID]*entry
	order   []*entry
	counts  map[string]int // by producer and place
	at      map[placeAt]messageID
	last    messageID
}

// placeAt is an offset of a topic.
type placeAt struct {
	place  string
	part   int32
	offset int64
}

func (b *book) init(w *World) {
	b.world, b.entries, b.counts, b.at = w, map[messageID]*entry{}, map[string]int{}, map[placeAt]messageID{}
}

// begin enters a message that is about to be sent.
func (b *book) begin(producer, place string) *entry {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.last++
	key := producer + " " + place
	b.counts[key]++
	e := &entry{id: b.last, place: place, producer: producer, number: b.counts[key], in: map[string]*delivery{}}
	b.entries[e.id] = e
	b.order = append(b.order, e)
	return e
}

// confirm notes the broker's promise, which has to be kept by stable storage
// already.
func (b *book) confirm(e *entry) {
	held := 0
	for _, n := range b.world.nodes {
		if n.disk.holds(e.id) {
			held++
		}
	}
	if held <= len(b.world.nodes)/2 {
		b.world.violated(e.producer, "message %d in %s is confirmed, and on stable storage of %d nodes", e.id, e.place, held)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	e.fate = confirmed
	if e.term.life != nil {
		e.term.kept = e.term.life.clock.Millis()
	}
}

// locate notes where in a topic a message is: always the same, and nothing else
// there.
func (b *book) locate(who string, id messageID, place string, part int32, offset int64) *entry {
	b.mu.Lock()
	defer b.mu.Unlock()
	e := b.entries[id]
	if e == nil || e.place != place {
		b.world.violated(who, "message %d in %s, where nobody sent it", id, place)
		return nil
	}
	here := placeAt{place, part, offset}
	if other, ok := b.at[here]; ok && other != id {
		b.world.violated(who, "message %d at %s/%d offset %d, where message %d was", id, place, part, offset, other)
	}
	b.at[here] = id
	if e.located && (e.part != part || e.offset != offset) {
		b.world.violated(who, "message %d of %s at %d/%d, and at %d/%d", id, place, part, offset, e.part, e.offset)
	}
	e.located, e.part, e.offset = true, part, offset
	return e
}

// of lists the messages of a place in the order of their sending.
func (b *book) of(place string) []*entry {
	b.mu.Lock()
	defer b.mu.Unlock()
	var all []*entry
	for _, e := range b.order {
		if e.place == place {
			all = append(all, e)
		}
	}
	return all
}

// any says whether a message of the place was found in it, or confirmed.
func (b *book) any(place string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.ContainsFunc(b.order, func(e *entry) bool { return e.place == place && (e.located || e.fate == confirmed) })
}
