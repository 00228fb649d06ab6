package kafka

import (
	"encoding/json"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"

	"weir/internal/broker"
	"weir/internal/clock"
	"weir/internal/record"
)

// epochMax is the last epoch a producer id has; then there is a new id.
const epochMax = 1<<15 - 2

// outcome is how a transaction of an id ended.
type outcome string

const (
	outcomeNone      outcome = ""
	outcomeCommitted outcome = "committed"
	outcomeAborted   outcome = "aborted"
)

// identity is a producer id in one of its epochs.
type identity struct {
	ID    record.ProducerID `json:"id"`
	Epoch int16             `json:"epoch"`
}

// next is the identity that fences this one; exhausted says that its id has no
// epoch left.
func (i identity) next() (n identity, exhausted bool) {
	return identity{i.ID, i.Epoch + 1}, i.Epoch >= epochMax
}

// transactionNote is what is remembered of a transactional id.
type transactionNote struct {
	identity
	Last    identity `json:"last"`    // the one before
	Timeout int64    `json:"timeout"` // ms
	Outcome outcome  `json:"outcome,omitempty"`
	Bumped  bool     `json:"bumped,omitempty"` // by the end of the latest transaction
	Updated int64    `json:"updated"`          // unix ms
	// Of the open transaction. Partitions that were enlisted by producing alone are
	// found in their logs.
	Begun      int64              `json:"begun,omitempty"` // unix ms, 0: none is open
	Partitions []broker.Partition `json:"partitions,omitempty"`
	Groups     []string           `json:"groups,omitempty"` // whose positions it may set
	// By group, those it sets.
	Positions map[string][]broker.GroupPosition `json:"positions,omitempty"`
}

// transaction is a transactional id and its transactions, one after another.
type transaction struct {
	id   string
	last clock.Timer // aborts what takes too long

	// Held for reading while something is appended under the open transaction, for
	// writing while it ends. It is taken with mu held, or after it was.
	appending sync.RWMutex

	mu         sync.Mutex
	note       transactionNote
	partitions map[broker.Partition]struct{} // of the open transaction, all of them
	gone       bool                          // forgotten; whoever holds it looks again
}

func (t *transaction) open() bool { return t.note.Begun != 0 }

// check compares a request's producer with the present one. fenced is the code for
// one of an earlier epoch.
func (t *transaction) check(i identity, fenced int16) int16 {
	switch {
	case i.ID != t.note.ID:
		return kerr.InvalidProducerIDMapping.Code
	case i.Epoch != t.note.Epoch:
		return fenced
	}
	return errNone
}

// begin opens a transaction unless one is open.
func (t *transaction) begin(now int64) {
	if !t.open() {
		t.note.Begun = now
		t.last.Reset(time.Duration(t.note.Timeout) * time.Millisecond)
	}
}

// closed empties what there was of the transaction.
func (n *transactionNote) closed() {
	n.Begun, n.Partitions, n.Groups, n.Positions = 0, nil, nil, nil
}

// joined is the note with another group.
func (n *transactionNote) joined(group string) {
	if !slices.Contains(n.Groups, group) {
		n.Groups = append(slices.Clone(n.Groups), group)
	}
}

// set replaces positions of a group.
func (n *transactionNote) set(group string, positions []broker.GroupPosition) {
	all := maps.Clone(n.Positions)
	if all == nil {
		all = map[string][]broker.GroupPosition{}
	}
	kept := slices.DeleteFunc(slices.Clone(all[group]), func(old broker.GroupPosition) bool {
		return slices.ContainsFunc(positions, func(p broker.GroupPosition) bool {
			return p.TopicID == old.TopicID && p.Partition == old.Partition
		})
	})
	all[group] = append(kept, positions...)
	n.Positions = all
}

func (n *transactionNote) encode() []byte {
	b, err := json.Marshal(n)
	if err != nil {
		panic(err) // numbers and texts always marshal
	}
	return b
}

// state is the protocol's name of where the id stands.
func (t *transaction) state() string {
	switch {
	case t.open():
		return "Ongoing"
	case t.note.Outcome == outcomeCommitted:
		return "CompleteCommit"
	case t.note.Outcome == outcomeAborted:
		return "CompleteAbort"
	}
	return "Empty"
}
