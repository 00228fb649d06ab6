package broker

import (
	"crypto/rand"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"weir/internal/auth"
	"weir/internal/meta"
	"weir/internal/record"
	"weir/internal/shard"
	"weir/internal/wal"
)

// nameBytesMax is the longest name of a namespace or a user.
const nameBytesMax = 255

// UserInfo is a user as listed.
type UserInfo struct {
	Name     string
	Tags     []string
	Password bool   // may log in with one
	Hash     string // as package auth stores it, for backups
	Limits   Limits
}

// UserSpec makes or changes a user. Exactly one of the password fields counts:
// Hash where it is not nil (an empty one is a user who cannot log in with a
// password), else Password.
type UserSpec struct {
	Name     string
	Password string
	Hash     *string // as package auth stores it
	Tags     []string
}

// PermissionInfo is what a user may do in a namespace: three patterns.
type PermissionInfo struct{ User, Namespace, Configure, Write, Read string }

// Stats are numbers of the whole broker. Totals and WAL count since the start.
type Stats struct {
	Totals shard.Totals
	WAL    wal.Stats

	Namespaces, Users, Queues, Exchanges, Bindings int
	Topics, Partitions                             int
	TopicMessages                                  uint64 // offsets, in all partitions; counted with no queue
	Sessions, Consumers                            int
	Ready, Unsettled                               uint64
	QueueBytes                                     int64 // of unsettled messages

	TailBytes, TailBytesMax int64 // memory of messages
	WaitingBytes            int64 // on their way to the disk
	DiskFree                uint64
	Pressure                string // why publishers wait, or nothing
	SessionsOpened          uint64
	Closing                 bool
	// Since the start: every declaration, and what it and deletes led to.
	QueuesDeclared, QueuesCreated, QueuesDeleted uint64
}

// mayManage refuses everybody but administrators. It asks the state, not the
// login, so that a tag that was taken away counts at once.
func (b *Broker) mayManage(p Principal) *Error {
	c := b.engine.control
	c.mu.RLock()
	defer c.mu.RUnlock()
	return managing(c.state, p)
}

func managing(state *meta.State, p Principal) *Error {
	if u := state.User(p.User); u != nil && slices.Contains(u.Tags, administratorTag) {
		return nil
	}
	return &Error{Code: CodeAccessRefused, Object: ObjectUser, Name: p.User, Field: administratorTag, Text: "not an administrator"}
}

// CheckName refuses names that no object may have.
func CheckName(o Object, name string) *Error {
	bad := ""
	switch {
	case len(name) > nameBytesMax:
		bad = "name longer than " + strconv.Itoa(nameBytesMax) + " bytes"
	case !utf8.ValidString(name):
		bad = "name is not UTF-8"
	case strings.ContainsRune(name, 0):
		bad = "name with a NUL"
	default:
		return nil
	}
	return &Error{Code: CodeInvalid, Object: o, Field: "name", Text: bad}
}

func checkNewName(o Object, name string) *Error {
	if name == "" {
		return &Error{Code: CodeInvalid, Object: o, Field: "name", Text: "empty name"}
	}
	return CheckName(o, name)
}

// change proposes one command for an administrator. An outcome that is neither
// Done nor Existed is an error about the object.
func (b *Broker) change(p Principal, o Object, name string, c meta.Command) (meta.Result, *Error) {
	if err := b.mayManage(p); err != nil {
		return meta.Result{}, err
	}
	return b.apply(p, o, name, c)
}

// apply proposes one command for somebody who may give it.
func (b *Broker) apply(p Principal, o Object, name string, c meta.Command) (meta.Result, *Error) {
	results, err := b.engine.control.propose(c)
	if err != nil {
		return meta.Result{}, err
	}
	r := results[0]
	if r.Outcome != meta.Done && r.Outcome != meta.Existed {
		return r, outcomeError(o, c.Space, name, &r)
	}
	b.engine.options.Log.Info("managed", "user", p.User, "op", string(c.Op), "name", name, "namespace", c.Space)
	return r, nil
}

// PutNamespace makes a namespace or changes its description; it says whether it
// was made. The one who makes it may do everything in it.
func (b *Broker) PutNamespace(p Principal, name, description string) (bool, *Error) {
	return b.DefineNamespace(p, NamespaceInfo{Name: name, Description: description})
}

// DefineNamespace is PutNamespace with everything but the limits. An empty Class
// leaves what there is.
func (b *Broker) DefineNamespace(p Principal, i NamespaceInfo) (bool, *Error) {
	name := i.Name
	if err := checkNewName(ObjectNamespace, name); err != nil {
		return false, err
	}
	r, err := b.change(p, ObjectNamespace, name, meta.Command{
		Op:        meta.OpNamespacePut,
		Namespace: &meta.Namespace{Name: name, Description: i.Description, Tags: i.Tags, Class: i.Class},
	})
	if err != nil || r.Outcome == meta.Existed {
		return false, err
	}
	return true, b.PutPermission(p, PermissionInfo{p.User, name, ".*", ".*", ".*"})
}

// DeleteNamespace deletes a namespace with all that is in it and ends its
// sessions. The default one stays: a store always has it.
func (b *Broker) DeleteNamespace(p Principal, name string) *Error {
	if name == meta.DefaultNamespace {
		if err := b.mayManage(p); err != nil {
			return err
		}
		return &Error{Code: CodeNotAllowed, Object: ObjectNamespace, Name: name, Text: "the default namespace stays"}
	}
	if _, err := b.change(p, ObjectNamespace, name, meta.Command{Op: meta.OpNamespaceDelete, Name: name}); err != nil {
		return err
	}
	b.engine.sessions.each(func(s *Session) {
		if s.namespace == name {
			s.Kill("vhost '" + name + "' is down")
		}
	})
	return nil
}

// PutUser makes or changes a user; it says whether he was made. His permissions
// stay.
func (b *Broker) PutUser(p Principal, u UserSpec) (bool, *Error) {
	if err := b.mayManage(p); err != nil {
		return false, err // before a hash is computed for him
	}
	if err := checkNewName(ObjectUser, u.Name); err != nil {
		return false, err
	}
	for _, tag := range u.Tags {
		if err := checkNewName(ObjectUser, tag); err != nil {
			return false, err
		}
	}
	var hash string
	var keys []auth.ScramKeys
	switch {
	case u.Hash != nil:
		hash = *u.Hash
		if auth.CheckStored(hash) != nil && hash != "" {
			return false, &Error{Code: CodeInvalid, Object: ObjectUser, Name: u.Name, Field: "password_hash", Text: "malformed password hash"}
		}
	case u.Password != "":
		var salt [auth.SaltBytes]byte
		rand.Read(salt[:]) // never fails
		hash = auth.HashPassword([]byte(u.Password), salt, auth.DefaultCost)
		keys = scramKeys(u.Password)
	default:
		return false, &Error{Code: CodeInvalid, Object: ObjectUser, Name: u.Name, Field: "password", Text: "empty password"}
	}
	r, err := b.change(p, ObjectUser, u.Name, meta.Command{
		Op:   meta.OpUserPut,
		User: &meta.User{Name: u.Name, Password: hash, Tags: u.Tags, Scram: keys},
	})
	return err == nil && r.Outcome == meta.Done, err
}

// DeleteUser deletes a user and ends his sessions.
func (b *Broker) DeleteUser(p Principal, name string) *Error {
	if _, err := b.change(p, ObjectUser, name, meta.Command{Op: meta.OpUserDelete, Name: name}); err != nil {
		return err
	}
	b.engine.sessions.each(func(s *Session) {
		if s.principal.User == name {
			s.Kill("user '" + name + "' is deleted")
		}
	})
	return nil
}

// PutPermission sets what a user may do in a namespace. It counts for open
// sessions from their next operation on.
func (b *Broker) PutPermission(p Principal, i PermissionInfo) *Error {
	if _, err := auth.NewPermission(i.Configure, i.Write, i.Read); err != nil {
		return &Error{
			Code: CodeInvalid, Object: ObjectUser, Name: i.User, Field: "permission",
			Text: strings.ReplaceAll(err.Error(), "\n", ": "),
		}
	}
	_, err := b.change(p, ObjectUser, i.User, meta.Command{
		Op: meta.OpPermissionPut, Name: i.User, Space: i.Namespace,
		Permission: &meta.Permission{Configure: i.Configure, Write: i.Write, Read: i.Read},
	})
	return err
}

// DeletePermission takes a user's rights in a namespace away.
func (b *Broker) DeletePermission(p Principal, user, space string) *Error {
	_, err := b.change(p, ObjectUser, user, meta.Command{Op: meta.OpPermissionDelete, Name: user, Space: space})
	return err
}

// Users lists the users by name, for administrators.
func (b *Broker) Users(p Principal) ([]UserInfo, *Error) {
	if err := b.mayManage(p); err != nil {
		return nil, err
	}
	c := b.engine.control
	c.mu.RLock()
	defer c.mu.RUnlock()
	var out []UserInfo
	for _, name := range c.state.Users() {
		u := c.state.User(name)
		out = append(out, UserInfo{name, slices.Clone(u.Tags), u.Password != "", u.Password, limitsOf(u.Limits)})
	}
	return out, nil
}

// Permissions lists who may do what, for administrators.
func (b *Broker) Permissions(p Principal) ([]PermissionInfo, *Error) {
	if err := b.mayManage(p); err != nil {
		return nil, err
	}
	c := b.engine.control
	c.mu.RLock()
	defer c.mu.RUnlock()
	var out []PermissionInfo
	for _, name := range c.state.Users() {
		for space, perm := range c.state.User(name).Permissions {
			out = append(out, PermissionInfo{name, space, perm.Configure, perm.Write, perm.Read})
		}
	}
	slices.SortFunc(out, func(a, b PermissionInfo) int {
		if n := strings.Compare(a.Namespace, b.Namespace); n != 0 {
			return n
		}
		return strings.Compare(a.User, b.User)
	})
	return out, nil
}

// KillSession ends the sessions of this name, which must be the principal's own
// unless he is an administrator.
func (b *Broker) KillSession(p Principal, name, reason string) *Error {
	managing := b.mayManage(p)
	found := false
	var refused *Error
	b.engine.sessions.each(func(s *Session) {
		switch {
		case s.options.Name != name:
		case managing != nil && s.principal.User != p.User:
			refused = managing
		default:
			found = true
			s.Kill(reason)
		}
	})
	switch {
	case found:
		return nil
	case refused != nil:
		return refused
	}
	return &Error{Code: CodeNotFound, Object: ObjectNone, Name: name, Text: "no such connection"}
}

// Stats counts what is there. Its cost grows with the number of queues.
func (b *Broker) Stats() Stats {
	e := b.engine
	s := Stats{
		WAL: e.wal.Stats(), Sessions: e.sessions.len(), Consumers: e.attachments.len(), TailBytesMax: e.options.TailBytes,
		Pressure: e.pressure(), SessionsOpened: e.nextSession.Load(), Closing: e.closing.Load(),
		QueuesDeclared: e.churn.declared.Load(), QueuesCreated: e.churn.created.Load(), QueuesDeleted: e.churn.deleted.Load(),
	}
	if free, err := e.options.FS.Free(e.options.Dir); err == nil {
		s.DiskFree = free
	}
	e.control.mu.RLock()
	state := e.control.state
	others := map[record.LogID]bool{} // logs that are no queues; true: of a topic
	for _, name := range state.Namespaces() {
		n := state.Namespace(name)
		s.Namespaces++
		s.Queues += len(n.Queues)
		s.Exchanges += len(n.Exchanges)
		s.Topics += len(n.Topics)
		for _, t := range n.Topics {
			s.Partitions += len(t.Partitions)
			for _, p := range t.Partitions {
				others[p.Log] = true
			}
			for _, share := range t.Shares {
				for _, p := range share.Parts() {
					others[p.Log] = false
				}
			}
		}
		for _, x := range n.Exchanges {
			s.Bindings += x.BindingCount()
		}
	}
	s.Users = len(state.Users())
	e.control.mu.RUnlock()
	for _, h := range e.hosts {
		s.TailBytes += h.tailBytes.Load()
		s.WaitingBytes += h.waiting.Load()
		h.call(func(m *shard.Machine) { s.add(m, others) })
	}
	return s
}

func (s *Stats) add(m *shard.Machine, others map[record.LogID]bool) {
	t := m.Totals()
	s.Totals.Published += t.Published
	s.Totals.Delivered += t.Delivered
	s.Totals.Redelivered += t.Redelivered
	s.Totals.Acked += t.Acked
	s.Totals.DeadLettered += t.DeadLettered
	s.Totals.DeadStored += t.DeadStored
	for why, n := range t.DeadBy {
		s.Totals.DeadBy[why] += n
	}
	s.Totals.Expired += t.Expired
	s.Totals.Dropped += t.Dropped
	for id := range m.Logs {
		c, ok := m.Counts(id)
		if !ok {
			continue
		}
		switch partition, other := others[id]; {
		case partition:
			s.TopicMessages += c.Ready
		case !other:
			s.Ready += c.Ready
			s.Unsettled += c.Leased
			s.QueueBytes += c.Bytes
		}
	}
}

// QueueClass is the class of queues in a namespace whose declaration names none;
// "" leaves it to the dialect.
func (b *Broker) QueueClass(space string) string {
	c := b.engine.control
	c.mu.RLock()
	defer c.mu.RUnlock()
	if n := c.state.Namespace(space); n != nil {
		return n.Class
	}
	return ""
}
