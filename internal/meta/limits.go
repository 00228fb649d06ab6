package meta

// Limits bound what a namespace or a user may have at a time. A limit that is nil
// or negative is none; 0 allows nothing.
type Limits struct {
	Sessions *int64 `json:"sessions,omitempty"`
	Queues   *int64 `json:"queues,omitempty"` // of a namespace
	Parts    *int64 `json:"parts,omitempty"`  // of all sessions of a user
}

// Over says whether one more than the count would pass a limit, and which it is.
func Over(limit *int64, count int) (int64, bool) {
	if limit == nil || *limit < 0 {
		return 0, false
	}
	return *limit, int64(count) >= *limit
}

func (s *State) limits(c *Command) Result {
	if c.Space != "" {
		n := s.namespaces[c.Space]
		if n == nil {
			return Result{Outcome: MissingSpace, Name: c.Space}
		}
		n.Limits = c.Limits
		s.mark("n", c.Space, "")
		return Result{}
	}
	u := s.users[c.Name]
	if u == nil {
		return Result{Outcome: Missing, Name: c.Name}
	}
	u.Limits = c.Limits
	s.mark("u", c.Name, "")
	return Result{}
}
