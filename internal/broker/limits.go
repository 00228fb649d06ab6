package broker

import (
	"strconv"
	"sync"

	"weir/internal/meta"
)

// Limits bound what a namespace (sessions, queues) or a user (sessions, parts of
// sessions) may have at a time. A limit that is nil or negative is none; 0 allows
// nothing.
type Limits = meta.Limits

func limitsOf(l *Limits) Limits {
	if l == nil {
		return Limits{}
	}
	return *l
}

// PutNamespaceLimits sets the limits of a namespace. What is there already stays.
func (b *Broker) PutNamespaceLimits(p Principal, space string, l Limits) *Error {
	_, err := b.change(p, ObjectNamespace, space, meta.Command{Op: meta.OpLimits, Space: space, Limits: &l})
	return err
}

// PutUserLimits sets the limits of a user. What is there already stays.
func (b *Broker) PutUserLimits(p Principal, user string, l Limits) *Error {
	_, err := b.change(p, ObjectUser, user, meta.Command{Op: meta.OpLimits, Name: user, Limits: &l})
	return err
}

// quotas count what limits bound.
type quotas struct {
	mu struct {
		sync.Mutex
		spaces map[string]int // sessions
		users  map[string]int // sessions
		parts  map[string]int // by user
	}
}

func limitError(o Object, name, space, field string, limit int64) *Error {
	return &Error{
		Code: CodeLimit, Object: o, Name: name, Space: space, Field: field, Current: strconv.FormatInt(limit, 10),
		Text: "limit of " + field + " is reached",
	}
}

// enter counts a new session, or refuses it. The check of its rights comes after
// those of limits and before it is counted.
func (q *quotas) enter(state *meta.State, s *Session, allowed func() *Error) *Error {
	if s.options.Uncounted {
		return allowed()
	}
	user := s.principal.User
	q.mu.Lock()
	defer q.mu.Unlock()
	if l := state.Namespace(s.namespace).Limits; l != nil {
		if limit, over := meta.Over(l.Sessions, q.mu.spaces[s.namespace]); over {
			return limitError(ObjectNamespace, s.namespace, s.namespace, "sessions", limit)
		}
	}
	if u := state.User(user); u != nil && u.Limits != nil {
		if limit, over := meta.Over(u.Limits.Sessions, q.mu.users[user]); over {
			return limitError(ObjectUser, user, s.namespace, "sessions", limit)
		}
	}
	if err := allowed(); err != nil {
		return err
	}
	if q.mu.spaces == nil {
		q.mu.spaces, q.mu.users, q.mu.parts = map[string]int{}, map[string]int{}, map[string]int{}
	}
	q.mu.spaces[s.namespace]++
	q.mu.users[user]++
	return nil
}

func (q *quotas) leave(s *Session) {
	if s.options.Uncounted {
		return
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	take(q.mu.spaces, s.namespace, 1)
	take(q.mu.users, s.principal.User, 1)
	take(q.mu.parts, s.principal.User, s.parts)
}

func take(counts map[string]int, name string, n int) {
	if counts[name] -= n; counts[name] <= 0 {
		delete(counts, name)
	}
}

// AddPart counts a part of the session, such as one of the streams a connection
// is divided into. It is refused where the user has as many as he may.
func (s *Session) AddPart() *Error {
	e, user := s.engine, s.principal.User
	e.control.mu.RLock()
	var limits Limits
	if u := e.control.state.User(user); u != nil {
		limits = limitsOf(u.Limits)
	}
	e.control.mu.RUnlock()
	q := &e.quotas
	q.mu.Lock()
	defer q.mu.Unlock()
	if limit, over := meta.Over(limits.Parts, q.mu.parts[user]); over {
		return limitError(ObjectUser, user, s.namespace, "parts", limit)
	}
	if !s.options.Uncounted {
		q.mu.parts[user]++
		s.parts++
	}
	return nil
}

// RemovePart takes back what AddPart counted. Parts also go with the session.
func (s *Session) RemovePart() {
	if s.parts == 0 {
		return
	}
	q := &s.engine.quotas
	q.mu.Lock()
	defer q.mu.Unlock()
	s.parts--
	take(q.mu.parts, s.principal.User, 1)
}
