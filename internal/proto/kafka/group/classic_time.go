package group

// Next returns when Tick has something to do; false says never.
func (g *Classic) Next() (Millis, bool) {
	var next Millis
	at := func(t Millis) {
		if t != 0 && (next == 0 || t < next) {
			next = t
		}
	}
	at(g.joinAt)
	at(g.syncAt)
	for _, t := range g.pending {
		at(t)
	}
	for _, m := range g.members {
		at(m.deadline)
	}
	return next, next != 0
}

// Tick does what is due: sessions end, phases end without those who are late.
func (g *Classic) Tick(now Millis) {
	if g.joinAt != 0 && now >= g.joinAt {
		g.endJoin(now)
	}
	if g.syncAt != 0 && now >= g.syncAt {
		g.endSync(now)
	}
	gone := false
	for id, t := range g.pending {
		if now >= t {
			delete(g.pending, id)
			gone = true
		}
	}
	if gone {
		g.expired(now, false)
	}
	for _, m := range append([]*Member(nil), g.members...) {
		if m.deadline == 0 || now < m.deadline || g.index[m.ID] != m {
			continue
		}
		if !m.isNew && (m.join != 0 || m.sync != 0) {
			m.deadline = 0 // its client waits for us; the answer begins a session
			continue
		}
		g.remove(m.ID)
		g.expired(now, true)
	}
}

// Abandon forgets a ticket whose client has gone. A new member, who cannot know its
// id, goes with it; others have the rest of their session.
func (g *Classic) Abandon(now Millis, t Ticket) {
	for _, m := range g.members {
		switch {
		case m.join == t:
			m.join = 0
		case m.sync == t:
			m.sync = 0
		default:
			continue
		}
		g.beat(m, now)
		if m.isNew {
			g.remove(m.ID)
			g.expired(now, true)
		}
		return
	}
}

// expired goes on after a member is gone.
func (g *Classic) expired(now Millis, member bool) {
	switch {
	case g.state == Preparing && g.allJoined():
		g.complete(now)
	case member && (g.state == Stable || g.state == Completing):
		g.prepare(now)
	}
}

// endJoin ends the join phase, or puts its end off while an empty group still
// gets new members.
func (g *Classic) endJoin(now Millis) {
	if g.wasEmpty && g.grew && g.remaining > 0 {
		g.grew = false
		next := min(g.options.InitialDelay, g.remaining)
		g.remaining = max(g.remaining-g.delay, 0)
		g.delay, g.joinAt = next, now+next
		return
	}
	g.complete(now)
}

// endSync drops the members that did not fetch their assignment.
func (g *Classic) endSync(now Millis) {
	g.syncAt = 0
	if g.state != Completing && g.state != Stable || len(g.unsynced) == 0 {
		return
	}
	for id := range g.unsynced {
		g.remove(id)
	}
	g.prepare(now)
}
