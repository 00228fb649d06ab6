package broker

import (
	"cmp"
	"slices"

	"weir/internal/auth"
	"weir/internal/meta"
)

// GroupInfo is a group of readers as its coordinator sees it.
type GroupInfo struct {
	Name    string
	Kind    string // the coordinator's word
	State   string // the coordinator's word; "Empty" where it knows of none
	Members []GroupMember
}

// GroupMember is one reader of a group.
type GroupMember struct {
	ID, Instance, Client, Host string
	Parts                      []GroupPart
}

// GroupPart is a partition that a member reads.
type GroupPart struct {
	Topic     string
	Partition int
}

// GroupKeeper coordinates the groups of a namespace. Its methods may be called from
// any goroutine, with sessions that may do what is asked.
type GroupKeeper interface {
	// Kept lists the groups it knows of, in any order.
	Kept(s *Session) []string
	// Describe says what it knows of a group; false is nothing.
	Describe(s *Session, group string) (GroupInfo, bool, *Error)
	// Forget removes a group, its positions and where it is in what it reads
	// together; with members it is CodeInUse.
	Forget(s *Session, group string) *Error
	// Quietly runs change while the group has no members, and none come; with
	// members that read one of the topics, or any where there are none named, it
	// is CodeInUse.
	Quietly(s *Session, group string, topics []string, change func() *Error) *Error
}

// KeepGroups lets a keeper coordinate the groups of a namespace from now on.
func (b *Broker) KeepGroups(namespace string, k GroupKeeper) { b.engine.keepers.Store(namespace, k) }

func (s *Session) keeper() GroupKeeper {
	if k, ok := s.engine.keepers.Load(s.namespace); ok {
		return k.(GroupKeeper)
	}
	return nobody{}
}

// nobody keeps groups that only have positions.
type nobody struct{}

func (nobody) Kept(*Session) []string { return nil }

func (nobody) Describe(*Session, string) (GroupInfo, bool, *Error) { return GroupInfo{}, false, nil }

func (nobody) Forget(s *Session, group string) *Error {
	if err := s.DeleteShares(group); err != nil {
		return err
	}
	return s.await(func(done func(*Error)) *Error { return s.DropPositions(group, nil, done) })
}

func (nobody) Quietly(_ *Session, _ string, _ []string, change func() *Error) *Error { return change() }

// await runs what calls back, and waits for that.
func (s *Session) await(start func(done func(*Error)) *Error) *Error {
	done := make(chan *Error, 1)
	if err := start(func(err *Error) { done <- err }); err != nil {
		return err
	}
	select {
	case err := <-done:
		return err
	case <-s.killed:
		return unavailable()
	}
}

// ListGroups describes all groups the session may read, by name.
func (s *Session) ListGroups() []GroupInfo {
	names := append(s.Groups(), s.keeper().Kept(s)...)
	slices.Sort(names)
	var all []GroupInfo
	for _, name := range slices.Compact(names) {
		if g, err := s.Group(name); err == nil {
			all = append(all, g)
		}
	}
	slices.SortFunc(all, func(a, b GroupInfo) int { return cmp.Compare(a.Name, b.Name) })
	return all
}

// Group describes a group.
func (s *Session) Group(name string) (GroupInfo, *Error) {
	if err := s.MayGroup(auth.Describe, name); err != nil {
		return GroupInfo{}, err
	}
	g, ok, err := s.keeper().Describe(s, name)
	if err != nil || ok {
		return g, err
	}
	notes, err := s.Ledger(PositionsLedger(name))
	if err == nil && len(notes) == 0 && len(s.Shares(name)) == 0 {
		err = notFound(ObjectGroup, s.namespace, name)
	}
	return GroupInfo{Name: name, State: "Empty"}, err
}

// mayChangeGroup checks that a group is there and the session may change it.
func (s *Session) mayChangeGroup(name string) *Error {
	if _, err := s.Group(name); err != nil {
		return err
	}
	return s.MayGroup(auth.Delete, name)
}

// DeleteGroup forgets a group that has no members, and its positions.
func (s *Session) DeleteGroup(name string) *Error {
	if err := s.mayChangeGroup(name); err != nil {
		return err
	}
	return s.keeper().Forget(s, name)
}

// ResetPositions sets positions of a group that has no members, or of a new one. All
// of them are set or none.
func (s *Session) ResetPositions(name string, positions []GroupPosition) *Error {
	if err := s.MayGroup(auth.Read, name); err != nil {
		return err
	}
	for i := range positions {
		if err := s.CheckPosition(&positions[i]); err != nil {
			return err
		}
	}
	return s.keeper().Quietly(s, name, nil, func() *Error {
		return s.await(func(done func(*Error)) *Error {
			_, err := s.CommitPositions(name, positions, done)
			return err
		})
	})
}

// ForgetPositions drops a group's positions in a topic that none of its members
// reads.
func (s *Session) ForgetPositions(name, topic string) *Error {
	if err := s.mayChangeGroup(name); err != nil {
		return err
	}
	return s.keeper().Quietly(s, name, []string{topic}, func() *Error {
		all, err := s.Positions(name)
		if err != nil {
			return err
		}
		all = slices.DeleteFunc(all, func(p GroupPosition) bool { return p.Topic != topic })
		if len(all) == 0 {
			return notFound(ObjectTopic, s.namespace, topic)
		}
		return s.await(func(done func(*Error)) *Error { return s.DropPositions(name, all, done) })
	})
}

// space is what is defined in the session's namespace; one that was deleted while
// the session lasts is empty. The control state's mutex is held.
func (s *Session) space() *meta.Namespace {
	if n := s.engine.control.state.Namespace(s.namespace); n != nil {
		return n
	}
	return &meta.Namespace{}
}

// Namespace is the session's.
func (s *Session) Namespace() string { return s.namespace }
