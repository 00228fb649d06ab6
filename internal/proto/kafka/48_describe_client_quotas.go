package kafka

import (
	"fmt"
	"maps"
	"slices"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"weir/internal/auth"
)

// The types of entities that have quotas.
const (
	entityUser   = "user"
	entityClient = "client-id"
)

func (c *conn) describeClientQuotas(r *request) (kmsg.Response, error) {
	m := kmsg.NewPtrDescribeClientQuotasRequest()
	if err := r.decode(m); err != nil {
		return nil, err
	}
	answer := kmsg.NewPtrDescribeClientQuotasResponse()
	if !c.session.MayCluster(auth.DescribeConfigs) {
		answer.ErrorCode, answer.ErrorMessage = kerr.ClusterAuthorizationFailed.Code, &kerr.ClusterAuthorizationFailed.Description
		return answer, nil
	}
	if no := checkComponents(m.Components); no.code != errNone {
		answer.ErrorCode, answer.ErrorMessage = no.code, no.message()
		return answer, nil
	}
	answer.Entries = []kmsg.DescribeClientQuotasResponseEntry{} // null is what Java's administrators trip over
	entities, values := c.server.quotas.all()
	for i, e := range entities {
		if !asksFor(m, e) {
			continue
		}
		out := kmsg.NewDescribeClientQuotasResponseEntry()
		for _, x := range []struct {
			kind string
			part part
		}{{entityUser, e.User}, {entityClient, e.Client}} {
			if x.part.Set {
				named := kmsg.NewDescribeClientQuotasResponseEntryEntity()
				if named.Type = x.kind; !x.part.All {
					named.Name = &x.part.Name
				}
				out.Entity = append(out.Entity, named)
			}
		}
		for _, name := range slices.Sorted(maps.Keys(values[i])) {
			out.Values = append(out.Values, kmsg.DescribeClientQuotasResponseEntryValue{Key: name, Value: values[i][name]})
		}
		answer.Entries = append(answer.Entries, out)
	}
	return answer, nil
}

// checkComponents says what is wrong with what a client asks for.
func checkComponents(all []kmsg.DescribeClientQuotasRequestComponent) refusal {
	seen := map[string]bool{}
	for i := range all {
		x := &all[i]
		text := ""
		switch {
		case x.EntityType == "":
			text = "Unexpected empty entity type"
		case seen[x.EntityType]:
			text = "Duplicate filter entity type: " + x.EntityType
		case x.EntityType != entityUser && x.EntityType != entityClient:
			return refusal{kerr.UnsupportedVersion.Code, "Custom entity type '" + x.EntityType + "' not supported"}
		case x.MatchType == kmsg.QuotasMatchTypeExact && x.Match == nil:
			text = "Request specifies MATCH_TYPE_EXACT, but no match string"
		case x.MatchType < kmsg.QuotasMatchTypeExact || x.MatchType > kmsg.QuotasMatchTypeAny:
			text = fmt.Sprintf("Unknown match type %d", x.MatchType)
		}
		if text != "" {
			return refusal{kerr.InvalidRequest.Code, text}
		}
		seen[x.EntityType] = true
	}
	return refusal{}
}

// asksFor says whether every component of the request fits the entity, and in a
// strict one nothing else is set.
func asksFor(m *kmsg.DescribeClientQuotasRequest, e entity) bool {
	named := 0
	for i := range m.Components {
		x := &m.Components[i]
		p := e.User
		if x.EntityType == entityClient {
			p = e.Client
		}
		fits := p.Set
		switch x.MatchType {
		case kmsg.QuotasMatchTypeExact:
			fits = fits && !p.All && x.Match != nil && *x.Match == p.Name
		case kmsg.QuotasMatchTypeDefault:
			fits = fits && p.All
		}
		if !fits {
			return false
		}
		named++
	}
	set := 0
	for _, p := range []part{e.User, e.Client} {
		if p.Set {
			set++
		}
	}
	return !m.Strict || set == named
}
