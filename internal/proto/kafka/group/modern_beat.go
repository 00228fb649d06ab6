package group

import (
	"cmp"
	"slices"

	"github.com/twmb/franz-go/pkg/kerr"
)

// BeatRequest is a heartbeat of a modern member: it joins with epoch 0.
type BeatRequest struct {
	Member, Client, Host string
	Epoch                Generation
	Session              Millis // without a heartbeat the member is out; 0: the group's
	// What follows is nil, or -1, where it has not changed since the last one.
	Instance, Rack, Regex, Assignor *string
	Rebalance                       Millis
	Names                           []string
	Owned                           *Parts
}

// Beat answers it.
type Beat struct {
	Code     int16
	Text     string
	Member   string
	Epoch    Generation
	Assigned *Parts // nil: as before
	Settled  bool   // nothing to do until something changes
}

func refused(e *kerr.Error, text string) Beat { return Beat{Code: e.Code, Text: text} }

// Heartbeat keeps a member and brings it closer to its target. The request has
// been through Check.
func (g *Modern) Heartbeat(now Millis, r *BeatRequest, c Catalog) Beat {
	if r.Epoch < 0 {
		return g.leave(now, r)
	}
	m, bad := g.sender(now, r)
	if bad.Code != 0 {
		return bad
	}
	before := m.Assigned
	g.update(now, m, r, c)
	g.reconcile(now, m, r.Owned)
	m.deadline = now + cmp.Or(r.Session, g.options.Session)
	b := Beat{Member: m.ID, Epoch: m.Epoch, Settled: g.reconciled(m) && g.epoch == g.targetEpoch}
	full := r.Epoch == 0 || r.Rebalance >= 0 && (r.Names != nil || r.Regex != nil) && r.Owned != nil
	if full || !slices.Equal(before, m.Assigned) {
		b.Assigned = &m.Assigned
	}
	return b
}

// Check says what is wrong with the request whoever sends it.
func (r *BeatRequest) Check(shared bool) Beat {
	bad := ""
	switch {
	case r.Member == "":
		bad = "MemberId can't be empty."
	case r.Instance != nil && *r.Instance == "":
		bad = "InstanceId can't be empty."
	case r.Rack != nil && *r.Rack == "":
		bad = "RackId can't be empty."
	case r.Epoch < EpochLeaveStatic:
		bad = "MemberEpoch is invalid."
	case r.Epoch == EpochLeaveStatic && r.Instance == nil:
		bad = "InstanceId can't be null."
	case r.Epoch != 0:
	case shared:
		if len(r.Names) == 0 {
			bad = "SubscribedTopicNames must be set in first request."
		}
	case r.Rebalance < 0:
		bad = "RebalanceTimeoutMs must be provided in first request."
	case r.Owned == nil || len(*r.Owned) > 0:
		bad = "TopicPartitions must be empty when (re-)joining."
	case len(r.Names) == 0 && (r.Regex == nil || *r.Regex == ""):
		bad = "Either SubscribedTopicNames or SubscribedTopicRegex must be non-null when (re-)joining."
	}
	switch {
	case bad != "":
		return refused(kerr.InvalidRequest, bad)
	case r.Assignor != nil && *r.Assignor != AssignorUniform && *r.Assignor != AssignorRange:
		return refused(kerr.UnsupportedAssignor, "ServerAssignor "+*r.Assignor+" is not supported. Supported assignors: uniform, range.")
	}
	if r.Regex != nil && *r.Regex != "" {
		if _, err := Compile(*r.Regex); err != nil {
			return refused(kerr.InvalidRegularExpression, "SubscribedTopicRegex `"+*r.Regex+"` is not a valid regular expression: "+err.Error()+".")
		}
	}
	return Beat{}
}

// sender finds or makes the member that a heartbeat comes from.
func (g *Modern) sender(now Millis, r *BeatRequest) (*ModernMember, Beat) {
	if r.Instance != nil {
		return g.staticSender(now, r)
	}
	m := g.index[r.Member]
	switch {
	case m == nil && r.Epoch > 0:
		return nil, refused(kerr.UnknownMemberID, "Member "+r.Member+" is not a member of the group.")
	case m == nil:
		return g.welcome(now, r, nil)
	case r.Epoch == 0:
		// It begins anew, with nothing; or it missed the answer to its first one.
		m.Epoch, m.Previous, m.State, m.Assigned, m.Revoking, m.Classic = 0, 0, MemberStable, nil, nil, nil
		m.revokeBy, m.joinBy, m.syncBy = 0, 0, 0
		g.changed = true
		return m, Beat{}
	}
	return m, m.fence(r)
}

// fence refuses members that are not where the group thinks they are. An answer
// that was lost is no reason.
func (m *ModernMember) fence(r *BeatRequest) Beat {
	if r.Epoch == m.Epoch || r.Epoch == m.Previous && r.Epoch < m.Epoch && (r.Owned == nil || r.Owned.within(m.Assigned)) {
		return Beat{}
	}
	return refused(kerr.FencedMemberEpoch, "The member must abandon all its partitions and rejoin.")
}

func (g *Modern) welcome(now Millis, r *BeatRequest, from *ModernMember) (*ModernMember, Beat) {
	if from != nil {
		delete(g.index, from.ID)
		from.ID, from.Epoch, from.Previous, from.State, from.Revoking, from.Classic = r.Member, 0, 0, MemberStable, nil, nil
		from.revokeBy, from.joinBy, from.syncBy = 0, 0, 0
		g.index[from.ID], g.changed = from, true
		return from, Beat{}
	}
	if g.options.SizeMax > 0 && len(g.members) >= g.options.SizeMax {
		return nil, refused(kerr.GroupMaxSizeReached, "The group has reached its maximum capacity.")
	}
	m := &ModernMember{ID: r.Member}
	g.add(m, now)
	return m, Beat{}
}

func (g *Modern) staticSender(now Millis, r *BeatRequest) (*ModernMember, Beat) {
	m := g.static(*r.Instance)
	switch {
	case r.Epoch == 0 && m == nil:
		return g.welcome(now, r, nil)
	case r.Epoch == 0 && m.ID == r.Member && m.Epoch != EpochLeaveStatic:
		return g.welcome(now, r, m)
	case r.Epoch == 0 && m.Classic == nil && m.Epoch != EpochLeaveStatic:
		return nil, refused(kerr.UnreleasedInstanceID, "Static member "+r.Member+" with instance id "+*r.Instance+
			" cannot join the group because the instance id is owned by "+m.ID+" member.")
	case r.Epoch == 0:
		return g.welcome(now, r, m)
	case m == nil:
		return nil, refused(kerr.UnknownMemberID, "Instance id "+*r.Instance+" is unknown.")
	case m.ID != r.Member:
		return nil, refused(kerr.FencedInstanceID, "Static member "+r.Member+" with instance id "+*r.Instance+" was fenced by member "+m.ID+".")
	}
	return m, m.fence(r)
}

// update takes over what a member says, and assigns anew if that matters.
func (g *Modern) update(now Millis, m *ModernMember, r *BeatRequest, c Catalog) {
	changed := false
	set := func(field, value *string) {
		if value != nil && *field != *value {
			*field, g.changed = *value, true
		}
	}
	set(&m.Instance, r.Instance)
	set(&m.Rack, r.Rack)
	set(&m.Assignor, r.Assignor)
	set(&m.Client, &r.Client)
	set(&m.Host, &r.Host)
	if r.Rebalance >= 0 {
		m.Rebalance = r.Rebalance
	}
	if names := slices.Compact(slices.Sorted(slices.Values(r.Names))); r.Names != nil && !slices.Equal(names, m.Names) {
		m.Names, changed = names, true
	}
	if r.Regex != nil && *r.Regex != m.Regex {
		m.Regex, m.Matched, m.compiled, m.refreshAt, changed = *r.Regex, nil, nil, 0, true
	}
	if r.Epoch == 0 {
		m.refreshAt, g.refreshAt = 0, 0 // who joins sees what there is
	}
	changed = m.match(now, g.options.Refresh, c) || changed
	g.refresh(now, c, changed)
}

// reconcile brings a member closer to its target. owned is what it says it has.
func (g *Modern) reconcile(now Millis, m *ModernMember, owned *Parts) {
	if g.shared {
		if m.Epoch != g.targetEpoch {
			m.Previous, m.Epoch, m.Assigned, g.changed = m.Epoch, g.targetEpoch, m.Target, true
		}
		return
	}
	has := func(ps Parts) bool {
		return len(ps) > 0 && (owned == nil || slices.ContainsFunc(*owned, ps.Has))
	}
	was := m.Epoch
	switch {
	case g.reconciled(m):
		return
	case m.State == MemberRevoking:
		if has(m.Revoking) {
			return
		}
		m.Epoch++
		m.Revoking, g.changed = nil, true
	}
	g.step(now, m, has)
	if m.Epoch != was {
		m.Previous = was // what the member knows until it has the answer
	}
}

// step computes what a member may have now: first it gives up, then it gets what
// nobody else has.
func (g *Modern) step(now Millis, m *ModernMember, has func(Parts) bool) {
	keeps := m.Assigned.filter(m.Target.Has)
	revoke := m.Assigned.filter(func(p Part) bool { return !m.Target.Has(p) })
	before := m.State
	if has(revoke) {
		m.State, m.Assigned, m.Revoking = MemberRevoking, keeps, revoke
		m.revokeBy, g.changed = now+m.Rebalance, true
		if m.Classic != nil {
			m.revokeBy = 0 // it has a time to join instead
		}
		return
	}
	m.Revoking, m.revokeBy = nil, 0
	owners := g.owners()
	waits := false
	gets := m.Target.filter(func(p Part) bool {
		if keeps.Has(p) {
			return false
		}
		o := owners[p]
		free := o == nil || o == m
		waits = waits || !free
		return free
	})
	m.Assigned = NewParts(append(slices.Clone(keeps), gets...))
	m.State = MemberStable
	if waits {
		m.State = MemberUnreleased
	}
	if m.Epoch != g.targetEpoch || before != m.State || len(gets) > 0 || len(revoke) > 0 {
		m.Epoch, g.changed = g.targetEpoch, true
	}
}

func (g *Modern) leave(now Millis, r *BeatRequest) Beat {
	m := g.index[r.Member]
	switch {
	case r.Instance != nil:
		if m = g.static(*r.Instance); m == nil {
			return refused(kerr.UnknownMemberID, "Instance id "+*r.Instance+" is unknown.")
		}
		if m.ID != r.Member {
			return refused(kerr.FencedInstanceID, "Static member "+r.Member+" with instance id "+*r.Instance+" was fenced by member "+m.ID+".")
		}
	case m == nil:
		return refused(kerr.UnknownMemberID, "Member "+r.Member+" is not a member of the group.")
	}
	if r.Epoch == EpochLeaveStatic {
		m.Epoch, m.Revoking, m.revokeBy, g.changed = EpochLeaveStatic, nil, 0, true
	} else {
		g.remove(m, now)
	}
	return Beat{Member: m.ID, Epoch: r.Epoch}
}
