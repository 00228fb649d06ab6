package group

import "github.com/twmb/franz-go/pkg/kerr"

// SyncRequest asks for the member's assignment, or, from the leader, brings all.
type SyncRequest struct {
	Member, Instance       string
	Generation             Generation
	ProtocolType, Protocol string // empty: not said
	Assignments            map[string][]byte
}

// Sync answers at once or, while the leader's assignment is missing, later.
func (g *Classic) Sync(now Millis, r *SyncRequest, t Ticket) {
	answer := func(s *Synced) { g.answers = append(g.answers, Answer{Ticket: t, Synced: s}) }
	if code := g.checkSync(r); code != 0 {
		answer(&Synced{Code: code})
		return
	}
	m := g.index[r.Member]
	switch g.state {
	case Completing:
		g.failSync(m, kerr.RebalanceInProgress.Code) // the older of two requests
		m.sync = t
		g.hasSynced(m)
		if m.ID == g.leader {
			g.assign(now, r.Assignments)
		}
	case Stable:
		g.hasSynced(m)
		answer(&Synced{ProtocolType: g.protocolType, Protocol: g.protocol, Assignment: m.Assignment})
	case Preparing:
		answer(&Synced{Code: kerr.RebalanceInProgress.Code})
	case Empty:
		answer(&Synced{Code: kerr.UnknownMemberID.Code})
	}
}

func (g *Classic) checkSync(r *SyncRequest) int16 {
	if g.state == Empty {
		return kerr.UnknownMemberID.Code
	}
	if code := g.validate(r.Member, r.Instance); code != 0 {
		return code
	}
	if r.Generation != g.generation {
		return kerr.IllegalGeneration.Code
	}
	if r.ProtocolType != "" && r.ProtocolType != g.protocolType || r.Protocol != "" && r.Protocol != g.protocol {
		return kerr.InconsistentGroupProtocol.Code
	}
	return 0
}

func (g *Classic) hasSynced(m *Member) {
	if delete(g.unsynced, m.ID); len(g.unsynced) == 0 {
		g.syncAt = 0
	}
}

// assign takes the leader's assignment and tells everybody who waits for it.
func (g *Classic) assign(now Millis, assignments map[string][]byte) {
	for _, m := range g.members {
		m.Assignment = assignments[m.ID]
		if t := m.sync; t != 0 {
			m.sync = 0
			g.answers = append(g.answers, Answer{Ticket: t, Synced: &Synced{
				ProtocolType: g.protocolType, Protocol: g.protocol, Assignment: m.Assignment,
			}})
			g.beat(m, now)
		}
	}
	g.enter(Stable, now)
	g.changed = true
}

// Heartbeat keeps a member and returns an error code, which tells it to join
// again while the group rebalances.
func (g *Classic) Heartbeat(now Millis, id, instance string, generation Generation) int16 {
	if code := g.validate(id, instance); code != 0 {
		return code
	}
	if generation != g.generation {
		return kerr.IllegalGeneration.Code
	}
	if g.state == Empty {
		return kerr.UnknownMemberID.Code
	}
	g.beat(g.index[id], now)
	if g.state == Preparing {
		return kerr.RebalanceInProgress.Code
	}
	return 0
}

// Leave removes a member, by its id or, for administrators, by its instance alone.
func (g *Classic) Leave(id, instance string) int16 {
	if id == "" {
		existing, ok := g.static[instance]
		if instance == "" || !ok {
			return kerr.UnknownMemberID.Code
		}
		g.remove(existing)
		return 0
	}
	if _, ok := g.pending[id]; ok {
		g.remove(id)
		return 0
	}
	if code := g.validate(id, instance); code != 0 {
		return code
	}
	g.remove(id)
	return 0
}

// Left lets the group go on after members have left.
func (g *Classic) Left(now Millis) {
	if g.state == Stable || g.state == Completing {
		g.prepare(now)
	} else {
		g.completeIfJoined(now)
	}
}

// CheckCommit says whether a commit of offsets may be taken, and keeps its sender.
// generation is -1 and id empty for one who is no member; in a transaction that
// is taken from anybody.
func (g *Classic) CheckCommit(now Millis, id, instance string, generation Generation, transaction bool) int16 {
	if generation < 0 && g.state == Empty {
		return 0
	}
	switch {
	case generation >= 0 || id != "" || instance != "":
		if code := g.validate(id, instance); code != 0 {
			return code
		}
		if generation != g.generation {
			return kerr.IllegalGeneration.Code
		}
	case !transaction && g.state != Empty:
		return kerr.UnknownMemberID.Code
	}
	if transaction {
		return 0
	}
	if g.state == Completing {
		return kerr.RebalanceInProgress.Code
	}
	if m := g.index[id]; m != nil {
		g.beat(m, now)
	}
	return 0
}
