package kafka

import (
	"maps"
	"slices"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"weir/internal/auth"
	"weir/internal/broker"
)

// scramNumbers are the protocol's numbers of the mechanisms.
var scramNumbers = map[auth.ScramMechanism]int8{auth.ScramSHA256: 1, auth.ScramSHA512: 2}

func (c *conn) describeUserScramCredentials(r *request) (kmsg.Response, error) {
	m := kmsg.NewPtrDescribeUserSCRAMCredentialsRequest()
	if err := r.decode(m); err != nil {
		return nil, err
	}
	answer := kmsg.NewPtrDescribeUserSCRAMCredentialsResponse()
	all, err := c.server.options.Broker.Scrams(c.session.Principal())
	if err != nil {
		answer.ErrorCode = kerr.ClusterAuthorizationFailed.Code
		return answer, nil
	}
	names := slices.Sorted(maps.Keys(all))
	if m.Users != nil {
		names = names[:0]
		for _, u := range m.Users {
			names = append(names, u.Name)
		}
	}
	same := func(name *string) string { return *name }
	twice := repeated(names, same)
	for _, name := range distinct(names, same) {
		out := kmsg.NewDescribeUserSCRAMCredentialsResponseResult()
		out.User = name
		switch {
		case twice[name]:
			out.ErrorCode, out.ErrorMessage = kerr.DuplicateResource.Code, kmsg.StringPtr("Cannot describe SCRAM credentials for the same user twice in a single request: "+name)
		case all[name] == nil:
			out.ErrorCode, out.ErrorMessage = kerr.ResourceNotFound.Code, kmsg.StringPtr("Attempt to describe a user credential that does not exist: "+name)
		}
		if out.ErrorCode == errNone {
			out.CredentialInfos = scramInfos(all[name])
		}
		answer.Results = append(answer.Results, out)
	}
	return answer, nil
}

func scramInfos(infos []broker.ScramInfo) []kmsg.DescribeUserSCRAMCredentialsResponseResultCredentialInfo {
	var out []kmsg.DescribeUserSCRAMCredentialsResponseResultCredentialInfo
	for _, i := range infos {
		info := kmsg.NewDescribeUserSCRAMCredentialsResponseResultCredentialInfo()
		info.Mechanism, info.Iterations = scramNumbers[i.Mechanism], int32(i.Iterations)
		out = append(out, info)
	}
	return out
}
