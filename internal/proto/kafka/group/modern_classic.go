package group

import (
	"slices"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// ConsumerProtocol is the protocol type whose metadata are subscriptions.
const ConsumerProtocol = "consumer"

// subscription reads what a member of the classic protocol wants and has.
func subscription(metadata []byte) (s kmsg.ConsumerMemberMetadata, ok bool) {
	s = kmsg.NewConsumerMemberMetadata()
	return s, s.ReadFrom(metadata) == nil
}

// FromClassic makes a modern group of a classic one, whose members go on as they
// are. False says that they are not consumers as the modern protocol knows them.
// Whoever waits in the classic group is told to come back.
func FromClassic(now Millis, old *Classic, o ModernOptions, c Catalog) (*Modern, bool) {
	if old.protocolType != ConsumerProtocol {
		return nil, false
	}
	g := NewModern(o, false, old.generation, now)
	for _, m := range old.members {
		n, ok := g.fromClassic(now, m, old, c)
		if !ok {
			return nil, false
		}
		g.add(n, now)
	}
	for _, m := range old.members {
		old.failJoin(m, kerr.RebalanceInProgress.Code)
		old.failSync(m, kerr.RebalanceInProgress.Code)
	}
	return g, true
}

func (g *Modern) fromClassic(now Millis, m *Member, old *Classic, c Catalog) (*ModernMember, bool) {
	metadata := m.Metadata(old.protocol)
	if metadata == nil && len(m.Protocols) > 0 {
		metadata = m.Protocols[0].Metadata
	}
	s, ok := subscription(metadata)
	if !ok {
		return nil, false
	}
	n := &ModernMember{
		ID: m.ID, Instance: m.Instance, Client: m.Client, Host: m.Host, Rebalance: m.Rebalance, Epoch: g.epoch, Previous: g.epoch,
		Names: sortedNames(s.Topics), Classic: &ClassicSide{Session: m.Session, Protocols: m.Protocols}, deadline: now + m.Session,
	}
	if s.Rack != nil {
		n.Rack = *s.Rack
	}
	a := kmsg.NewConsumerMemberAssignment()
	if len(m.Assignment) > 0 && a.ReadFrom(m.Assignment) != nil {
		return nil, false
	}
	var parts []Part
	for _, t := range a.Topics {
		if topic, ok := c.Topic(t.Topic); ok {
			g.known[t.Topic] = topic
			for _, number := range t.Partitions {
				parts = append(parts, Part{topic.ID, number})
			}
		}
	}
	n.Assigned = NewParts(parts)
	n.Target = n.Assigned
	return n, true
}

func sortedNames(names []string) []string { return slices.Compact(slices.Sorted(slices.Values(names))) }

// OnlyClassic says that there are members, none of which uses the newer protocol.
func (g *Modern) OnlyClassic() bool {
	return len(g.members) > 0 && !slices.ContainsFunc(g.members, func(m *ModernMember) bool { return m.Classic == nil })
}

// ToClassic makes a classic group of a modern one whose members, if any, are all
// classic, and begins a rebalance.
func (g *Modern) ToClassic(now Millis, o Options) *Classic {
	c := NewClassic(o, now)
	c.generation, c.protocolType = g.epoch, ConsumerProtocol
	for _, m := range g.members {
		n := &Member{
			ID: m.ID, Instance: m.Instance, Client: m.Client, Host: m.Host, Session: m.Classic.Session, Rebalance: m.Rebalance,
			Protocols: m.Classic.Protocols, Assignment: g.encodeAssignment(m, m.Target), deadline: now + m.Classic.Session,
		}
		c.add(n)
	}
	if len(g.members) > 0 {
		c.state, c.protocol = Stable, c.choose()
		c.prepare(now)
	}
	return c
}

// encodeAssignment is partitions as a member of the classic protocol reads them.
func (g *Modern) encodeAssignment(m *ModernMember, parts Parts) []byte {
	a := kmsg.NewConsumerMemberAssignment()
	if s, ok := subscription(m.Classic.Protocols[0].Metadata); ok {
		a.Version = s.Version
	}
	for _, p := range parts {
		name, ok := g.TopicNamed(p.Topic)
		if !ok {
			continue
		}
		if n := len(a.Topics); n == 0 || a.Topics[n-1].Topic != name {
			t := kmsg.NewConsumerMemberAssignmentTopic()
			t.Topic = name
			a.Topics = append(a.Topics, t)
		}
		t := &a.Topics[len(a.Topics)-1]
		t.Partitions = append(t.Partitions, p.Number)
	}
	return a.AppendTo(nil)
}

// JoinClassic lets a member of the classic protocol in. It is answered at once, as
// one who does not lead.
func (g *Modern) JoinClassic(now Millis, r *JoinRequest, c Catalog) *Joined {
	fail := func(e *kerr.Error) *Joined { return &Joined{Code: e.Code, Member: r.Member, Generation: -1} }
	if g.shared || !g.acceptsClassic(r) {
		return fail(kerr.InconsistentGroupProtocol)
	}
	s, ok := subscription(r.Protocols[0].Metadata)
	if !ok {
		return fail(kerr.InconsistentGroupProtocol)
	}
	if r.TwoSteps && r.Member == "" && r.Instance == "" {
		return &Joined{Code: kerr.MemberIDRequired.Code, Member: r.NewID, Generation: -1}
	}
	m, code := g.classicSender(now, r)
	if code != nil {
		return fail(code)
	}
	m.Client, m.Host, m.Rebalance, m.Regex, m.Matched = r.Client, r.Host, r.Rebalance, "", nil
	m.Classic = &ClassicSide{Session: r.Session, Protocols: r.Protocols}
	g.changed = true
	names := sortedNames(s.Topics)
	changed := !slices.Equal(names, m.Names)
	m.Names = names
	g.refresh(now, c, changed)
	owned := g.owned(&s)
	g.reconcile(now, m, &owned)
	m.deadline, m.joinBy, m.syncBy = now+r.Session, 0, now+m.Rebalance
	return &Joined{Member: m.ID, Generation: m.Epoch, ProtocolType: ConsumerProtocol, Protocol: r.Protocols[0].Name}
}

func (g *Modern) acceptsClassic(r *JoinRequest) bool {
	if r.ProtocolType != ConsumerProtocol {
		return false
	}
	return slices.ContainsFunc(r.Protocols, func(p Protocol) bool {
		return !slices.ContainsFunc(g.members, func(m *ModernMember) bool {
			return m.Classic != nil && !slices.ContainsFunc(m.Classic.Protocols, func(o Protocol) bool { return o.Name == p.Name })
		})
	})
}

// classicSender finds or makes the member that a join comes from.
func (g *Modern) classicSender(now Millis, r *JoinRequest) (*ModernMember, *kerr.Error) {
	id := r.Member
	if id == "" {
		id = r.NewID
	}
	beat := &BeatRequest{Member: id, Client: r.Client, Host: r.Host}
	m := g.index[id]
	if r.Instance != "" {
		old := g.static(r.Instance)
		switch {
		case r.Member == "" && old != nil:
			m, _ = g.welcome(now, beat, old)
			return m, nil
		case r.Member != "" && old == nil:
			return nil, kerr.UnknownMemberID
		case r.Member != "" && old.ID != r.Member:
			return nil, kerr.FencedInstanceID
		}
		m = old
	}
	if m != nil {
		return m, nil
	}
	m, bad := g.welcome(now, beat, nil)
	if bad.Code != 0 {
		return nil, kerr.GroupMaxSizeReached
	}
	m.Instance = r.Instance
	return m, nil
}

// owned is what a classic member says it has.
func (g *Modern) owned(s *kmsg.ConsumerMemberMetadata) Parts {
	var parts []Part
	for _, t := range s.OwnedPartitions {
		if topic, ok := g.known[t.Topic]; ok {
			for _, number := range t.Partitions {
				parts = append(parts, Part{topic.ID, number})
			}
		}
	}
	return NewParts(parts)
}

// classicMember checks the sender of a request of the classic protocol.
func (g *Modern) classicMember(id, instance string) (*ModernMember, int16) {
	m := g.index[id]
	if instance != "" {
		if m = g.static(instance); m != nil && id != "" && m.ID != id {
			return nil, kerr.FencedInstanceID.Code
		}
	}
	if m == nil || m.Classic == nil {
		return nil, kerr.UnknownMemberID.Code
	}
	return m, 0
}

// SyncClassic answers with what the member has been assigned.
func (g *Modern) SyncClassic(now Millis, r *SyncRequest) *Synced {
	m, code := g.classicMember(r.Member, r.Instance)
	if code != 0 {
		return &Synced{Code: code}
	}
	protocol := m.Classic.Protocols[0].Name
	switch {
	case r.Generation != m.Epoch:
		code = kerr.IllegalGeneration.Code
	case r.ProtocolType != "" && r.ProtocolType != ConsumerProtocol, r.Protocol != "" && r.Protocol != protocol:
		code = kerr.InconsistentGroupProtocol.Code
	case g.epoch > m.Epoch && m.State != MemberRevoking:
		g.recall(now, m)
		code = kerr.RebalanceInProgress.Code
	}
	if code != 0 {
		return &Synced{Code: code}
	}
	m.syncBy, m.deadline = 0, now+m.Classic.Session
	return &Synced{ProtocolType: ConsumerProtocol, Protocol: protocol, Assignment: g.encodeAssignment(m, m.Assigned)}
}

// recall gives a classic member, which is told to join, the time for it.
func (g *Modern) recall(now Millis, m *ModernMember) {
	if m.joinBy == 0 {
		m.joinBy = now + m.Rebalance
	}
}

// HeartbeatClassic keeps a member, which is told to join where there is something
// for it to do.
func (g *Modern) HeartbeatClassic(now Millis, id, instance string, generation Generation) int16 {
	m, code := g.classicMember(id, instance)
	if code != 0 {
		return code
	}
	if generation != m.Epoch {
		return kerr.IllegalGeneration.Code
	}
	m.deadline = now + m.Classic.Session
	if m.Epoch < g.epoch || m.State == MemberRevoking || m.State == MemberUnreleased && g.released(m) {
		g.recall(now, m)
		return kerr.RebalanceInProgress.Code
	}
	return 0
}

// released says that a member can have partitions it waits for.
func (g *Modern) released(m *ModernMember) bool {
	owners := g.owners()
	return slices.ContainsFunc(m.Target, func(p Part) bool { return owners[p] == nil })
}

// LeaveClassic removes a member of the classic protocol.
func (g *Modern) LeaveClassic(now Millis, id, instance string) int16 {
	m, code := g.classicMember(id, instance)
	if code == 0 {
		g.remove(m, now)
	}
	return code
}
