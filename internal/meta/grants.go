package meta

import (
	"slices"

	"weir/internal/auth"
)

// grants adds grants to a namespace, each once, or takes them away. The slice is
// never changed in place: who judges by it may hold it.
func (s *State) grants(c *Command) Result {
	n := s.namespaces[c.Space]
	if n == nil {
		return Result{Outcome: MissingSpace, Name: c.Space}
	}
	kept := slices.DeleteFunc(slices.Clone(n.Grants), func(g auth.Grant) bool { return slices.Contains(c.Grants, g) })
	if c.Op == OpGrantsPut {
		for _, g := range c.Grants {
			if !slices.Contains(kept, g) {
				kept = append(kept, g)
			}
		}
	}
	n.Grants = kept
	s.mark("n", n.Name, "")
	return Result{}
}

// Granted says whether some grant of the namespace may let the user in.
func (n *Namespace) Granted(user string) bool {
	return slices.ContainsFunc(n.Grants, func(g auth.Grant) bool {
		return !g.Deny && (g.User == auth.Everybody || g.User == user)
	})
}
