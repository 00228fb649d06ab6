package kafka

import (
	"slices"
	"strings"

	"github.com/twmb/franz-go/pkg/kmsg"

	"weir/internal/proto/kafka/group"
)

func (c *conn) listGroups(r *request) (kmsg.Response, error) {
	m := kmsg.NewPtrListGroupsRequest()
	if err := r.decode(m); err != nil {
		return nil, err
	}
	answer := kmsg.NewPtrListGroupsResponse()
	for _, name := range c.groupNames() {
		if c.maySee(name) != errNone {
			continue
		}
		out := kmsg.NewListGroupsResponseGroup()
		found := false
		if err := c.inGroup(name, func(h *hosted) { found = c.listGroup(h, &out) }); err != nil {
			return nil, err
		}
		if found && among(m.StatesFilter, out.GroupState) && among(m.TypesFilter, out.GroupType) {
			answer.Groups = append(answer.Groups, out)
		}
	}
	return answer, nil
}

// groupNames lists all groups that there may be.
func (c *conn) groupNames() []string {
	all := append(c.server.groups.names(), c.session.Groups()...)
	for _, ledger := range c.session.Ledgers(groupLedgers) {
		all = append(all, strings.TrimPrefix(ledger, groupLedgers))
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// among says whether a filter lets a value pass; an empty one does.
func among(filter []string, value string) bool {
	return len(filter) == 0 || slices.ContainsFunc(filter, func(f string) bool { return strings.EqualFold(f, value) })
}

func (c *conn) listGroup(h *hosted, out *kmsg.ListGroupsResponseGroup) bool {
	out.Group, out.GroupType = h.name, "classic"
	if h.modern != nil {
		out.GroupState, out.GroupType, out.ProtocolType = string(h.modern.State()), "consumer", group.ConsumerProtocol
		if h.modern.Shared() {
			out.GroupType, out.ProtocolType = "share", "share"
		}
		return true
	}
	if h.classic == nil {
		out.GroupState = group.Empty.String()
		return c.hasPositions(h.name)
	}
	out.GroupState, out.ProtocolType = h.classic.State().String(), h.classic.ProtocolType()
	return true
}
