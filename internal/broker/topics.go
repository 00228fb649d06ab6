package broker

import (
	"cmp"
	"slices"
	"strings"

	"weir/internal/auth"
	"weir/internal/meta"
)

// topicKind is the kind of exchange whose routing keys have rights of their own.
const topicKind = "topic"

// TopicPermissionInfo is which routing keys a user may publish to an exchange
// with, and bind to it with: two patterns, in which {username}, {vhost} and
// {client_id} stand for the session's own. Without one he may use any.
type TopicPermissionInfo struct{ User, Namespace, Exchange, Write, Read string }

// PutTopicPermission sets a user's rights on the routing keys of an exchange. It
// counts for open sessions from their next operation on.
func (b *Broker) PutTopicPermission(p Principal, i TopicPermissionInfo) *Error {
	if _, err := auth.NewTopicPermission(i.Write, i.Read); err != nil {
		return &Error{
			Code: CodeInvalid, Object: ObjectUser, Name: i.User, Field: "permission",
			Text: strings.ReplaceAll(err.Error(), "\n", ": "),
		}
	}
	_, err := b.change(p, ObjectUser, i.User, meta.Command{
		Op: meta.OpTopicsPut, Name: i.User, Space: i.Namespace, On: &i.Exchange,
		Topics: &meta.TopicPermission{Write: i.Write, Read: i.Read},
	})
	return err
}

// DeleteTopicPermissions takes away the rule for an exchange, or with nil those
// for all of a namespace.
func (b *Broker) DeleteTopicPermissions(p Principal, user, space string, exchange *string) *Error {
	_, err := b.change(p, ObjectUser, user, meta.Command{Op: meta.OpTopicsDelete, Name: user, Space: space, On: exchange})
	return err
}

// TopicPermissions lists the rules by namespace, user and exchange, for
// administrators.
func (b *Broker) TopicPermissions(p Principal) ([]TopicPermissionInfo, *Error) {
	if err := b.mayManage(p); err != nil {
		return nil, err
	}
	c := b.engine.control
	c.mu.RLock()
	defer c.mu.RUnlock()
	var out []TopicPermissionInfo
	for _, name := range c.state.Users() {
		for space, exchanges := range c.state.User(name).Topics {
			for exchange, t := range exchanges {
				out = append(out, TopicPermissionInfo{name, space, exchange, t.Write, t.Read})
			}
		}
	}
	slices.SortFunc(out, func(a, b TopicPermissionInfo) int {
		return cmp.Or(cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.User, b.User), cmp.Compare(a.Exchange, b.Exchange))
	})
	return out, nil
}

// topicPatterns are a rule's patterns with the session's variables in them.
type topicPatterns struct{ write, read auth.Pattern }

// topicsMax bounds a session's memory of expanded patterns.
const topicsMax = 64

// mayTopic checks the right on a routing key of an exchange.
func (s *Session) mayTopic(state *meta.State, verb auth.Verb, x *meta.Exchange, key []byte) *Error {
	if x.Kind != topicKind || s.options.Managing {
		return nil
	}
	u := state.User(s.principal.User)
	if u == nil {
		return nil // refused where the exchange was checked
	}
	rule := u.Topics[s.namespace][x.Name]
	if rule == nil {
		return nil
	}
	patterns, ok := s.topics[rule]
	if !ok {
		patterns = s.expand(rule)
	}
	pattern := &patterns.write
	if verb == auth.Read {
		pattern = &patterns.read
	}
	if pattern.MatchBytes(key) {
		return nil
	}
	return &Error{
		Code: CodeAccessRefused, Object: ObjectRoutingKey, Name: string(key), Space: s.namespace, Field: verb.String(),
		Current: x.Name, Received: s.principal.User, Text: verb.String() + " access to the routing key refused",
	}
}

// expand puts the session's variables into a rule and remembers what comes out.
// A pattern that they make too large allows only the empty key.
func (s *Session) expand(rule *meta.TopicPermission) topicPatterns {
	v := auth.Variables{Username: s.principal.User, VHost: s.namespace}
	var out topicPatterns
	compiled := rule.Patterns()
	if w, err := compiled.Write.Expand(v); err == nil {
		out.write = w
	}
	if r, err := compiled.Read.Expand(v); err == nil {
		out.read = r
	}
	if s.topics == nil || len(s.topics) >= topicsMax {
		s.topics = map[*meta.TopicPermission]topicPatterns{}
	}
	s.topics[rule] = out
	return out
}

// mayPublishKeys checks all routing keys of a message.
func (s *Session) mayPublishKeys(state *meta.State, x *meta.Exchange, m *Outgoing) *Error {
	if err := s.mayTopic(state, auth.Write, x, m.Key); err != nil {
		return err
	}
	for _, key := range m.ExtraKeys {
		if err := s.mayTopic(state, auth.Write, x, []byte(key)); err != nil {
			return err
		}
	}
	return nil
}
