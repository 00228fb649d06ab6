package group

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
)

// storedModern is what is kept of a modern group between two runs of the broker.
type storedModern struct {
	Shared  bool
	Epoch   Generation
	Target  Generation
	Since   Millis
	Known   []Topic
	Members []*ModernMember
}

// Encode returns what is kept of the group.
func (g *Modern) Encode() ([]byte, error) {
	s := storedModern{Shared: g.shared, Epoch: g.epoch, Target: g.targetEpoch, Since: g.since, Members: g.members}
	for _, name := range slices.Sorted(maps.Keys(g.known)) {
		s.Known = append(s.Known, g.known[name])
	}
	return json.Marshal(&s)
}

// DecodeModern returns the group that was encoded. Its members' sessions begin
// anew: they could not heartbeat in between.
func DecodeModern(b []byte, o ModernOptions, now Millis) (*Modern, error) {
	var s storedModern
	if err := json.Unmarshal(b, &s); err != nil {
		return nil, fmt.Errorf("group: stored state: %w", err)
	}
	g := NewModern(o, s.Shared, s.Epoch, s.Since)
	g.targetEpoch = s.Target
	for _, t := range s.Known {
		g.known[t.Name] = t
	}
	for _, m := range s.Members {
		g.members = append(g.members, m)
		g.index[m.ID] = m
		m.deadline = now + o.Session
		if m.Classic != nil {
			m.deadline = now + m.Classic.Session
		}
		if m.State == MemberRevoking && m.Classic == nil {
			m.revokeBy = now + m.Rebalance
		}
	}
	return g, nil
}
