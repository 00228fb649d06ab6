package kafka

import (
	"math"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"weir/internal/auth"
)

func (c *conn) alterClientQuotas(r *request) (kmsg.Response, error) {
	m := kmsg.NewPtrAlterClientQuotasRequest()
	if err := r.decode(m); err != nil {
		return nil, err
	}
	answer := kmsg.NewPtrAlterClientQuotasResponse()
	for i := range m.Entries {
		x := &m.Entries[i]
		out := kmsg.NewAlterClientQuotasResponseEntry()
		for _, n := range x.Entity {
			out.Entity = append(out.Entity, kmsg.AlterClientQuotasResponseEntryEntity{Type: n.Type, Name: n.Name})
		}
		code, text := c.alterQuota(x, m.ValidateOnly)
		if out.ErrorCode = code; text != "" {
			out.ErrorMessage = &text
		}
		answer.Entries = append(answer.Entries, out)
	}
	return answer, nil
}

func (c *conn) alterQuota(x *kmsg.AlterClientQuotasRequestEntry, validateOnly bool) (int16, string) {
	if !c.session.MayCluster(auth.AlterConfigs) {
		return kerr.ClusterAuthorizationFailed.Code, kerr.ClusterAuthorizationFailed.Description
	}
	var e entity
	for _, n := range x.Entity {
		p := &e.User
		switch n.Type {
		case entityUser:
		case entityClient:
			p = &e.Client
		default:
			return kerr.InvalidRequest.Code, "Unhandled client quota entity type: " + n.Type
		}
		if p.Set {
			return kerr.InvalidRequest.Code, "Duplicate entity type: " + n.Type
		}
		if *p = (part{Set: true, All: n.Name == nil}); n.Name != nil {
			p.Name = *n.Name
		}
		if !p.All && p.Name == "" {
			return kerr.InvalidRequest.Code, "Empty " + n.Type + " not supported"
		}
	}
	if e == (entity{}) {
		return kerr.InvalidRequest.Code, "Invalid empty client quota entity"
	}
	change := map[string]*float64{}
	for k := range x.Ops {
		o := &x.Ops[k]
		switch {
		case o.Key != quotaProduce && o.Key != quotaConsume:
			return kerr.InvalidRequest.Code, "Invalid configuration key " + o.Key
		case o.Remove:
			change[o.Key] = nil
		case math.IsNaN(o.Value) || math.IsInf(o.Value, 0) || o.Value < 1 || o.Value != math.Trunc(o.Value):
			return kerr.InvalidRequest.Code, "Quota " + o.Key + " must be a whole number, at least 1"
		default:
			change[o.Key] = &o.Value
		}
	}
	if validateOnly {
		return errNone, ""
	}
	if err := c.server.quotas.alter(e, change); err != nil {
		return code(err), err.Text
	}
	return errNone, ""
}
