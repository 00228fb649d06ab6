package meta

import (
	"slices"

	"weir/internal/auth"
)

// scram sets or removes a user's keys of one mechanism.
func (s *State) scram(c *Command) Result {
	u := s.users[c.Name]
	if u == nil && c.Op == OpScramPut {
		u = &User{Name: c.Name, Permissions: map[string]Permission{}}
		s.users[c.Name] = u
	}
	if u == nil {
		return Result{Outcome: Missing, Name: c.Name}
	}
	kept := slices.DeleteFunc(slices.Clone(u.Scram), func(k auth.ScramKeys) bool { return k.Mechanism == c.Scram.Mechanism })
	switch {
	case c.Op == OpScramPut:
		kept = append(kept, *c.Scram)
	case len(kept) == len(u.Scram):
		return Result{Outcome: Missing, Name: string(c.Scram.Mechanism)}
	}
	u.Scram = kept
	s.mark("u", u.Name, "")
	return Result{}
}
