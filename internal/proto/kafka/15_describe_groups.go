package kafka

import (
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"weir/internal/auth"
	"weir/internal/proto/kafka/group"
)

const (
	// describeMissing is from where on a missing group is an error.
	describeMissing = 6
	// The operations on a group, as bits.
	operationRead     = 1 << 3
	operationDelete   = 1 << 6
	operationDescribe = 1 << 8
)

func (c *conn) describeGroups(r *request) (kmsg.Response, error) {
	m := kmsg.NewPtrDescribeGroupsRequest()
	if err := r.decode(m); err != nil {
		return nil, err
	}
	answer := kmsg.NewPtrDescribeGroupsResponse()
	for _, name := range m.Groups {
		out := kmsg.NewDescribeGroupsResponseGroup()
		out.Group = name
		if out.ErrorCode = c.maySee(name); out.ErrorCode == errNone {
			if err := c.inGroup(name, func(h *hosted) { c.describeGroup(h, &out, r.version) }); err != nil {
				return nil, err
			}
			if m.IncludeAuthorizedOperations && out.ErrorCode == errNone {
				out.AuthorizedOperations = c.groupOperations(name)
			}
		}
		answer.Groups = append(answer.Groups, out)
	}
	return answer, nil
}

// groupOperations are what the session may do with a group it may read.
func (c *conn) groupOperations(name string) int32 {
	operations := int32(operationDescribe)
	if c.session.MayGroup(auth.Read, name) == nil {
		operations |= operationRead
	}
	if c.session.MayGroup(auth.Delete, name) == nil {
		operations |= operationDelete
	}
	return operations
}

func (c *conn) describeGroup(h *hosted, out *kmsg.DescribeGroupsResponseGroup, version int16) {
	if h.classic == nil {
		if h.modern == nil && c.hasPositions(h.name) {
			out.State = group.Empty.String()
			return
		}
		out.State = "Dead"
		if version >= describeMissing {
			out.ErrorCode = kerr.GroupIDNotFound.Code
			out.ErrorMessage = missing(h, "classic")
		}
		return
	}
	g := h.classic
	out.State, out.ProtocolType = g.State().String(), g.ProtocolType()
	stable := g.State() == group.Stable
	if stable {
		out.Protocol = g.Protocol()
	}
	for _, m := range g.Members() {
		o := kmsg.NewDescribeGroupsResponseGroupMember()
		o.MemberID, o.ClientID, o.ClientHost = m.ID, m.Client, m.Host
		if m.Instance != "" {
			o.InstanceID = &m.Instance
		}
		if stable {
			o.ProtocolMetadata, o.MemberAssignment = m.Metadata(g.Protocol()), m.Assignment
		}
		out.Members = append(out.Members, o)
	}
}

// missing says that a group is not there, or not of a kind.
func missing(h *hosted, kind string) *string {
	text := "Group " + h.name + " not found."
	if h.exists() {
		text = "Group " + h.name + " is not a " + kind + " group."
	}
	return &text
}

// hasPositions says whether a group is known for what it has committed.
func (c *conn) hasPositions(name string) bool {
	positions, err := c.session.Positions(name)
	return err == nil && len(positions) > 0
}
