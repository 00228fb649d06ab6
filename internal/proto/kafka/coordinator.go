package kafka

import (
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"

	"weir/internal/auth"
	"weir/internal/broker"
	"weir/internal/clock"
	"weir/internal/proto/kafka/group"
)

const (
	// rebalanceDelay is short of Kafka's 3 s: members start together or not at all.
	rebalanceDelay = 100 * time.Millisecond
	// groupSizeMax bounds what one group takes of memory and of a note.
	groupSizeMax = 10_000
	// The bounds of sessions are Kafka's.
	sessionMin = 6 * time.Second
	sessionMax = 30 * time.Minute
)

var errEnded = errors.New("kafka: the connection is ending")

// coordinator has the groups that somebody is a member of. What else is known of
// groups is in ledgers.
type coordinator struct {
	clock   clock.Clock
	log     *slog.Logger
	options group.Options
	ended   chan struct{} // closed when the server drains
	end     sync.Once

	mu struct {
		sync.Mutex
		all     map[string]*hosted
		tickets group.Ticket
	}
}

func newCoordinator(o *Options) *coordinator {
	k := &coordinator{clock: o.Clock, log: o.Log, ended: make(chan struct{}), options: group.Options{
		InitialDelay: group.Millis(max(o.RebalanceDelay, 0).Milliseconds()), SizeMax: groupSizeMax,
	}}
	k.mu.all = map[string]*hosted{}
	return k
}

// hosted is one group. All but the turn belongs to whose turn it is.
type hosted struct {
	name string
	turn chan struct{} // a value in it: somebody's turn

	loaded  bool
	gone    bool // forgotten by the coordinator: look it up again
	classic *group.Classic
	waiting map[group.Ticket]chan group.Answer
	timer   clock.Timer
	session *broker.Session // the last one here; it stores what time changes
	dirty   bool
}

// close lets nothing happen any more that time brings about.
func (k *coordinator) close() { k.end.Do(func() { close(k.ended) }) }

// now is the time of the coordinator's groups.
func (k *coordinator) now() group.Millis { return group.Millis(k.clock.Millis()) }

// find returns the group of a name.
func (k *coordinator) find(name string) *hosted {
	k.mu.Lock()
	defer k.mu.Unlock()
	h := k.mu.all[name]
	if h == nil {
		h = &hosted{name: name, turn: make(chan struct{}, 1), waiting: map[group.Ticket]chan group.Answer{}}
		k.mu.all[name] = h
	}
	return h
}

// names lists the groups in memory.
func (k *coordinator) names() []string {
	k.mu.Lock()
	defer k.mu.Unlock()
	all := make([]string, 0, len(k.mu.all))
	for name := range k.mu.all {
		all = append(all, name)
	}
	return all
}

// ticket lets a request wait for its answer.
func (k *coordinator) ticket(h *hosted) (group.Ticket, <-chan group.Answer) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.mu.tickets++
	answer := make(chan group.Answer, 1)
	h.waiting[k.mu.tickets] = answer
	return k.mu.tickets, answer
}

// inGroup runs f in the group's turn. What f changes is durable before anybody
// hears of it.
func (c *conn) inGroup(name string, f func(h *hosted)) error {
	k := c.server.groups
	for {
		h := k.find(name)
		select {
		case h.turn <- struct{}{}:
		case <-c.ended:
			return errEnded
		}
		if !h.gone {
			return c.takeTurn(k, h, f)
		}
		<-h.turn
	}
}

func (c *conn) takeTurn(k *coordinator, h *hosted, f func(h *hosted)) error {
	defer func() {
		k.rest(h)
		<-h.turn
	}()
	h.session = c.session
	if !h.loaded {
		if err := h.load(k); err != nil {
			return err
		}
	}
	f(h)
	if err := h.store(c.ended); err != nil {
		return err
	}
	h.deliver()
	return nil
}

// rest forgets a group without members, or sees to it that it is woken.
func (k *coordinator) rest(h *hosted) {
	if h.timer != nil {
		h.timer.Stop()
		h.timer = nil
	}
	if h.idle() {
		h.gone = true
		k.mu.Lock()
		delete(k.mu.all, h.name)
		k.mu.Unlock()
		return
	}
	next, ok := h.next()
	if !ok {
		return
	}
	h.timer = k.clock.AfterFunc(time.Duration(max(next-k.now(), 0))*time.Millisecond, func() { k.tick(h) })
}

// tick is a group's timer.
func (k *coordinator) tick(h *hosted) {
	select {
	case h.turn <- struct{}{}:
	case <-k.ended:
		return
	}
	defer func() { <-h.turn }()
	if h.gone {
		return
	}
	if h.classic != nil {
		h.classic.Tick(k.now())
	}
	if err := h.store(k.ended); err != nil {
		k.log.Warn("kafka: group not stored", "group", h.name, "err", err)
		h.dirty = true
	}
	h.deliver()
	k.rest(h)
}

func (h *hosted) idle() bool {
	return !h.dirty && len(h.waiting) == 0 && (h.classic == nil || h.classic.Idle())
}

func (h *hosted) next() (group.Millis, bool) {
	if h.classic != nil {
		return h.classic.Next()
	}
	return 0, false
}

// deliver hands out the answers there are.
func (h *hosted) deliver() {
	if h.classic == nil {
		return
	}
	for _, a := range h.classic.Answers() {
		if answer := h.waiting[a.Ticket]; answer != nil {
			delete(h.waiting, a.Ticket)
			answer <- a
		}
	}
}

// groupLedgers is what the ledgers of groups' memberships begin with.
const (
	groupLedgers  = "kafka group/"
	classicKey    = "classic"
	groupNotFound = "kafka: group %q: %w"
)

// load reads what is kept of a group.
func (h *hosted) load(k *coordinator) error {
	notes, err := h.session.Ledger(groupLedgers + h.name)
	if err != nil {
		return fmt.Errorf(groupNotFound, h.name, err)
	}
	for i := range notes {
		if notes[i].Key == classicKey {
			c, err := group.DecodeClassic(notes[i].Value, k.options, k.now())
			if err != nil {
				return fmt.Errorf(groupNotFound, h.name, err)
			}
			h.classic = c
		}
	}
	h.loaded = true
	return nil
}

// store makes durable what changed, and waits for that.
func (h *hosted) store(ended <-chan struct{}) error {
	if h.classic != nil && h.classic.Changed() {
		h.dirty = true
	}
	if !h.dirty {
		return nil
	}
	value, err := h.classic.Encode()
	if err != nil {
		return fmt.Errorf(groupNotFound, h.name, err)
	}
	if err := note(h.session, groupLedgers+h.name, []broker.Note{{Key: classicKey, Value: value}}, ended); err != nil {
		return err
	}
	h.dirty = false
	return nil
}

// note stores notes and waits until they are durable.
func note(s *broker.Session, ledger string, notes []broker.Note, ended <-chan struct{}) error {
	done := make(chan *broker.Error, 1)
	if err := s.Note(ledger, notes, func(err *broker.Error) { done <- err }); err != nil {
		return err
	}
	select {
	case err := <-done:
		if err != nil {
			return err
		}
		return nil
	case <-ended:
		return errEnded
	}
}

// mayUse says whether the session may use a group of that name at all.
func (c *conn) mayUse(name string) int16 {
	switch {
	case name == "":
		return kerr.InvalidGroupID.Code
	case c.session.MayGroup(auth.Read, name) != nil:
		return kerr.GroupAuthorizationFailed.Code
	}
	return errNone
}
