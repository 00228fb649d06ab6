package broker

import (
	"encoding/hex"
	"net/netip"
	"slices"

	"weir/internal/auth"
	"weir/internal/invariant"
	"weir/internal/meta"
)

const (
	// guest may only come from this machine.
	guest = "guest"
	// guestPassword is the hash of "guest". It is a constant because everybody
	// knows the password and hashing it would cost every first start its 30 ms.
	guestPassword = "$argon2id$v=19$m=19456,t=2,p=1$d2Vpci1ndWVzdC1zYWx0IQ$bIhL99p7uwAKCwoPhxiQBmFNY3P4mMQfX8cVut4sFdg"
	// administratorTag lets a user manage the broker.
	administratorTag = "administrator"
)

// guestKeys are constants for the same reason.
func guestKeys() []auth.ScramKeys {
	bytes := func(text string) []byte {
		b, err := hex.DecodeString(text)
		invariant.Check(err == nil, "guest's keys: %v", err)
		return b
	}
	salt := []byte("weir-guest-salt!")
	return []auth.ScramKeys{
		{
			Mechanism: auth.ScramSHA256, Iterations: auth.ScramIterations, Salt: salt,
			Stored: bytes("5092a36164fa0b5186a755caee73cd5773e3965a3e029e625041dec354e32551"),
			Server: bytes("f408b001f3642c8114734b08b84f87053e3f126fdb65000d0e52fe2f4ac47d2a"),
		},
		{
			Mechanism: auth.ScramSHA512, Iterations: auth.ScramIterations, Salt: salt,
			Stored: bytes("e54528fd42632a69b95a7cddf4732e3253028a82704802634d49700a0836f7a780187adbf4e9e11cc91128d862419b40245ed3a33ce870bc6e92457cb33438e5"),
			Server: bytes("19a5e2ffb2286cdd1896fca0e7977240cf9eafba62d5ec291b40f1e19414a829277a247ecde15ea475baa5d2f161f41c442189eedf6e39b9ebf8d28ade5dfbc4"),
		},
	}
}

// bootstrapUsers makes the guest of a new store.
func (e *engine) bootstrapUsers() error {
	e.control.mu.RLock()
	n := len(e.control.state.Users())
	e.control.mu.RUnlock()
	if n > 0 {
		return nil
	}
	_, err := e.control.propose(
		meta.Command{Op: meta.OpUserPut, User: &meta.User{Name: guest, Password: guestPassword, Tags: []string{administratorTag}, Scram: guestKeys()}},
		meta.Command{Op: meta.OpPermissionPut, Name: guest, Space: meta.DefaultNamespace, Permission: &meta.Permission{Configure: ".*", Write: ".*", Read: ".*"}},
	)
	if err != nil {
		return err
	}
	return nil
}

// Authenticate checks a user's password.
func (b *Broker) Authenticate(user, password string, remote netip.AddrPort) (Principal, *Error) {
	e := b.engine
	e.control.mu.RLock()
	var hash string
	var tags []string
	if u := e.control.state.User(user); u != nil {
		hash, tags = u.Password, slices.Clone(u.Tags)
	}
	e.control.mu.RUnlock()
	refused := &Error{Code: CodeAccessRefused, Object: ObjectUser, Name: user, Text: "login refused"}
	if ok, err := e.verifier.Verify(hash, []byte(password), e.options.Clock.Millis()); err != nil || !ok {
		return Principal{}, refused
	}
	return loopbackOnly(Principal{User: user, Tags: tags}, remote)
}

// Identify admits a user whose identity is proven by other means than a password.
func (b *Broker) Identify(user string, remote netip.AddrPort) (Principal, *Error) {
	e := b.engine
	e.control.mu.RLock()
	u := e.control.state.User(user)
	var tags []string
	if u != nil {
		tags = slices.Clone(u.Tags)
	}
	e.control.mu.RUnlock()
	if u == nil {
		return Principal{}, &Error{Code: CodeAccessRefused, Object: ObjectUser, Name: user, Text: "no such user"}
	}
	return loopbackOnly(Principal{User: user, Tags: tags}, remote)
}

// loopbackOnly refuses a guest from elsewhere.
func loopbackOnly(p Principal, remote netip.AddrPort) (Principal, *Error) {
	if p.User == guest && !remote.Addr().Unmap().IsLoopback() {
		return Principal{}, &Error{
			Code: CodeAccessRefused, Object: ObjectUser, Name: p.User, Field: "loopback",
			Text: "user guest can only connect from this machine",
		}
	}
	return p, nil
}

// Administrator says whether the principal may manage the broker.
func (p Principal) Administrator() bool { return slices.Contains(p.Tags, administratorTag) }

func mayEnter(state *meta.State, p Principal, space string) *Error {
	if u := state.User(p.User); u != nil {
		if _, ok := u.Permissions[space]; ok {
			return nil
		}
	}
	if n := state.Namespace(space); n != nil && n.Granted(p.User) {
		return nil
	}
	return &Error{Code: CodeAccessRefused, Object: ObjectNamespace, Name: space, Space: space, Field: p.User, Text: "no permission in this namespace"}
}

// may checks a right of the session's principal on a name.
func (s *Session) may(state *meta.State, verb auth.Verb, o Object, name string) *Error {
	switch {
	case s.own:
		return nil
	case s.options.Managing:
		return managing(state, s.principal)
	}
	if o == ObjectExchange && name == "" {
		name = "amq.default"
	}
	judgment := s.judge(state, verb, o, name)
	if u := state.User(s.principal.User); u != nil && judgment != auth.Denied {
		if p, ok := u.Permissions[s.namespace]; judgment == auth.Allowed || ok && o != ObjectCluster && p.Allows(verb, name) {
			return nil
		}
	}
	return &Error{
		Code: CodeAccessRefused, Object: o, Name: name, Space: s.namespace, Field: verb.String(),
		Received: s.principal.User, Text: verb.String() + " access refused",
	}
}

func (s *Session) mayWrite(state *meta.State, exchange string) *Error {
	return s.may(state, auth.Write, ObjectExchange, exchange)
}

func (s *Session) mayRead(state *meta.State, queue string) *Error {
	return s.may(state, auth.Read, ObjectQueue, queue)
}
