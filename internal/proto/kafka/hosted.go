package kafka

import (
	"fmt"

	"github.com/twmb/franz-go/pkg/kerr"

	"weir/internal/broker"
	"weir/internal/clock"
	"weir/internal/proto/kafka/group"
)

// hosted is one group. All but the turn belongs to whose turn it is.
type hosted struct {
	name string
	turn chan struct{} // a value in it: somebody's turn

	loaded  bool
	gone    bool           // forgotten by the coordinator: look it up again
	classic *group.Classic // a group is one of the two, or neither
	modern  *group.Modern
	waiting map[group.Ticket]chan group.Answer
	timer   clock.Timer
	dirty   bool
	kept    map[string]string // what its ledger has
}

const (
	groupLedgers  = "kafka group/" // what the names of groups' ledgers begin with
	groupNotFound = "kafka: group %q: %w"
)

// exists says whether anything but offsets is known of the group.
func (h *hosted) exists() bool { return h.classic != nil || h.modern != nil }

// empty says that nobody is a member, or about to be.
func (h *hosted) empty() bool {
	return (h.classic == nil || h.classic.Idle()) && (h.modern == nil || h.modern.Idle())
}

// idle says that the group need not be in memory.
func (h *hosted) idle() bool { return !h.dirty && len(h.waiting) == 0 && h.empty() }

func (h *hosted) next() (group.Millis, bool) {
	switch {
	case h.classic != nil:
		return h.classic.Next()
	case h.modern != nil:
		return h.modern.Next()
	}
	return 0, false
}

func (h *hosted) tick(k *coordinator) {
	switch {
	case h.classic != nil:
		h.classic.Tick(k.now())
	case h.modern != nil:
		h.modern.Tick(k.now())
		h.downgrade(k)
	}
}

// deliver hands out the answers there are.
func (h *hosted) deliver() {
	if h.classic != nil {
		h.handOut(h.classic.Answers())
	}
}

func (h *hosted) handOut(answers []group.Answer) {
	for _, a := range answers {
		if answer := h.waiting[a.Ticket]; answer != nil {
			delete(h.waiting, a.Ticket)
			answer <- a
		}
	}
}

// upgrade makes a modern group of what there is, for a first modern member.
func (h *hosted) upgrade(k *coordinator, c group.Catalog, shared bool) bool {
	switch {
	case h.classic == nil:
		h.modern = group.NewModern(k.modern, shared, 0, k.now())
	case shared:
		return false // what the group has read stays a consumer group's
	case h.classic.Idle():
		h.modern = group.NewModern(k.modern, shared, h.classic.Generation(), k.now())
	default:
		m, ok := group.FromClassic(k.now(), h.classic, k.modern, c)
		if !ok {
			return false
		}
		h.modern = m
		h.handOut(h.classic.Answers())
	}
	h.classic, h.dirty = nil, true
	return true
}

// downgrade makes a classic group of a modern one that only has members of the
// classic protocol.
func (h *hosted) downgrade(k *coordinator) {
	if h.modern != nil && h.modern.OnlyClassic() {
		h.classic, h.modern, h.dirty = h.modern.ToClassic(k.now(), k.options), nil, true
	}
}

// load reads what is kept of a group.
func (h *hosted) load(k *coordinator) error {
	notes, refused := k.session.Ledger(groupLedgers + h.name)
	if refused != nil {
		return fmt.Errorf(groupNotFound, h.name, refused)
	}
	h.kept = map[string]string{}
	for i := range notes {
		h.kept[notes[i].Key] = string(notes[i].Value)
	}
	var err error
	switch {
	case group.IsClassic(h.kept):
		h.classic, err = group.DecodeClassic(h.kept, k.options, k.now())
	case len(h.kept) > 0:
		h.modern, err = group.DecodeModern(h.kept, k.modern, k.now())
	}
	if err != nil {
		return fmt.Errorf(groupNotFound, h.name, err)
	}
	h.loaded = true
	return nil
}

// store makes durable what changed, and waits for that.
func (h *hosted) store(k *coordinator, ended <-chan struct{}) error {
	var want map[string]string
	var err error
	switch {
	case h.classic != nil && (h.classic.Changed() || h.dirty):
		want, err = h.classic.Encode()
	case h.modern != nil && (h.modern.Changed() || h.dirty):
		want, err = h.modern.Encode()
	default:
		return nil
	}
	h.dirty = true
	if err == nil {
		err = h.keep(k, want, ended)
	}
	if err != nil {
		return fmt.Errorf(groupNotFound, h.name, err)
	}
	h.dirty = false
	return nil
}

// unsure is kept where it is not known what is.
const unsure = "?"

// keep brings the group's ledger to what is wanted.
func (h *hosted) keep(k *coordinator, want map[string]string, ended <-chan struct{}) error {
	var notes []broker.Note
	for key := range h.kept {
		if want[key] == "" {
			notes = append(notes, broker.Note{Key: key})
		}
	}
	for key, value := range want {
		if h.kept[key] != value {
			notes = append(notes, broker.Note{Key: key, Value: []byte(value)})
		}
	}
	if len(notes) == 0 {
		return nil
	}
	for i := range notes {
		h.kept[notes[i].Key] = unsure
	}
	if err := note(k.session, groupLedgers+h.name, notes, ended); err != nil {
		return err
	}
	h.kept = want
	return nil
}

// checkCommit says whether the sender may commit for the group; modern is what a
// member of the newer protocol has to speak.
func (h *hosted) checkCommit(now group.Millis, member, instance string, generation int32, transaction, modern bool) int16 {
	switch {
	case h.classic != nil:
		return h.classic.CheckCommit(now, member, instance, group.Generation(generation), transaction)
	case h.modern != nil && h.modern.Shared():
		return kerr.GroupIDNotFound.Code
	case h.modern != nil:
		return h.modern.CheckCommit(now, member, group.Generation(generation), transaction, modern)
	case generation < 0:
		return errNone // a consumer that assigns itself
	}
	return kerr.GroupIDNotFound.Code
}

// subscribed lists the topics that members read.
func (h *hosted) subscribed() []string {
	switch {
	case h.classic != nil:
		return h.classic.Subscribed()
	case h.modern != nil:
		return h.modern.Subscribed()
	}
	return nil
}
