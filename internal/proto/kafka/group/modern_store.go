package group

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
)

// storedModern is what is kept of a modern group between two runs of the broker,
// besides its members.
type storedModern struct {
	Shared bool
	Epoch  Generation
	Target Generation
	Since  Millis
	Known  []Topic
}

// Encode returns what is kept of the group, by a key of its own for the group and
// for every member: few members change at once.
func (g *Modern) Encode() (map[string]string, error) {
	s := storedModern{Shared: g.shared, Epoch: g.epoch, Target: g.targetEpoch, Since: g.since}
	for _, name := range slices.Sorted(maps.Keys(g.known)) {
		s.Known = append(s.Known, g.known[name])
	}
	b, err := json.Marshal(&s)
	out := map[string]string{groupKey: string(b)}
	for _, m := range g.members {
		if err == nil {
			b, err = json.Marshal(m)
			out[memberKeys+m.ID] = string(b)
		}
	}
	return out, err
}

// The keys of what Encode returns.
const (
	groupKey   = "modern"
	memberKeys = "modern/"
)

// DecodeModern returns the group that was encoded. Its members' sessions begin
// anew: they could not heartbeat in between.
func DecodeModern(stored map[string]string, o ModernOptions, now Millis) (*Modern, error) {
	var s storedModern
	if err := json.Unmarshal([]byte(stored[groupKey]), &s); err != nil {
		return nil, fmt.Errorf("group: stored state: %w", err)
	}
	g := NewModern(o, s.Shared, s.Epoch, s.Since)
	g.targetEpoch = s.Target
	for _, t := range s.Known {
		g.known[t.Name] = t
	}
	for _, key := range slices.Sorted(maps.Keys(stored)) {
		if key == groupKey {
			continue
		}
		m := &ModernMember{}
		if err := json.Unmarshal([]byte(stored[key]), m); err != nil {
			return nil, fmt.Errorf("group: stored member: %w", err)
		}
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
