package server

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
)

func sign(t *testing.T, key *ecdsa.PrivateKey, claims map[string]any) string {
	t.Helper()
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: jose.JSONWebKey{Key: key, KeyID: "k"}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	body, err := json.Marshal(claims)
	if err != nil {
		t.Fatal(err)
	}
	signed, err := signer.Sign(body)
	if err != nil {
		t.Fatal(err)
	}
	token, err := signed.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	return token
}

func TestTokens(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	other, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "keys.json")
	set, err := json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: &key.PublicKey, KeyID: "k", Algorithm: "ES256", Use: "sig"}}})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, set, 0o600); err != nil {
		t.Fatal(err)
	}
	if (&OAuth{}).tokenChecker() != nil {
		t.Error("tokens of nobody are taken")
	}
	check := (&OAuth{Issuer: "us", JWKS: "file://" + file, Audience: "weir", UserClaim: "sub"}).tokenChecker()
	soon := time.Now().Add(time.Hour).Unix()
	for name, row := range map[string]struct {
		token string
		ok    bool
	}{
		"good":           {sign(t, key, map[string]any{"iss": "us", "aud": "weir", "sub": "ann", "exp": soon}), true},
		"other key":      {sign(t, other, map[string]any{"iss": "us", "aud": "weir", "sub": "ann", "exp": soon}), false},
		"other issuer":   {sign(t, key, map[string]any{"iss": "them", "aud": "weir", "sub": "ann", "exp": soon}), false},
		"other audience": {sign(t, key, map[string]any{"iss": "us", "aud": "else", "sub": "ann", "exp": soon}), false},
		"old":            {sign(t, key, map[string]any{"iss": "us", "aud": "weir", "sub": "ann", "exp": 1}), false},
		"nobody":         {sign(t, key, map[string]any{"iss": "us", "aud": "weir", "exp": soon}), false},
		"garbage":        {"x.y.z", false},
	} {
		user, until, err := check(t.Context(), row.token)
		if row.ok != (err == nil) || row.ok && (user != "ann" || until.Unix() != soon) {
			t.Errorf("%s: %q until %v, %v", name, user, until, err)
		}
	}
}
