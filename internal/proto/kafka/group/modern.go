package group

import (
	"fmt"
	"maps"
	"regexp"
	"regexp/syntax"
	"slices"

	"github.com/twmb/franz-go/pkg/kerr"
)

// Epochs with which members leave.
const (
	EpochLeave       Generation = -1
	EpochLeaveStatic Generation = -2 // and come back
)

// MemberState is how far a member is with its target.
type MemberState uint8

// The states of a member.
const (
	MemberStable     MemberState = iota
	MemberRevoking               // has to give partitions up first
	MemberUnreleased             // waits for partitions that others still have
)

// ModernMember is one consumer of a modern group.
type ModernMember struct {
	ID, Instance, Rack, Client, Host string
	Epoch, Previous                  Generation
	State                            MemberState
	Rebalance                        Millis
	Names                            []string // topics
	Regex                            string
	Matched                          []string // topics that Regex matches
	Assignor                         string
	Assigned, Revoking, Target       Parts
	Classic                          *ClassicSide `json:",omitempty"`

	compiled  *regexp.Regexp
	deadline  Millis // of its session
	revokeBy  Millis // 0: nothing to revoke
	joinBy    Millis // a classic member that was told to join; 0 none
	syncBy    Millis // a classic member that has joined; 0 none
	refreshAt Millis // when Matched is looked up again
}

// ClassicSide is what a member of the classic protocol says besides.
type ClassicSide struct {
	Session   Millis
	Protocols []Protocol
}

// Topics are those the member reads.
func (m *ModernMember) Topics() []string {
	if len(m.Matched) == 0 {
		return m.Names
	}
	all := append(slices.Clone(m.Names), m.Matched...)
	slices.Sort(all)
	return slices.Compact(all)
}

// ModernState is the state of a modern group.
type ModernState string

// The states of a modern group, as Kafka's tools show them.
const (
	ModernEmpty       ModernState = "Empty"
	ModernAssigning   ModernState = "Assigning"
	ModernReconciling ModernState = "Reconciling"
	ModernStable      ModernState = "Stable"
)

// ModernOptions are the times of a modern group.
type ModernOptions struct {
	Session Millis // a member that does not heartbeat for so long is out
	Refresh Millis // how often topics are looked at
	SizeMax int
}

// Modern is a group whose coordinator assigns: a consumer group of KIP-848, or a
// share group, whose members may have partitions together.
type Modern struct {
	options     ModernOptions
	shared      bool
	epoch       Generation
	targetEpoch Generation
	since       Millis
	members     []*ModernMember
	index       map[string]*ModernMember
	known       map[string]Topic // of what is subscribed to, as it was assigned
	refreshAt   Millis
	changed     bool
}

// NewModern returns an empty group; shared makes it a share group.
func NewModern(o ModernOptions, shared bool, epoch Generation, now Millis) *Modern {
	return &Modern{options: o, shared: shared, epoch: epoch, targetEpoch: epoch, since: now, index: map[string]*ModernMember{}, known: map[string]Topic{}}
}

// Epoch returns the group's epoch and that of its assignment.
func (g *Modern) Epoch() (epoch, target Generation) { return g.epoch, g.targetEpoch }

// Members lists the members in the order they came. They are only read.
func (g *Modern) Members() []*ModernMember { return g.members }

// Shared says that it is a share group.
func (g *Modern) Shared() bool { return g.shared }

// Since returns when the group became empty or got its first member.
func (g *Modern) Since() Millis { return g.since }

// Idle says that there are no members.
func (g *Modern) Idle() bool { return len(g.members) == 0 }

// Changed says whether there is something to store since the last call.
func (g *Modern) Changed() bool {
	was := g.changed
	g.changed = false
	return was
}

// State returns how far the group is.
func (g *Modern) State() ModernState {
	switch {
	case len(g.members) == 0:
		return ModernEmpty
	case g.shared:
		return ModernStable // nobody waits for anybody
	case g.epoch > g.targetEpoch:
		return ModernAssigning
	case slices.ContainsFunc(g.members, func(m *ModernMember) bool { return !g.reconciled(m) }):
		return ModernReconciling
	}
	return ModernStable
}

func (g *Modern) reconciled(m *ModernMember) bool {
	return m.State == MemberStable && m.Epoch == g.targetEpoch
}

// TopicNamed returns the name of a topic that the group's assignment has.
func (g *Modern) TopicNamed(id TopicID) (string, bool) {
	for name, t := range g.known {
		if t.ID == id {
			return name, true
		}
	}
	return "", false
}

// Assignor is the one most members ask for.
func (g *Modern) Assignor() string {
	if g.shared {
		return AssignorSimple
	}
	votes := map[string]int{}
	for _, m := range g.members {
		if m.Assignor != "" {
			votes[m.Assignor]++
		}
	}
	if votes[AssignorRange] > votes[AssignorUniform] {
		return AssignorRange
	}
	return AssignorUniform
}

// Subscribed lists the topics that members read.
func (g *Modern) Subscribed() []string {
	var all []string
	for _, m := range g.members {
		all = append(all, m.Topics()...)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

func (g *Modern) static(instance string) *ModernMember {
	for _, m := range g.members {
		if m.Instance == instance {
			return m
		}
	}
	return nil
}

func (g *Modern) add(m *ModernMember, now Millis) {
	if len(g.members) == 0 {
		g.since = now
	}
	g.members = append(g.members, m)
	g.index[m.ID] = m
	g.changed = true
}

// bump begins a new assignment, which the next heartbeat computes.
func (g *Modern) bump() {
	g.epoch++
	g.changed = true
}

func (g *Modern) remove(m *ModernMember, now Millis) {
	delete(g.index, m.ID)
	g.members = slices.DeleteFunc(g.members, func(o *ModernMember) bool { return o == m })
	if len(g.members) == 0 {
		g.since = now
	}
	g.bump()
}

// owner is who has a partition, or has not given it up yet.
func (g *Modern) owners() map[Part]*ModernMember {
	all := map[Part]*ModernMember{}
	for _, m := range g.members {
		for _, ps := range []Parts{m.Assigned, m.Revoking} {
			for _, p := range ps {
				all[p] = m
			}
		}
	}
	return all
}

// refresh looks at the topics again, if it is time or the subscriptions have
// changed, and assigns where there is something new.
func (g *Modern) refresh(now Millis, c Catalog, changed bool) {
	if changed || now >= g.refreshAt {
		g.refreshAt = now + g.options.Refresh
		known := map[string]Topic{}
		for _, name := range g.Subscribed() {
			if t, ok := c.Topic(name); ok {
				known[name] = t
			} else if t, ok := g.known[name]; ok && !c.Gone(t) {
				known[name] = t // there, but not for this member's eyes
			}
		}
		if !maps.Equal(known, g.known) {
			g.known, changed = known, true
		}
		if changed {
			g.bump()
		}
	}
	if g.epoch > g.targetEpoch {
		assign(g.Assignor(), g.members, g.known)
		g.targetEpoch, g.changed = g.epoch, true
	}
}

// match looks up which topics a member's expression matches.
func (m *ModernMember) match(now, refresh Millis, c Catalog) (changed bool) {
	if m.Regex == "" || now < m.refreshAt && m.refreshAt != 0 {
		return false
	}
	m.refreshAt = now + refresh
	if m.compiled == nil {
		m.compiled, _ = Compile(m.Regex) // was checked when it came
	}
	var matched []string
	for _, t := range c.All() {
		if m.compiled.MatchString(t.Name) {
			matched = append(matched, t.Name)
		}
	}
	slices.Sort(matched)
	changed = !slices.Equal(matched, m.Matched)
	m.Matched = matched
	return changed
}

// ExpressionBytesMax is the longest regular expression taken: a few bytes of one can
// be a thousand instructions.
const ExpressionBytesMax = 1024

var errExpressionTooLong = fmt.Errorf("it is longer than %d bytes", ExpressionBytesMax)

// Compile makes an expression that has to match the whole name.
func Compile(expression string) (*regexp.Regexp, error) {
	if len(expression) > ExpressionBytesMax {
		return nil, errExpressionTooLong
	}
	if _, err := syntax.Parse(expression, syntax.Perl); err != nil {
		return nil, err
	}
	return regexp.Compile("^(?:" + expression + ")$")
}

// CheckCommit says whether a commit of offsets may be taken. Members of the newer
// protocol commit from version 9 of OffsetCommit on, which modern says.
func (g *Modern) CheckCommit(now Millis, id string, epoch Generation, transaction, modern bool) int16 {
	if epoch < 0 && len(g.members) == 0 {
		return 0
	}
	m := g.index[id]
	switch {
	case m == nil:
		return kerr.UnknownMemberID.Code
	case !transaction && m.Classic == nil && !modern:
		return kerr.UnsupportedVersion.Code
	}
	if m.Classic != nil && epoch == m.Epoch && !transaction {
		m.deadline = now + m.Classic.Session
	}
	return m.checkEpoch(epoch)
}

func (m *ModernMember) checkEpoch(epoch Generation) int16 {
	switch {
	case epoch == m.Epoch:
		return 0
	case m.Classic != nil:
		return kerr.IllegalGeneration.Code
	}
	return kerr.StaleMemberEpoch.Code
}

// CheckFetch says whether a member may ask for offsets.
func (g *Modern) CheckFetch(id string, epoch Generation) int16 {
	m := g.index[id]
	if m == nil {
		return kerr.UnknownMemberID.Code
	}
	return m.checkEpoch(epoch)
}

// Next returns when Tick has something to do; false says never.
func (g *Modern) Next() (Millis, bool) {
	var next Millis
	for _, m := range g.members {
		for _, t := range []Millis{m.deadline, m.revokeBy, m.joinBy, m.syncBy} {
			if t != 0 && (next == 0 || t < next) {
				next = t
			}
		}
	}
	return next, next != 0
}

// Tick removes the members that are late.
func (g *Modern) Tick(now Millis) {
	for _, m := range slices.Clone(g.members) {
		for _, t := range []Millis{m.deadline, m.revokeBy, m.joinBy, m.syncBy} {
			if t != 0 && now >= t && g.index[m.ID] == m {
				g.remove(m, now)
			}
		}
	}
}
