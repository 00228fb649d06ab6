package admin

import (
	"net/http"
	"slices"
	"strconv"
	"strings"

	"weir/internal/broker"
	"weir/internal/record"
)

func groupRoutes() []entry {
	return []entry{
		newEntry("api/weir/groups/*", accessUser, verbs{http.MethodGet: (*call).groups}),
		newEntry("api/weir/groups/*/*", accessUser, verbs{http.MethodGet: (*call).group, http.MethodDelete: (*call).deleteGroup}),
		newEntry("api/weir/groups/*/*/reset", accessUser, verbs{http.MethodPost: (*call).resetGroup}),
		newEntry("api/weir/groups/*/*/positions/*", accessUser, verbs{http.MethodDelete: (*call).forgetPositions}),
	}
}

// groupItem is a group in a listing.
type groupItem struct {
	Name       string `json:"name"`
	Vhost      string `json:"vhost"`
	Kind       string `json:"kind"`
	State      string `json:"state"`
	Members    int    `json:"members"`
	Lag        int64  `json:"lag"`         // messages
	LagSeconds int64  `json:"lag_seconds"` // age of the oldest message not read
}

// groupDetail is one group with all there is to say.
type groupDetail struct {
	groupItem
	MemberDetails []memberItem `json:"member_details"`
	Positions     []partItem   `json:"positions"`
}

type memberItem struct {
	ID         string `json:"id"`
	Instance   string `json:"instance,omitempty"`
	Client     string `json:"client"`
	Host       string `json:"host"`
	Partitions int    `json:"partitions"`
}

// partItem is how far a group is in a partition. Position is nil where a member
// reads that has not said how far it is.
type partItem struct {
	Topic      string `json:"topic"`
	Partition  int    `json:"partition"`
	Position   *int64 `json:"position"`
	End        int64  `json:"end"`
	Lag        *int64 `json:"lag"`
	LagSeconds *int64 `json:"lag_seconds"`
	Committed  int64  `json:"committed_at,omitempty"` // unix ms
	Text       string `json:"text,omitempty"`
	Member     string `json:"member,omitempty"`
}

// openGroups begins a session in the virtual host of the call.
func (c *call) openGroups() (*broker.Session, *failure) {
	if f := c.space(c.args[0]); f != nil {
		return nil, f
	}
	return c.open(c.args[0])
}

func (c *call) groups() *failure {
	s, f := c.openGroups()
	if f != nil {
		return f
	}
	all := s.ListGroups()
	return c.list(len(all), func(i int) string { return all[i].Name }, func(i int) any { return c.showGroup(s, &all[i]).groupItem })
}

func (c *call) group() *failure {
	s, f := c.openGroups()
	if f != nil {
		return f
	}
	g, err := s.Group(c.args[1])
	if err != nil {
		return failed(err)
	}
	return c.ok(c.showGroup(s, &g))
}

func (c *call) showGroup(s *broker.Session, g *broker.GroupInfo) *groupDetail {
	d := &groupDetail{groupItem: groupItem{Name: g.Name, Vhost: c.args[0], Kind: g.Kind, State: g.State, Members: len(g.Members)}}
	readers := map[broker.GroupPart]string{}
	for i := range g.Members {
		m := &g.Members[i]
		d.MemberDetails = append(d.MemberDetails, memberItem{m.ID, m.Instance, m.Client, m.Host, len(m.Parts)})
		for _, p := range m.Parts {
			readers[p] = m.ID
		}
	}
	positions, _ := s.Positions(g.Name) // a broker that shuts down shows none
	for i := range positions {
		p := &positions[i]
		at := broker.GroupPart{Topic: p.Topic, Partition: p.Partition}
		if item, ok := c.showPart(s, at, &p.Next); ok {
			item.Committed, item.Text, item.Member = p.Committed, p.Text, readers[at]
			d.Positions = append(d.Positions, item)
			d.Lag, d.LagSeconds = d.Lag+*item.Lag, max(d.LagSeconds, *item.LagSeconds)
		}
		delete(readers, at)
	}
	for at, member := range readers {
		if item, ok := c.showPart(s, at, nil); ok {
			item.Member = member
			d.Positions = append(d.Positions, item)
		}
	}
	slices.SortFunc(d.Positions, func(a, b partItem) int {
		if a.Topic != b.Topic {
			return strings.Compare(a.Topic, b.Topic)
		}
		return a.Partition - b.Partition
	})
	return d
}

// showPart measures how far behind a position is.
func (c *call) showPart(s *broker.Session, at broker.GroupPart, next *record.Offset) (partItem, bool) {
	b, err := s.Bounds(at.Topic, at.Partition)
	if err != nil {
		return partItem{}, false
	}
	item := partItem{Topic: at.Topic, Partition: at.Partition, End: int64(b.End)}
	if next == nil {
		return item, true
	}
	position, lag, seconds := int64(*next), max(int64(b.End)-int64(max(*next, b.First)), 0), int64(0)
	if lag > 0 {
		if t := firstUnread(s, at, max(*next, b.First)); t > 0 {
			seconds = max(c.options.Clock.Millis()-t, 0) / 1000
		}
	}
	item.Position, item.Lag, item.LagSeconds = &position, &lag, &seconds
	return item, true
}

// firstUnread is when the message at an offset was stored; 0 where it cannot be said.
func firstUnread(s *broker.Session, at broker.GroupPart, o record.Offset) int64 {
	f := s.Fetch([]broker.FetchPart{{Topic: at.Topic, Partition: at.Partition, From: o, MaxBytes: 1}}, broker.FetchLimits{MaxBytes: 1})
	if f[0].Err != nil || len(f[0].Records) == 0 {
		return 0
	}
	return storedAt(f[0].Records[0])
}

func (c *call) deleteGroup() *failure {
	s, f := c.openGroups()
	if f != nil {
		return f
	}
	if err := s.DeleteGroup(c.args[1]); err != nil {
		return failed(err)
	}
	return c.done(false)
}

func (c *call) forgetPositions() *failure {
	s, f := c.openGroups()
	if f != nil {
		return f
	}
	if err := s.ForgetPositions(c.args[1], c.args[2]); err != nil {
		return failed(err)
	}
	return c.done(false)
}

// resetBody says where a group is to begin again.
type resetBody struct {
	Topics  []string `json:"topics"` // NAME or NAME:PARTITION,PARTITION; none: all it has positions in
	To      string   `json:"to"`     // earliest, latest, an offset or a time
	Shift   *int64   `json:"shift"`  // from where it is
	Execute bool     `json:"execute"`
}

// resetItem is what becomes of one partition.
type resetItem struct {
	Topic     string `json:"topic"`
	Partition int    `json:"partition"`
	From      *int64 `json:"from"` // nil: it had none
	To        int64  `json:"to"`
}

func (c *call) resetGroup() *failure {
	var body resetBody
	if f := c.read(&body); f != nil {
		return f
	}
	if (body.To == "") == (body.Shift == nil) {
		return badRequest("either to or shift")
	}
	s, f := c.openGroups()
	if f != nil {
		return f
	}
	if len(body.Topics) == 0 {
		if _, err := s.Group(c.args[1]); err != nil {
			return failed(err)
		}
	}
	positions, err := s.Positions(c.args[1])
	if err != nil {
		return failed(err)
	}
	parts, f := body.parts(s, positions)
	if f != nil {
		return f
	}
	items := []resetItem{}
	var set []broker.GroupPosition
	for _, part := range parts {
		item, f := body.plan(s, part, positions)
		if f != nil {
			return f
		}
		items = append(items, item)
		set = append(set, broker.GroupPosition{
			Topic: part.Topic, Partition: part.Partition, Next: record.Offset(item.To), Epoch: -1, Committed: c.options.Clock.Millis(),
		})
	}
	if body.Execute && len(set) > 0 {
		if err := s.ResetPositions(c.args[1], set); err != nil {
			return failed(err)
		}
	}
	return c.ok(items)
}

// parts are the partitions that are meant.
func (b *resetBody) parts(s *broker.Session, positions []broker.GroupPosition) ([]broker.GroupPart, *failure) {
	var parts []broker.GroupPart
	if len(b.Topics) == 0 {
		for i := range positions {
			parts = append(parts, broker.GroupPart{Topic: positions[i].Topic, Partition: positions[i].Partition})
		}
	}
	for _, text := range b.Topics {
		name, numbers, some := strings.Cut(text, ":")
		t, err := s.Topic(name)
		if err != nil {
			return nil, failed(err)
		}
		if !some {
			for i := range t.Partitions {
				parts = append(parts, broker.GroupPart{Topic: name, Partition: i})
			}
			continue
		}
		for _, number := range strings.Split(numbers, ",") {
			n, err := strconv.Atoi(number)
			if err != nil || n < 0 || n >= t.Partitions {
				return nil, badRequest("topics: no partition " + strconv.Quote(number) + " in " + strconv.Quote(name))
			}
			parts = append(parts, broker.GroupPart{Topic: name, Partition: n})
		}
	}
	return parts, nil
}

// plan says where one partition is set. What is out of bounds is set to the bound.
func (b *resetBody) plan(s *broker.Session, part broker.GroupPart, positions []broker.GroupPosition) (resetItem, *failure) {
	item := resetItem{Topic: part.Topic, Partition: part.Partition}
	bounds, err := s.Bounds(part.Topic, part.Partition)
	if err != nil {
		return item, failed(err)
	}
	i := slices.IndexFunc(positions, func(p broker.GroupPosition) bool { return p.Topic == part.Topic && p.Partition == part.Partition })
	if i >= 0 {
		from := int64(positions[i].Next)
		item.From = &from
	}
	switch {
	case b.Shift != nil && item.From == nil:
		return item, badRequest("shift: the group has no position in partition " + strconv.Itoa(part.Partition) + " of " + strconv.Quote(part.Topic))
	case b.Shift != nil:
		item.To = *item.From + *b.Shift
	case b.To == "earliest":
		item.To = int64(bounds.First)
	case b.To == "latest":
		item.To = int64(bounds.End)
	default:
		at, f := position(b.To)
		if f != nil {
			return item, f
		}
		item.To = int64(min(at.Offset, bounds.End))
		if at.UnixMillis != 0 {
			o, err := s.OffsetAt(part.Topic, part.Partition, at)
			if err != nil {
				return item, failed(err)
			}
			item.To = int64(o)
		}
	}
	item.To = min(max(item.To, int64(bounds.First)), int64(bounds.End))
	return item, nil
}
