package auth_test

import (
	"crypto/pbkdf2"
	"crypto/sha256"
	"slices"
	"testing"

	"github.com/xdg-go/scram"

	"weir/internal/auth"
)

func login(t *testing.T, m auth.ScramMechanism, h scram.HashGeneratorFcn, password string, keys auth.ScramKeys) (string, bool) {
	t.Helper()
	x, err := auth.NewScramExchange(m, func(string) auth.ScramKeys { return keys })
	if err != nil {
		t.Fatal(err)
	}
	client, err := h.NewClient("me", password, "")
	if err != nil {
		t.Fatal(err)
	}
	c := client.NewConversation()
	said := ""
	for {
		out, err := c.Step(said)
		if err != nil || out == "" {
			return x.User()
		}
		if said, err = x.Step(out); err != nil {
			return x.User()
		}
	}
}

func TestScram(t *testing.T) {
	salt := []byte("0123456789abcdef")
	for m, h := range map[auth.ScramMechanism]scram.HashGeneratorFcn{auth.ScramSHA256: scram.SHA256, auth.ScramSHA512: scram.SHA512} {
		keys, err := auth.NewScramKeys(m, "secret", salt)
		if err != nil {
			t.Fatal(err)
		}
		if user, ok := login(t, m, h, "secret", keys); !ok || user != "me" {
			t.Errorf("%s: %q %v", m, user, ok)
		}
		if _, ok := login(t, m, h, "wrong", keys); ok {
			t.Errorf("%s: a wrong password is right", m)
		}
		if _, ok := login(t, m, h, "secret", auth.ScramKeys{Mechanism: m, Iterations: 4096, Salt: salt, Stored: keys.Server, Server: keys.Server}); ok {
			t.Errorf("%s: other keys are right", m)
		}
	}
	keys, err := auth.NewScramKeys(auth.ScramSHA256, "secret", salt)
	if err != nil {
		t.Fatal(err)
	}
	salted, err := pbkdf2.Key(sha256.New, "secret", salt, auth.ScramIterations, sha256.Size)
	if err != nil {
		t.Fatal(err)
	}
	other, err := auth.SaltedScramKeys(auth.ScramSHA256, salted, salt, auth.ScramIterations)
	if err != nil || !slices.Equal(other.Stored, keys.Stored) || !slices.Equal(other.Server, keys.Server) {
		t.Errorf("%+v, not %+v: %v", other, keys, err)
	}
	if _, err := auth.NewScramExchange("SCRAM-SHA-1", nil); err == nil {
		t.Error("an unknown mechanism is known")
	}
}
