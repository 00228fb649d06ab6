package kafka

import (
	"errors"
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
	shortestSession = 6 * time.Second
	longestSession  = 30 * time.Minute
	// modernSession is Kafka's, as is how often members of a
	// settled group heartbeat. While a group is not settled they come more often.
	modernSession  = 45 * time.Second
	beatInterval   = 5 * time.Second
	unsettledBeats = 500 * time.Millisecond
	// topicsRefresh is how soon new topics and partitions are assigned.
	topicsRefresh group.Millis = 1000
)

var errEnded = errors.New("kafka: the connection is ending")

// coordinator has the groups that somebody is a member of. What else is known of
// groups is in ledgers.
type coordinator struct {
	session *broker.Session // its own
	clock   clock.Clock
	log     *slog.Logger
	options group.Options
	modern  group.ModernOptions
	ended   chan struct{} // closed when the server drains
	end     sync.Once

	mu struct {
		sync.Mutex
		all     map[string]*hosted
		tickets group.Ticket
		sweep   clock.Timer
	}
}

func newCoordinator(s *broker.Session, o *Options) *coordinator {
	k := &coordinator{session: s, clock: o.Clock, log: o.Log, ended: make(chan struct{}), options: group.Options{
		InitialDelay: group.Millis(max(o.RebalanceDelay, 0).Milliseconds()), SizeMax: groupSizeMax,
	}, modern: group.ModernOptions{Session: group.Millis(modernSession.Milliseconds()), Refresh: topicsRefresh, SizeMax: groupSizeMax}}
	k.mu.all = map[string]*hosted{}
	k.mu.sweep = k.clock.AfterFunc(sweepEvery, k.sweep)
	return k
}

// close lets nothing happen any more that time brings about.
func (k *coordinator) close() {
	k.end.Do(func() { close(k.ended) })
	k.mu.Lock()
	defer k.mu.Unlock()
	k.mu.sweep.Stop()
}

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
	return c.server.groups.inGroup(c.ended, name, f)
}

func (k *coordinator) inGroup(ended <-chan struct{}, name string, f func(h *hosted)) error {
	for {
		h := k.find(name)
		select {
		case h.turn <- struct{}{}:
		case <-ended:
			return errEnded
		}
		if !h.gone {
			return k.takeTurn(ended, h, f)
		}
		<-h.turn
	}
}

func (k *coordinator) takeTurn(ended <-chan struct{}, h *hosted, f func(h *hosted)) error {
	defer func() {
		k.rest(h)
		<-h.turn
	}()
	if !h.loaded {
		if err := h.load(k); err != nil {
			return err
		}
	}
	f(h)
	h.downgrade(k)
	if err := h.store(k, ended); err != nil {
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
	h.tick(k)
	if err := h.store(k, k.ended); err != nil {
		k.log.Warn("kafka: group not stored", "group", h.name, "err", err)
		h.dirty = true
	}
	h.deliver()
	k.rest(h)
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

// maySee says whether the session may know of a group of that name.
func (c *conn) maySee(name string) int16 {
	if name != "" && c.session.MayGroup(auth.Describe, name) == nil {
		return errNone
	}
	return c.mayUse(name)
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
