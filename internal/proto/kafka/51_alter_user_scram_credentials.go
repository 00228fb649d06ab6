package kafka

import (
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
	"maps"
	"slices"

	"weir/internal/auth"
	"weir/internal/broker"
)

func scramMechanism(number int8) (auth.ScramMechanism, bool) {
	for m, n := range scramNumbers {
		if n == number {
			return m, true
		}
	}
	return "", false
}

func (c *conn) alterUserScramCredentials(r *request) (kmsg.Response, error) {
	m := kmsg.NewPtrAlterUserSCRAMCredentialsRequest()
	if err := r.decode(m); err != nil {
		return nil, err
	}
	answer := kmsg.NewPtrAlterUserSCRAMCredentialsResponse()
	times := map[string]int{}
	for _, d := range m.Deletions {
		times[d.Name]++
	}
	for _, u := range m.Upsertions {
		times[u.Name]++
	}
	result := func(user string, code int16, text string) {
		out := kmsg.NewAlterUserSCRAMCredentialsResponseResult()
		if out.User, out.ErrorCode = user, code; code != errNone {
			out.ErrorMessage = &text
		}
		answer.Results = append(answer.Results, out)
	}
	for _, name := range slices.Sorted(maps.Keys(times)) {
		if times[name] > 1 {
			result(name, kerr.DuplicateResource.Code, "A user credential cannot be altered twice in the same request")
		}
	}
	for i := range m.Deletions {
		d := &m.Deletions[i]
		if times[d.Name] > 1 {
			continue
		}
		code, text := c.deleteScram(d)
		result(d.Name, code, text)
	}
	for i := range m.Upsertions {
		u := &m.Upsertions[i]
		if times[u.Name] > 1 {
			continue
		}
		code, text := c.upsertScram(u)
		result(u.Name, code, text)
	}
	return answer, nil
}

func (c *conn) deleteScram(d *kmsg.AlterUserSCRAMCredentialsRequestDeletion) (int16, string) {
	mechanism, known := scramMechanism(d.Mechanism)
	if !known {
		return kerr.UnsupportedSaslMechanism.Code, "Unknown SCRAM mechanism"
	}
	return scramCode(c.server.options.Broker.DeleteScram(c.session.Principal(), d.Name, mechanism))
}

func (c *conn) upsertScram(u *kmsg.AlterUserSCRAMCredentialsRequestUpsertion) (int16, string) {
	mechanism, known := scramMechanism(u.Mechanism)
	if !known {
		return kerr.UnsupportedSaslMechanism.Code, "Unknown SCRAM mechanism"
	}
	if u.Name == "" || len(u.SaltedPassword) == 0 {
		return kerr.UnacceptableCredential.Code, "Username and password must not be empty"
	}
	keys, err := auth.SaltedScramKeys(mechanism, u.SaltedPassword, u.Salt, int(u.Iterations))
	if err != nil {
		return kerr.UnacceptableCredential.Code, err.Error()
	}
	return scramCode(c.server.options.Broker.PutScram(c.session.Principal(), u.Name, keys))
}

func scramCode(err *broker.Error) (int16, string) {
	switch {
	case err == nil:
		return errNone, ""
	case err.Code == broker.CodeAccessRefused:
		return kerr.ClusterAuthorizationFailed.Code, "Cluster authorization failed."
	case err.Code == broker.CodeNotFound:
		return kerr.ResourceNotFound.Code, "Attempt to delete a user credential that does not exist"
	case err.Code == broker.CodeInvalid:
		return kerr.UnacceptableCredential.Code, err.Text
	}
	return code(err), err.Text
}
