package kafka

import (
	"crypto/rand"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"weir/internal/proto/kafka/group"
)

// From these versions of JoinGroup on a new member is told its id first, and a
// leader may be told not to assign.
const (
	joinTwoSteps = 4
	joinSkips    = 9
)

// joinGroup waits until the group's members are known.
func (c *conn) joinGroup(r *request) (kmsg.Response, error) {
	m := kmsg.NewPtrJoinGroupRequest()
	if err := r.decode(m); err != nil {
		return nil, err
	}
	if code := c.mayJoin(m); code != errNone {
		return joinAnswer(&group.Joined{Code: code, Member: m.MemberID, Generation: -1}), nil
	}
	request := c.joinRequest(m)
	var t group.Ticket
	var wait <-chan group.Answer
	var at *group.Joined
	err := c.inGroup(m.Group, func(h *hosted) { at, t, wait = c.join(h, request) })
	switch {
	case err != nil:
		return nil, err
	case at != nil:
		return joinAnswer(at), nil
	}
	a, err := c.park(m.Group, t, wait)
	if err != nil {
		return nil, err
	}
	return joinAnswer(a.Joined), nil
}

// join answers at once or says where the answer will be.
func (c *conn) join(h *hosted, r *group.JoinRequest) (*group.Joined, group.Ticket, <-chan group.Answer) {
	k := c.server.groups
	switch {
	case h.modern != nil && (h.modern.Shared() || !h.modern.Idle()):
		return h.modern.JoinClassic(k.now(), r, catalog{c.session}), 0, nil
	case h.classic == nil && r.Member != "":
		return &group.Joined{Code: kerr.UnknownMemberID.Code, Member: r.Member, Generation: -1}, 0, nil
	case h.modern != nil:
		h.classic, h.modern, h.dirty = h.modern.ToClassic(k.now(), k.options), nil, true
	case h.classic == nil:
		h.classic = group.NewClassic(k.options, k.now())
	}
	t, wait := k.ticket(h)
	h.classic.Join(k.now(), r, t)
	return nil, t, wait
}

func (c *conn) mayJoin(m *kmsg.JoinGroupRequest) int16 {
	if code := c.mayUse(m.Group); code != errNone {
		return code
	}
	if session := time.Duration(m.SessionTimeoutMillis) * time.Millisecond; session < shortestSession || session > longestSession {
		return kerr.InvalidSessionTimeout.Code
	}
	return errNone
}

func (c *conn) joinRequest(m *kmsg.JoinGroupRequest) *group.JoinRequest {
	j := &group.JoinRequest{
		Member: m.MemberID, Client: c.client, Host: "/" + c.remote.Addr().String(),
		Session: group.Millis(m.SessionTimeoutMillis), Rebalance: group.Millis(m.RebalanceTimeoutMillis),
		ProtocolType: m.ProtocolType, TwoSteps: m.Version >= joinTwoSteps, Skips: m.Version >= joinSkips,
	}
	if m.Version == 0 || j.Rebalance < 0 {
		j.Rebalance = j.Session
	}
	prefix := c.client
	if m.InstanceID != nil {
		j.Instance, prefix = *m.InstanceID, *m.InstanceID
	}
	j.NewID = prefix + "-" + randomID()
	for i := range m.Protocols {
		p := &m.Protocols[i]
		j.Protocols = append(j.Protocols, group.Protocol{Name: p.Name, Metadata: append([]byte(nil), p.Metadata...)})
	}
	return j
}

// randomID is a random UUID.
func randomID() string {
	var b [16]byte
	rand.Read(b[:]) // never fails
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

func joinAnswer(j *group.Joined) kmsg.Response {
	answer := kmsg.NewPtrJoinGroupResponse()
	answer.ErrorCode, answer.Generation, answer.MemberID, answer.LeaderID = j.Code, int32(j.Generation), j.Member, j.Leader
	if j.Code == errNone {
		answer.ProtocolType, answer.Protocol = &j.ProtocolType, &j.Protocol
	}
	answer.SkipAssignment = j.Skip
	for i := range j.Members {
		o := kmsg.NewJoinGroupResponseMember()
		o.MemberID, o.ProtocolMetadata = j.Members[i].ID, j.Members[i].Metadata
		if j.Members[i].Instance != "" {
			o.InstanceID = &j.Members[i].Instance
		}
		answer.Members = append(answer.Members, o)
	}
	return answer
}
