package broker

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"

	"weir/internal/auth"
	"weir/internal/meta"
)

const scramSaltBytes = 16

// scramKeys are the keys of a password for every mechanism.
func scramKeys(password string) []auth.ScramKeys {
	var all []auth.ScramKeys
	for _, m := range []auth.ScramMechanism{auth.ScramSHA256, auth.ScramSHA512} {
		salt := make([]byte, scramSaltBytes)
		rand.Read(salt) // never fails
		k, err := auth.NewScramKeys(m, password, salt)
		if err != nil {
			continue // the password has no form the mechanism can carry
		}
		all = append(all, k)
	}
	return all
}

// ScramKeys returns a user's keys of a mechanism. One that there is not has keys
// too, always the same and of no password, so that asking tells nothing.
func (b *Broker) ScramKeys(user string, m auth.ScramMechanism) auth.ScramKeys {
	e := b.engine
	e.control.mu.RLock()
	defer e.control.mu.RUnlock()
	if u := e.control.state.User(user); u != nil {
		if k, ok := u.ScramKeys(m); ok {
			return k
		}
	}
	mac := hmac.New(sha256.New, e.decoy[:])
	mac.Write([]byte(string(m) + user))
	sum := mac.Sum(nil)
	return auth.ScramKeys{Mechanism: m, Iterations: auth.ScramIterations, Salt: sum[:scramSaltBytes], Stored: e.decoy[:], Server: sum}
}

// PutScram sets a user's keys of one mechanism; a user that is not there is made,
// without any right.
func (b *Broker) PutScram(p Principal, user string, k auth.ScramKeys) *Error {
	if err := checkNewName(ObjectUser, user); err != nil {
		return err
	}
	if k.Iterations < auth.ScramIterationsMin || k.Iterations > auth.ScramIterationsMax {
		return &Error{Code: CodeInvalid, Object: ObjectUser, Name: user, Field: "iterations", Text: "iterations: not between 4096 and 16384"}
	}
	_, err := b.change(p, ObjectUser, user, meta.Command{Op: meta.OpScramPut, Name: user, Scram: &k})
	return err
}

// DeleteScram removes a user's keys of one mechanism.
func (b *Broker) DeleteScram(p Principal, user string, m auth.ScramMechanism) *Error {
	_, err := b.change(p, ObjectUser, user, meta.Command{Op: meta.OpScramDelete, Name: user, Scram: &auth.ScramKeys{Mechanism: m}})
	return err
}

// ScramInfo tells what keys a user has.
type ScramInfo struct {
	Mechanism  auth.ScramMechanism
	Iterations int
}

// Scrams returns what keys users have, by user.
func (b *Broker) Scrams(p Principal) (map[string][]ScramInfo, *Error) {
	if err := b.mayManage(p); err != nil {
		return nil, err
	}
	c := b.engine.control
	c.mu.RLock()
	defer c.mu.RUnlock()
	all := map[string][]ScramInfo{}
	for _, name := range c.state.Users() {
		for _, k := range c.state.User(name).Scram {
			all[name] = append(all[name], ScramInfo{k.Mechanism, k.Iterations})
		}
	}
	return all, nil
}
