package cursor

import "slices"

// Cancel ends a consumer's part in the hand-out: from here on it is like one who
// only pulls. What it has leased stays leased until settled or detached.
func (s *Settling) Cancel(id ConsumerID) {
	c := s.consumer(id)
	if c == nil || c.options.Pull {
		return
	}
	w := s.crowd
	if w.exclusive == c {
		w.exclusive = nil
	}
	if w.active == c {
		w.active = nil
	}
	w.withdraw(c)
	c.group = nil
	c.options.Pull = true
	w.pulls++
}

// withdraw takes c out of its group.
func (w *crowd) withdraw(c *consumer) {
	c.leave()
	g := c.group
	if g.members = without(g.members, c); len(g.members) == 0 {
		i := slices.Index(w.groups, g)
		w.groups = slices.Delete(w.groups, i, i+1)
	}
}
