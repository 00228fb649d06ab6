package cursor

import (
	"weir/internal/invariant"
	"weir/internal/record"
)

// Settling is the settling cursor of one queue. See the package comment for
// its two halves and its states.
type Settling struct {
	// Replicated.
	unsettled Set
	dead      Set
	returned  returns
	highWater record.Offset

	// Local.
	config     Config
	ready      Set       // the lowest lane
	upper      *upper    // the lanes above it; nil while there is one lane
	held       Set       // in no other state
	waiting    *waiting  // nil while nothing was ever delayed
	expiring   *expiring // nil while nothing had an expiry
	crowd      *crowd    // nil while nobody ever attached
	weight     *weight   // nil while no message had bytes
	readyBytes int64     // exact sizes only
	bucket     bucket
	// restored is the high-water mark at the last loss of the local half:
	// what is below it may have been delivered by somebody else.
	restored record.Offset
	leasedTo record.Offset // 1 + the largest offset leased here
}

// New returns an empty cursor.
func New(c Config) *Settling {
	s := &Settling{}
	s.SetConfig(c)
	return s
}

// SetConfig changes the policy at once, for the messages inside too. Messages
// that came while there was one lane stay in the lowest. Setting MaxBytes where
// there was none, or the reverse, walks over all unsettled messages.
func (s *Settling) SetConfig(c Config) {
	old := s.config
	s.config = c
	exact := c.MaxBytes >= 0
	if exact != (s.weight != nil && s.weight.exact != nil) && (exact || s.weight != nil) {
		if s.weight == nil {
			s.weight = new(weight)
		}
		s.weight.setExact(exact, &s.unsettled)
		s.readyBytes = 0
		if exact {
			s.eachLane(func(lane *Set) {
				lane.Ranges(func(lo, hi record.Offset) bool {
					s.readyBytes += s.weight.of(lo, hi)
					return true
				})
			})
		}
	}
	if lanes(c) != lanes(old) {
		s.relane()
	}
	s.bucket.resize(&s.config)
	if s.crowd != nil && (c.LeaseTimeout > 0) != (old.LeaseTimeout > 0) {
		s.crowd.ages = ages{unstamped: c.LeaseTimeout > 0}
	}
}

func lanes(c Config) int { return max(int(c.Lanes), 1) }

// Config returns the policy in force.
func (s *Settling) Config() Config { return s.config }

// Append takes in a new message. Where o is unsettled already its attributes
// are added to what is known of it.
func (s *Settling) Append(o record.Offset, a Attributes) {
	if !s.unsettled.Add(o) {
		s.describe(o, a)
		return
	}
	if a.Bytes != 0 || s.weight != nil {
		s.weigh(o, a.Bytes)
	}
	s.prioritise(o, a.Priority)
	if a.Expiry != 0 {
		s.expireAt(o, a.Expiry)
	}
	if a.Due != 0 {
		s.wait(o, a.Due)
		return
	}
	s.makeReady(o)
}

// AppendRestored says what is known of an unsettled message after RestoreState
// or Reopen, which leave messages in the lowest lane without attributes; call
// it once for each message that has any. A count above 0 replaces the count.
func (s *Settling) AppendRestored(o record.Offset, a Attributes, count uint32) {
	s.Append(o, a)
	if count > 0 {
		s.returned.setCount(o, count)
	}
}

func (s *Settling) weigh(o record.Offset, bytes uint32) {
	if s.weight == nil {
		s.weight = new(weight)
	}
	s.weight.add(o, bytes)
}

// prioritise notes a priority, unless there is one lane and it would be nothing
// but memory.
func (s *Settling) prioritise(o record.Offset, priority uint8) {
	if priority != 0 && lanes(s.config) > 1 {
		s.upper.priorities.set(o, priority)
	}
}

// describe adds attributes to a message that is in already.
func (s *Settling) describe(o record.Offset, a Attributes) {
	if s.dead.Contains(o) {
		a = Attributes{Bytes: a.Bytes}
	}
	ready := s.takeReady(o)
	if a.Bytes != 0 {
		s.weigh(o, a.Bytes)
	}
	s.prioritise(o, a.Priority)
	if a.Expiry != 0 {
		s.expireAt(o, a.Expiry)
	}
	switch {
	case ready && a.Due != 0:
		s.wait(o, a.Due)
	case ready:
		s.makeReady(o)
	}
}

// Settle ends the unsettled messages of [lo, hi), whatever state they are in,
// and returns how many there were.
func (s *Settling) Settle(lo, hi record.Offset) (n uint64) {
	if lo+1 == hi {
		return s.settleOne(lo)
	}
	for lo < hi {
		from, ok := s.unsettled.Next(lo)
		if !ok || from >= hi {
			break
		}
		// Sums of bytes are per chunk, so a range goes chunk by chunk; without
		// them it goes whole.
		to := hi
		if s.weight != nil {
			to = min(hi, from&^chunkMask+chunkBits)
		}
		s.evictRange(from, to)
		removed := s.unsettled.RemoveRange(from, to)
		s.forget(from, to, removed)
		n += removed
		lo = to
	}
	return n
}

func (s *Settling) settleOne(o record.Offset) uint64 {
	if !s.unsettled.Remove(o) {
		return 0
	}
	if !s.held.Remove(o) {
		s.evict(o)
	}
	s.forget(o, o+1, 1)
	return 1
}

// forget drops what is known of n messages that have just been settled.
func (s *Settling) forget(lo, hi record.Offset, n uint64) {
	if s.returned.set.Len() > 0 {
		s.returned.drop(lo, hi)
	}
	if s.weight != nil {
		s.weight.drop(lo, hi, n)
		if s.unsettled.Len() == 0 {
			s.weight.reset()
		}
	}
	if s.upper != nil {
		s.upper.priorities.drop(lo, hi)
	}
	if s.expiring != nil {
		s.expiring.overdue.RemoveRange(lo, hi)
	}
	if s.waiting != nil {
		s.waiting.timed.RemoveRange(lo, hi)
	}
}

// evict takes an offset that is not held out of whichever state it is in.
func (s *Settling) evict(o record.Offset) {
	if s.takeReady(o) || s.dead.Remove(o) || s.waiting != nil && s.waiting.set.Remove(o) {
		return
	}
	invariant.Check(s.crowd != nil && s.crowd.unlease(o), "an unsettled offset is in no state")
}

// evictRange takes the unsettled offsets of [lo, hi) out of all states.
func (s *Settling) evictRange(lo, hi record.Offset) {
	s.held.RemoveRange(lo, hi)
	s.dead.RemoveRange(lo, hi)
	s.takeReadyRange(lo, hi)
	if s.waiting != nil {
		s.waiting.set.RemoveRange(lo, hi)
	}
	if s.crowd != nil && s.crowd.leased > 0 {
		s.crowd.unleaseRange(lo, hi)
	}
}

// Bury makes an unsettled message dead: no consumer gets it, but it is there
// until settled. It tells whether the message was alive.
func (s *Settling) Bury(o record.Offset) bool {
	if !s.unsettled.Contains(o) || s.dead.Contains(o) {
		return false
	}
	if !s.held.Remove(o) {
		s.evict(o)
	}
	s.dead.Add(o)
	return true
}

// Dead returns the dead messages. The caller must not change the set.
func (s *Settling) Dead() *Set { return &s.dead }

// Unsettled returns the unsettled messages. The caller must not change the set.
func (s *Settling) Unsettled() *Set { return &s.unsettled }

// Reopen makes the settled messages of [lo, hi) unsettled and ready again, with
// no counts and no attributes; AppendRestored gives them theirs. hi is at most
// the end of the log. It returns how many there were.
func (s *Settling) Reopen(lo, hi record.Offset) (n uint64) {
	// Timers of settled messages may be around still and must not hit again.
	if s.waiting != nil {
		s.waiting.timers.sweep(&s.waiting.timed)
	}
	if s.expiring != nil {
		s.expiring.timers.sweep(&s.unsettled)
	}
	for lo < hi {
		from, to, ok := s.unsettled.run(lo, hi)
		if !ok {
			from, to = hi, hi
		}
		if lo < from {
			n += s.unsettled.AddRange(lo, from)
			s.ready.AddRange(lo, from)
		}
		lo = to
	}
	return n
}

// Delivered raises the high-water mark: everything below upTo may have been
// seen by a consumer.
func (s *Settling) Delivered(upTo record.Offset) {
	s.highWater = max(s.highWater, upTo)
}

// HighWater returns the replicated high-water mark.
func (s *Settling) HighWater() record.Offset { return s.highWater }

// LeasedTo returns one more than the largest offset leased by this leader; it
// proposes Delivered when this is above HighWater.
func (s *Settling) LeasedTo() record.Offset { return s.leasedTo }

// Redelivered tells whether a consumer may have seen the message before.
func (s *Settling) Redelivered(o record.Offset) bool {
	return o < s.restored || s.returned.set.Contains(o)
}

// Count returns how many counted releases the message had.
func (s *Settling) Count(o record.Offset) uint32 { return s.returned.count(o) }
