package broker

import (
	"slices"

	"weir/internal/auth"
	"weir/internal/meta"
)

// resources are the objects that grants know.
var resources = map[Object]auth.Resource{
	ObjectTopic: auth.ResourceTopic, ObjectGroup: auth.ResourceGroup, ObjectTransaction: auth.ResourceTransaction, ObjectCluster: auth.ResourceCluster,
}

// judge asks the namespace's grants. Who may manage the broker is denied nothing
// by them, and may do everything to the cluster.
func (s *Session) judge(state *meta.State, verb auth.Verb, o Object, name string) auth.Judgment {
	n := state.Namespace(s.namespace)
	if n == nil || o != ObjectCluster && len(n.Grants) == 0 || name == "" {
		return auth.Silent
	}
	resource, known := resources[o]
	if !known {
		return auth.Silent
	}
	manages := managing(state, s.principal) == nil
	if manages && o == ObjectCluster {
		return auth.Allowed
	}
	judgment := auth.Judge(n.Grants, &auth.Ask{
		User: s.principal.User, Host: s.options.Remote.Addr().Unmap().String(), Verb: verb, Resource: resource, Name: name,
	})
	if manages && judgment == auth.Denied {
		return auth.Silent
	}
	return judgment
}

// MayCluster says whether the session has a right on the broker itself.
func (s *Session) MayCluster(verb auth.Verb) bool {
	c := s.engine.control
	c.mu.RLock()
	defer c.mu.RUnlock()
	return s.may(c.state, verb, ObjectCluster, auth.ClusterName) == nil
}

// MayTransact says whether the session has a right on a transactional id.
func (s *Session) MayTransact(verb auth.Verb, id string) bool {
	c := s.engine.control
	c.mu.RLock()
	defer c.mu.RUnlock()
	return s.may(c.state, verb, ObjectTransaction, id) == nil
}

// Grants returns those of the session's namespace. They must not be changed.
func (s *Session) Grants() []auth.Grant {
	c := s.engine.control
	c.mu.RLock()
	defer c.mu.RUnlock()
	return slices.Clone(s.space().Grants)
}

// PutGrants adds grants to the session's namespace. The session needs the right to
// alter the cluster. They count from the next operation of every session on.
func (s *Session) PutGrants(grants []auth.Grant) *Error {
	return s.changeGrants(meta.OpGrantsPut, grants)
}

// DeleteGrants takes grants away.
func (s *Session) DeleteGrants(grants []auth.Grant) *Error {
	return s.changeGrants(meta.OpGrantsDelete, grants)
}

func (s *Session) changeGrants(op meta.Op, grants []auth.Grant) *Error {
	if !s.MayCluster(auth.Alter) {
		return &Error{Code: CodeAccessRefused, Object: ObjectCluster, Name: auth.ClusterName, Space: s.namespace, Text: "alter access refused"}
	}
	if len(grants) == 0 {
		return nil
	}
	results, err := s.engine.control.propose(meta.Command{Op: op, Space: s.namespace, Grants: grants})
	if err == nil && results[0].Outcome != meta.Done {
		err = outcomeError(ObjectNamespace, s.namespace, s.namespace, &results[0])
	}
	return err
}
