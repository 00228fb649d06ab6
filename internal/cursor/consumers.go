package cursor

import (
	"errors"
	"math"
	"slices"

	"weir/internal/invariant"
	"weir/internal/record"
)

// ConsumerID names an attached consumer; the caller chooses it.
type ConsumerID uint32

// AttachOptions says how a consumer takes part.
type AttachOptions struct {
	Priority  int32 // the highest with credit is served first
	Exclusive bool  // nobody else may attach
	// Pull is for one who takes single messages by Peek and Lease: it is never
	// picked, never the single active one, and not kept out by an exclusive one.
	Pull bool
}

// Why Attach refuses.
var (
	ErrExclusive = errors.New("cursor: another consumer has exclusive access")
	ErrInUse     = errors.New("cursor: exclusive access refused, others are attached")
	ErrAttached  = errors.New("cursor: consumer is attached already")
)

type consumer struct {
	id      ConsumerID
	options AttachOptions
	credit  int64
	paused  bool
	leased  Set
	group   *group
	// The ring of those in the group who can take a message; nil while out.
	next, prev *consumer
}

func (c *consumer) eligible() bool { return c.credit > 0 && !c.paused }

// group is the consumers of one priority.
type group struct {
	priority int32
	members  []*consumer // in the order of attaching
	head     *consumer   // the next one of the ring; nil while it is empty
}

// crowd is the consumers of a queue.
type crowd struct {
	byID      map[ConsumerID]*consumer
	all       []*consumer // in the order of attaching
	groups    []*group    // highest priority first
	last      *consumer   // of the last look-up; loops ask for the same one
	active    *consumer   // the single active one; kept current by activate
	exclusive *consumer
	pulls     int
	leased    uint64 // sum over all
	ages      ages
}

// Attach adds a consumer without credit.
func (s *Settling) Attach(id ConsumerID, options AttachOptions) error {
	if s.crowd == nil {
		s.crowd = &crowd{byID: make(map[ConsumerID]*consumer)}
	}
	w := s.crowd
	if w.byID[id] != nil {
		return ErrAttached
	}
	c := &consumer{id: id, options: options}
	if options.Pull {
		w.pulls++
	} else {
		if w.exclusive != nil {
			return ErrExclusive
		}
		if options.Exclusive {
			if len(w.all) > w.pulls {
				return ErrInUse
			}
			w.exclusive = c
		}
		c.group = w.groupOf(options.Priority)
		c.group.members = append(c.group.members, c)
	}
	w.byID[id] = c
	w.all = append(w.all, c)
	return nil
}

func (w *crowd) groupOf(priority int32) *group {
	i, ok := slices.BinarySearchFunc(w.groups, priority, func(g *group, p int32) int {
		return int(int64(p) - int64(g.priority))
	})
	if !ok {
		w.groups = slices.Insert(w.groups, i, &group{priority: priority})
	}
	return w.groups[i]
}

// Detach removes a consumer and appends the ranges of its leases, which are now
// held: the caller proposes their release.
func (s *Settling) Detach(id ConsumerID, out []Range) []Range {
	c := s.consumer(id)
	if c == nil {
		return out
	}
	w := s.crowd
	c.leased.Ranges(func(lo, hi record.Offset) bool {
		s.held.AddRange(lo, hi)
		out = append(out, Range{lo, hi})
		if s.config.LeaseTimeout > 0 {
			w.ages.at.drop(lo, hi)
		}
		return true
	})
	w.leased -= c.leased.Len()
	c.leased.Clear()
	delete(w.byID, id)
	w.all = without(w.all, c)
	w.last = nil
	if w.exclusive == c {
		w.exclusive = nil
	}
	if w.active == c {
		w.active = nil
	}
	if c.options.Pull {
		w.pulls--
		return out
	}
	w.withdraw(c)
	return out
}

func without(list []*consumer, c *consumer) []*consumer {
	i := slices.Index(list, c)
	return slices.Delete(list, i, i+1)
}

// consumer returns nil for one who is not attached.
func (s *Settling) consumer(id ConsumerID) *consumer {
	w := s.crowd
	if w == nil {
		return nil
	}
	if w.last != nil && w.last.id == id {
		return w.last
	}
	c := w.byID[id]
	if c != nil {
		w.last = c
	}
	return c
}

// Credit changes how many messages the consumer may be given. Credit below 1
// gives none; math.MaxInt64 never runs out.
func (s *Settling) Credit(id ConsumerID, delta int64) {
	c := s.consumer(id)
	if c == nil || c.credit == math.MaxInt64 {
		return
	}
	if delta > math.MaxInt64-max(c.credit, 0) {
		delta = math.MaxInt64 - max(c.credit, 0)
	}
	c.credit += delta
	c.refresh()
}

// SetCredit sets how many messages the consumer may be given.
func (s *Settling) SetCredit(id ConsumerID, n int64) {
	if c := s.consumer(id); c != nil {
		c.credit = n
		c.refresh()
	}
}

// CreditOf returns the credit of a consumer; 0 for one who is not attached.
func (s *Settling) CreditOf(id ConsumerID) int64 {
	if c := s.consumer(id); c != nil {
		return c.credit
	}
	return 0
}

// Pause has a consumer passed over, or no longer.
func (s *Settling) Pause(id ConsumerID, paused bool) {
	if c := s.consumer(id); c != nil {
		c.paused = paused
		c.refresh()
	}
}

// refresh has c enter or leave the ring of its group. Who enters is last.
func (c *consumer) refresh() {
	if c.group == nil || c.eligible() == (c.next != nil) {
		return
	}
	if c.next != nil {
		c.leave()
		return
	}
	c.enter()
}

func (c *consumer) enter() {
	head := c.group.head
	if head == nil {
		c.group.head, c.next, c.prev = c, c, c
		return
	}
	c.next, c.prev = head, head.prev
	head.prev.next, head.prev = c, c
}

func (c *consumer) leave() {
	if c.next == nil {
		return
	}
	if c.group.head == c {
		c.group.head = c.next
		if c.next == c {
			c.group.head = nil
		}
	}
	c.prev.next, c.next.prev = c.next, c.prev
	c.next, c.prev = nil, nil
}

// spend takes n credits and sends the consumer to the end of its ring.
func (c *consumer) spend(n uint64) {
	if c.credit != math.MaxInt64 {
		c.credit = max(c.credit-int64(n), min(c.credit, 0))
	}
	switch {
	case c.next == nil:
	case c.credit <= 0:
		c.leave()
	case c.group.head == c:
		c.group.head = c.next
	default:
		c.leave()
		c.enter()
	}
}

// activate returns the single active consumer: the first attached of the highest
// priority. One of a higher priority takes over once the active one has no
// lease, and until then nobody is given a message (handover is true).
func (w *crowd) activate() (c *consumer, handover bool) {
	if len(w.groups) == 0 {
		w.active = nil
		return nil, false
	}
	best := w.groups[0]
	if w.active == nil {
		w.active = best.members[0]
	}
	if w.active.options.Priority < best.priority {
		if w.active.leased.Len() > 0 {
			return w.active, true
		}
		w.active = best.members[0]
	}
	return w.active, false
}

// Active returns the single active consumer, where the policy wants one.
func (s *Settling) Active() (ConsumerID, bool) {
	if !s.config.SingleActive || s.crowd == nil {
		return 0, false
	}
	c, _ := s.crowd.activate()
	if c == nil {
		return 0, false
	}
	return c.id, true
}

// Pick returns who gets the next message: of the highest priority that has
// somebody with credit, in turn. It changes nothing; Lease moves on.
func (s *Settling) Pick() (ConsumerID, bool) {
	w := s.crowd
	if w == nil {
		return 0, false
	}
	if s.config.SingleActive {
		c, handover := w.activate()
		if c == nil || handover || !c.eligible() {
			return 0, false
		}
		return c.id, true
	}
	for _, g := range w.groups {
		if g.head != nil {
			w.last = g.head
			return g.head.id, true
		}
	}
	return 0, false
}

// Leased returns what a consumer has leased, or nil for one who is not
// attached. The caller must not change the set.
func (s *Settling) Leased(id ConsumerID) *Set {
	if c := s.consumer(id); c != nil {
		return &c.leased
	}
	return nil
}

// unlease takes o from whoever has it.
func (w *crowd) unlease(o record.Offset) bool {
	for _, c := range w.all {
		if c.leased.Remove(o) {
			w.leased--
			w.ages.at.set(o, 0)
			return true
		}
	}
	return false
}

func (w *crowd) unleaseRange(lo, hi record.Offset) {
	for _, c := range w.all {
		w.leased -= c.leased.RemoveRange(lo, hi)
	}
	if w.ages.at.dir.len() > 0 {
		w.ages.at.drop(lo, hi)
	}
	invariant.Check(w.leased>>63 == 0, "more leases taken back than given")
}
