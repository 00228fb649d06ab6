package group

import (
	"github.com/twmb/franz-go/pkg/kerr"
)

// JoinRequest asks to be a member.
type JoinRequest struct {
	Member       string // empty for a new one, which then is NewID
	NewID        string
	Instance     string
	Client, Host string
	Session      Millis
	Rebalance    Millis
	ProtocolType string
	Protocols    []Protocol
	// TwoSteps clients are told their id first and join with it.
	TwoSteps bool
	// Skips says that the client understands Joined.Skip.
	Skips bool
}

// Join answers at once or later, through Answers.
func (g *Classic) Join(now Millis, r *JoinRequest, t Ticket) {
	fail := func(code int16, id string) {
		g.answers = append(g.answers, Answer{Ticket: t, Joined: &Joined{Code: code, Member: id, Generation: -1}})
	}
	switch {
	case !g.hasRoom(r.Member):
		g.remove(r.Member)
		fail(kerr.GroupMaxSizeReached.Code, "")
	case !g.accepts(r.ProtocolType, r.Protocols):
		fail(kerr.InconsistentGroupProtocol.Code, r.Member)
	case r.Member != "":
		g.rejoin(now, r, t, fail)
	case r.Instance != "":
		if existing, ok := g.static[r.Instance]; ok {
			g.replace(now, r, existing, t)
		} else {
			g.admit(now, r, r.NewID, t)
		}
	case r.TwoSteps:
		g.pending[r.NewID] = now + r.Session
		fail(kerr.MemberIDRequired.Code, r.NewID)
	default:
		g.admit(now, r, r.NewID, t)
	}
}

// hasRoom counts those who wait while members join: who comes last is left out.
func (g *Classic) hasRoom(id string) bool {
	limit := g.options.SizeMax
	if limit == 0 || g.state == Empty {
		return true
	}
	m := g.index[id]
	if g.state == Preparing {
		return m != nil && m.join != 0 || g.awaiting() < limit
	}
	return m != nil || len(g.members) < limit
}

// admit makes a new member.
func (g *Classic) admit(now Millis, r *JoinRequest, id string, t Ticket) {
	if len(g.members) == 0 {
		g.protocolType = r.ProtocolType
	}
	if g.state == Preparing && g.wasEmpty {
		g.grew = true
	}
	m := &Member{
		ID: id, Instance: r.Instance, Client: r.Client, Host: r.Host, Session: r.Session, Rebalance: r.Rebalance,
		Protocols: r.Protocols, join: t, isNew: true, deadline: now + newMemberTimeout,
	}
	g.add(m)
	g.rebalanceOrComplete(now)
}

func (g *Classic) rejoin(now Millis, r *JoinRequest, t Ticket, fail func(int16, string)) {
	if _, ok := g.pending[r.Member]; ok {
		if r.Instance != "" {
			fail(kerr.UnknownMemberID.Code, r.Member)
			return
		}
		g.admit(now, r, r.Member, t)
		return
	}
	if code := g.validate(r.Member, r.Instance); code != 0 {
		fail(code, r.Member)
		return
	}
	m := g.index[r.Member]
	same := m.matches(r.Protocols)
	switch {
	case g.state == Empty:
		fail(kerr.UnknownMemberID.Code, r.Member)
	case g.state == Completing && same, g.state == Stable && same && m.ID != g.leader:
		// It may have missed the answer to its last join.
		g.answers = append(g.answers, Answer{Ticket: t, Joined: g.joined(m)})
	default:
		g.update(m, r, t)
		g.rebalanceOrComplete(now)
	}
}

// update takes over what a member says anew, and lets it wait.
func (g *Classic) update(m *Member, r *JoinRequest, t Ticket) {
	g.failJoin(m, kerr.RebalanceInProgress.Code) // the older of two requests
	m.Protocols, m.Rebalance, m.Session, m.join = r.Protocols, r.Rebalance, r.Session, t
}

// replace gives a static member's place to a new process of the same instance.
func (g *Classic) replace(now Millis, r *JoinRequest, old string, t Ticket) {
	was := g.index[old]
	g.failJoin(was, kerr.FencedInstanceID.Code)
	g.failSync(was, kerr.FencedInstanceID.Code)
	leader := g.leader
	delete(g.index, old)
	if g.unsynced[old] {
		delete(g.unsynced, old)
		g.unsynced[r.NewID] = true
	}
	m := was
	m.ID, m.Client, m.Host = r.NewID, r.Client, r.Host
	g.index[m.ID], g.static[m.Instance] = m, m.ID
	if leader == old {
		g.leader = m.ID
	}
	g.beat(m, now)
	g.update(m, r, t)
	switch g.state {
	case Stable:
		if g.choose() != g.protocol {
			g.rebalanceOrComplete(now)
			return
		}
		answer := g.joined(m)
		if r.Skips {
			answer.Skip = m.ID == g.leader
		} else {
			answer.Leader, answer.Members = leader, nil // an older leader would assign
		}
		m.join, g.changed = 0, true
		g.answers = append(g.answers, Answer{Ticket: t, Joined: answer})
	case Completing:
		// The leader may have been given the old id to assign to.
		g.prepare(now)
	default:
		g.completeIfJoined(now)
	}
}

// joined is the current generation as m is told of it.
func (g *Classic) joined(m *Member) *Joined {
	j := &Joined{Member: m.ID, Leader: g.leader, Generation: g.generation, ProtocolType: g.protocolType, Protocol: g.protocol}
	if m.ID == g.leader {
		for _, o := range g.members {
			j.Members = append(j.Members, JoinedMember{o.ID, o.Instance, o.Metadata(g.protocol)})
		}
	}
	return j
}

func (g *Classic) rebalanceOrComplete(now Millis) {
	if g.state == Preparing {
		g.completeIfJoined(now)
	} else {
		g.prepare(now)
	}
}

// completeIfJoined ends the join phase early, but not the first one: more members
// may come.
func (g *Classic) completeIfJoined(now Millis) {
	if g.state == Preparing && !g.wasEmpty && g.allJoined() {
		g.complete(now)
	}
}

// prepare begins a rebalance.
func (g *Classic) prepare(now Millis) {
	if g.state == Completing {
		for _, m := range g.members {
			m.Assignment = nil
			if m.sync != 0 {
				g.beat(m, now)
			}
			g.failSync(m, kerr.RebalanceInProgress.Code)
		}
	}
	clear(g.unsynced)
	g.syncAt = 0
	first := g.state == Empty
	g.enter(Preparing, now)
	switch {
	case first && g.options.InitialDelay > 0:
		g.delay = g.options.InitialDelay
		g.remaining, g.grew = max(g.rebalanceTimeout()-g.delay, 0), false
		g.joinAt = now + g.delay
	case g.allJoined():
		g.complete(now)
	default:
		g.wasEmpty = false
		g.joinAt = now + g.rebalanceTimeout()
	}
}

// complete ends the join phase: who has not joined is out, except for static
// members, who keep their place until their session ends.
func (g *Classic) complete(now Millis) {
	g.joinAt = 0
	for _, m := range append([]*Member(nil), g.members...) {
		if m.join == 0 && m.Instance == "" {
			g.remove(m.ID)
		}
	}
	if len(g.members) > 0 && !g.elect() {
		g.joinAt, g.wasEmpty = now+g.rebalanceTimeout(), false
		return
	}
	g.generation++
	if g.generation < 0 {
		g.generation = 1
	}
	if len(g.members) == 0 {
		g.protocol, g.leader, g.changed = "", "", true
		g.enter(Empty, now)
		return
	}
	g.protocol = g.choose()
	g.enter(Completing, now)
	for _, m := range g.members {
		if t := m.join; t != 0 {
			m.join = 0
			g.answers = append(g.answers, Answer{Ticket: t, Joined: g.joined(m)})
		}
		g.beat(m, now)
		m.isNew = false
		g.unsynced[m.ID] = true
	}
	g.syncAt = now + g.rebalanceTimeout()
}

// elect finds a leader among those that have joined.
func (g *Classic) elect() bool {
	if m := g.index[g.leader]; m != nil && m.join != 0 {
		return true
	}
	for _, m := range g.members {
		if m.join != 0 {
			g.leader = m.ID
			return true
		}
	}
	return false
}
