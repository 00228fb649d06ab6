package auth

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/sha512"
	"errors"
	"hash"

	"github.com/xdg-go/scram"
)

// ScramMechanism is one of the mechanisms of RFC 5802 and 7677.
type ScramMechanism string

// The mechanisms.
const (
	ScramSHA256 ScramMechanism = "SCRAM-SHA-256"
	ScramSHA512 ScramMechanism = "SCRAM-SHA-512"
)

const (
	// ScramIterations of a password set here. Every login costs the client as many.
	ScramIterations = 8192
	// ScramIterationsMin and ScramIterationsMax bound those that others set.
	ScramIterationsMin = 4096
	ScramIterationsMax = 16384
)

// ErrScramMechanism reports an unknown mechanism.
var ErrScramMechanism = errors.New("auth: no such SCRAM mechanism")

// ScramKeys are what a server needs to check a password without knowing it.
type ScramKeys struct {
	Mechanism  ScramMechanism `json:"mechanism"`
	Iterations int            `json:"iterations"`
	Salt       []byte         `json:"salt"`
	Stored     []byte         `json:"stored"`
	Server     []byte         `json:"server"`
}

func (m ScramMechanism) hash() (func() hash.Hash, bool) {
	switch m {
	case ScramSHA256:
		return sha256.New, true
	case ScramSHA512:
		return sha512.New, true
	}
	return nil, false
}

// Known says whether the mechanism is one of ours.
func (m ScramMechanism) Known() bool {
	_, ok := m.hash()
	return ok
}

// NewScramKeys derives the keys of a password. It takes milliseconds.
func NewScramKeys(m ScramMechanism, password string, salt []byte) (ScramKeys, error) {
	h, ok := m.hash()
	if !ok {
		return ScramKeys{}, ErrScramMechanism
	}
	client, err := scram.HashGeneratorFcn(h).NewClientUnprepped("", password, "")
	if err != nil {
		return ScramKeys{}, err
	}
	c, err := client.GetStoredCredentialsWithError(scram.KeyFactors{Salt: string(salt), Iters: ScramIterations})
	if err != nil {
		return ScramKeys{}, err
	}
	return ScramKeys{m, ScramIterations, salt, c.StoredKey, c.ServerKey}, nil
}

// SaltedScramKeys are the keys of a password that was salted elsewhere.
func SaltedScramKeys(m ScramMechanism, salted, salt []byte, iterations int) (ScramKeys, error) {
	h, ok := m.hash()
	if !ok {
		return ScramKeys{}, ErrScramMechanism
	}
	mac := func(text string) []byte {
		x := hmac.New(h, salted)
		x.Write([]byte(text))
		return x.Sum(nil)
	}
	sum := h()
	sum.Write(mac("Client Key"))
	return ScramKeys{m, iterations, salt, sum.Sum(nil), mac("Server Key")}, nil
}

// ScramExchange is one login.
type ScramExchange struct{ conversation *scram.ServerConversation }

// NewScramExchange begins a login. keys returns those of a user; for one that
// there is not it returns some that nobody has a password for, so that nothing
// tells the difference.
func NewScramExchange(m ScramMechanism, keys func(user string) ScramKeys) (*ScramExchange, error) {
	h, ok := m.hash()
	if !ok {
		return nil, ErrScramMechanism
	}
	server, err := scram.HashGeneratorFcn(h).NewServer(func(user string) (scram.StoredCredentials, error) {
		k := keys(user)
		return scram.StoredCredentials{
			KeyFactors: scram.KeyFactors{Salt: string(k.Salt), Iters: k.Iterations}, StoredKey: k.Stored, ServerKey: k.Server,
		}, nil
	})
	if err != nil {
		return nil, err
	}
	return &ScramExchange{server.NewConversation()}, nil
}

// Step answers a message of the client. After an error the login has failed.
func (x *ScramExchange) Step(message string) (string, error) { return x.conversation.Step(message) }

// User returns who has proven to be who; false: nobody yet.
func (x *ScramExchange) User() (string, bool) {
	if !x.conversation.Done() || !x.conversation.Valid() {
		return "", false
	}
	if z := x.conversation.AuthzID(); z != "" && z != x.conversation.Username() {
		return "", false // nobody acts for somebody else
	}
	return x.conversation.Username(), true
}
