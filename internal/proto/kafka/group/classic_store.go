package group

import (
	"encoding/json"
	"errors"
	"fmt"
)

var errKept = errors.New("group: stored state: a member that is nothing")

// Subscribed lists the topics that members read, where they are consumers.
func (g *Classic) Subscribed() []string {
	if g.protocolType != ConsumerProtocol {
		return nil
	}
	var all []string
	for _, m := range g.members {
		for i := range m.Protocols {
			if s, ok := subscription(m.Protocols[i].Metadata); ok {
				all = append(all, s.Topics...)
			}
		}
	}
	return sortedNames(all)
}

// stored is what is kept of a classic group between two runs of the broker.
type stored struct {
	Generation   Generation
	ProtocolType string
	Protocol     string
	Leader       string
	Since        Millis
	Members      []*Member
}

// classicKey is the only key of what Encode returns.
const classicKey = "classic"

// IsClassic says whether what was encoded is a classic group.
func IsClassic(kept map[string]string) bool { return kept[classicKey] != "" }

// Encode returns what is worth keeping: the last generation that was assigned.
func (g *Classic) Encode() (map[string]string, error) {
	s := stored{Generation: g.generation, ProtocolType: g.protocolType, Since: g.since}
	if g.state == Stable {
		s.Protocol, s.Leader, s.Members = g.protocol, g.leader, g.members
	}
	b, err := json.Marshal(&s)
	return map[string]string{classicKey: string(b)}, err
}

// DecodeClassic returns the group that was encoded. Its members' sessions begin
// anew: they could not heartbeat in between.
func DecodeClassic(kept map[string]string, o Options, now Millis) (*Classic, error) {
	var s stored
	if err := json.Unmarshal([]byte(kept[classicKey]), &s); err != nil {
		return nil, fmt.Errorf("group: stored state: %w", err)
	}
	g := NewClassic(o, s.Since)
	g.generation, g.protocolType = s.Generation, s.ProtocolType
	for _, m := range s.Members {
		if m == nil {
			return nil, errKept
		}
		g.add(m)
		g.beat(m, now)
	}
	if len(g.members) > 0 {
		g.state, g.protocol, g.leader = Stable, s.Protocol, s.Leader
	}
	return g, nil
}
