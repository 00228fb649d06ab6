package group

import (
	"cmp"
	"slices"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// Millis is a time in unix milliseconds, or a span of it.
type Millis int64

// Ticket stands for a request that waits; 0 is none.
type Ticket uint64

// Generation counts the assignments of a group.
type Generation int32

// State is how far a rebalance is.
type State uint8

// The states of a classic group.
const (
	Empty      State = iota // no members, maybe offsets
	Preparing               // waiting for members to join
	Completing              // waiting for the leader's assignment
	Stable
)

// String returns the state as Kafka's tools show it.
func (s State) String() string {
	return [...]string{"Empty", "PreparingRebalance", "CompletingRebalance", "Stable"}[s]
}

// Options bound a group.
type Options struct {
	// InitialDelay is how long the first members of an empty group wait for more.
	InitialDelay Millis
	// SizeMax bounds the members; 0 does not.
	SizeMax int
}

// newMemberTimeout ends the wait of a new member whose client may have gone: it
// cannot heartbeat before it knows its id.
const newMemberTimeout Millis = 5 * 60 * 1000

// Protocol is one way of assigning that a member knows, with what it says to it.
type Protocol struct {
	Name     string
	Metadata []byte
}

// Member is one consumer of a classic group.
type Member struct {
	ID, Instance string // Instance is empty for dynamic members
	Client, Host string
	Session      Millis
	Rebalance    Millis
	Protocols    []Protocol
	Assignment   []byte
	join, sync   Ticket
	isNew        bool
	deadline     Millis // of its heartbeat; 0 while it waits for the group
}

// Metadata returns what the member said to a protocol.
func (m *Member) Metadata(protocol string) []byte {
	for i := range m.Protocols {
		if m.Protocols[i].Name == protocol {
			return m.Protocols[i].Metadata
		}
	}
	return nil
}

// Parts returns what a consumer was assigned, by topic; nil where it is none.
func (m *Member) Parts() map[string][]int32 {
	a := kmsg.NewConsumerMemberAssignment()
	if len(m.Assignment) == 0 || a.ReadFrom(m.Assignment) != nil {
		return nil
	}
	parts := map[string][]int32{}
	for _, t := range a.Topics {
		parts[t.Topic] = append(parts[t.Topic], t.Partitions...)
	}
	return parts
}

func (m *Member) supports(protocol string) bool {
	return slices.ContainsFunc(m.Protocols, func(p Protocol) bool { return p.Name == protocol })
}

// matches says whether the member is asking for what it has asked for already.
func (m *Member) matches(protocols []Protocol) bool {
	return slices.EqualFunc(m.Protocols, protocols, func(a, b Protocol) bool {
		return a.Name == b.Name && string(a.Metadata) == string(b.Metadata)
	})
}

// Classic is a group whose members assign the partitions themselves.
type Classic struct {
	options      Options
	state        State
	wasEmpty     bool // before Preparing: its first members may wait for more
	since        Millis
	generation   Generation
	protocolType string
	protocol     string
	leader       string
	members      []*Member // in the order they came
	index        map[string]*Member
	static       map[string]string // instance to member id
	pending      map[string]Millis // ids given out that have not joined, and until when
	unsynced     map[string]bool

	joinAt    Millis // when the join phase ends; 0 never
	remaining Millis // of the initial delay's extensions
	delay     Millis
	grew      bool
	syncAt    Millis // when those that have not synced are dropped; 0 never

	answers []Answer
	changed bool
}

// NewClassic returns an empty group.
func NewClassic(o Options, now Millis) *Classic {
	return &Classic{
		options: o, since: now, index: map[string]*Member{}, static: map[string]string{},
		pending: map[string]Millis{}, unsynced: map[string]bool{},
	}
}

// State returns how far the group is.
func (g *Classic) State() State { return g.state }

// Since returns when the state was entered.
func (g *Classic) Since() Millis { return g.since }

// Generation returns the current generation, 0 before the first.
func (g *Classic) Generation() Generation { return g.generation }

// ProtocolType returns what kind of members there are: "consumer", or empty for a
// group that never had any.
func (g *Classic) ProtocolType() string { return g.protocolType }

// Protocol returns the chosen protocol; empty before one is.
func (g *Classic) Protocol() string { return g.protocol }

// Members lists the members in the order they came. They are only read.
func (g *Classic) Members() []*Member { return g.members }

// Idle says that nobody is, or is about to be, a member.
func (g *Classic) Idle() bool { return g.state == Empty && len(g.pending) == 0 }

// Changed says whether there is something to store since the last call.
func (g *Classic) Changed() bool {
	was := g.changed
	g.changed = false
	return was
}

// Answers returns the answers since the last call.
func (g *Classic) Answers() []Answer {
	out := g.answers
	g.answers = nil
	return out
}

// Answer is the answer to the request of a ticket: one of the two.
type Answer struct {
	Ticket Ticket
	Joined *Joined
	Synced *Synced
}

// Joined answers a join.
type Joined struct {
	Code                   int16
	Member, Leader         string
	Generation             Generation
	ProtocolType, Protocol string
	Skip                   bool // the leader need not assign
	Members                []JoinedMember
}

// JoinedMember is what the leader learns of a member.
type JoinedMember struct {
	ID, Instance string
	Metadata     []byte
}

// Synced answers a sync.
type Synced struct {
	Code                   int16
	ProtocolType, Protocol string
	Assignment             []byte
}

func (g *Classic) enter(s State, now Millis) {
	g.wasEmpty = g.state == Empty
	g.state, g.since = s, now
}

// validate says what is wrong with the sender of a request.
func (g *Classic) validate(id, instance string) int16 {
	if instance != "" {
		switch existing, ok := g.static[instance]; {
		case !ok:
			return kerr.UnknownMemberID.Code
		case existing != id:
			return kerr.FencedInstanceID.Code
		}
	}
	if g.index[id] == nil {
		return kerr.UnknownMemberID.Code
	}
	return 0
}

func (g *Classic) add(m *Member) {
	if len(g.members) == 0 {
		g.leader = m.ID
	}
	g.members = append(g.members, m)
	g.index[m.ID] = m
	delete(g.pending, m.ID)
	if m.Instance != "" {
		g.static[m.Instance] = m.ID
	}
}

// remove forgets a member, who is told to come back if it waits.
func (g *Classic) remove(id string) {
	delete(g.pending, id)
	delete(g.unsynced, id)
	m := g.index[id]
	if m == nil {
		return
	}
	g.failJoin(m, kerr.UnknownMemberID.Code)
	g.failSync(m, kerr.UnknownMemberID.Code)
	delete(g.index, id)
	if m.Instance != "" && g.static[m.Instance] == id {
		delete(g.static, m.Instance)
	}
	g.members = slices.DeleteFunc(g.members, func(o *Member) bool { return o == m })
	if g.leader == id {
		g.leader = ""
		if len(g.members) > 0 {
			g.leader = g.members[0].ID
		}
	}
}

func (g *Classic) failJoin(m *Member, code int16) {
	if m.join != 0 {
		id := ""
		if code == kerr.FencedInstanceID.Code {
			id = m.ID
		}
		g.answers = append(g.answers, Answer{Ticket: m.join, Joined: &Joined{Code: code, Member: id, Generation: -1}})
		m.join = 0
	}
}

func (g *Classic) failSync(m *Member, code int16) {
	if m.sync != 0 {
		g.answers = append(g.answers, Answer{Ticket: m.sync, Synced: &Synced{Code: code}})
		m.sync = 0
	}
}

// beat renews a member's session.
func (g *Classic) beat(m *Member, now Millis) { m.deadline = now + m.Session }

func (g *Classic) allJoined() bool {
	return len(g.pending) == 0 && !slices.ContainsFunc(g.members, func(m *Member) bool { return m.join == 0 })
}

func (g *Classic) awaiting() int {
	n := 0
	for _, m := range g.members {
		if m.join != 0 {
			n++
		}
	}
	return n
}

// rebalanceTimeout is the longest of the members'.
func (g *Classic) rebalanceTimeout() Millis {
	var longest Millis
	for _, m := range g.members {
		longest = max(longest, m.Rebalance)
	}
	return longest
}

// accepts says whether a member with these protocols fits in.
func (g *Classic) accepts(protocolType string, protocols []Protocol) bool {
	if g.state == Empty || len(g.members) == 0 {
		return protocolType != "" && len(protocols) > 0
	}
	return protocolType == g.protocolType && slices.ContainsFunc(protocols, func(p Protocol) bool { return g.allSupport(p.Name) })
}

func (g *Classic) allSupport(protocol string) bool {
	return !slices.ContainsFunc(g.members, func(m *Member) bool { return !m.supports(protocol) })
}

// choose lets each member vote for the first of its protocols that all know.
func (g *Classic) choose() string {
	votes := map[string]int{}
	for _, m := range g.members {
		for i := range m.Protocols {
			if name := m.Protocols[i].Name; g.allSupport(name) {
				votes[name]++
				break
			}
		}
	}
	chosen := ""
	for name, n := range votes {
		if chosen == "" || cmp.Or(cmp.Compare(n, votes[chosen]), cmp.Compare(chosen, name)) > 0 {
			chosen = name
		}
	}
	return chosen
}
