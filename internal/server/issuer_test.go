package server

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// TestIssuerThatIsDown: while the keys cannot be had, or do not come, nobody is let
// in; whose keys are known needs them no more.
func TestIssuerThatIsDown(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	set, err := json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: &key.PublicKey, KeyID: "k", Algorithm: "ES256", Use: "sig"}}})
	if err != nil {
		t.Fatal(err)
	}
	var how atomic.Value
	how.Store("hangs")
	issuer := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch how.Load() {
		case "hangs":
			<-r.Context().Done()
		case "fails":
			http.Error(w, "no", http.StatusInternalServerError)
		case "lies":
			_, _ = w.Write([]byte(`{"keys":`))
		default:
			_, _ = w.Write(set)
		}
	}))
	defer issuer.Close()
	check := (&OAuth{Issuer: "us", JWKS: issuer.URL, UserClaim: "sub"}).tokenChecker()
	token := sign(t, key, map[string]any{"iss": "us", "sub": "ann", "exp": time.Now().Add(time.Hour).Unix()})
	login := func() (string, error) {
		ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
		defer cancel()
		user, _, err := check(ctx, token)
		return user, err
	}
	for _, fault := range []string{"hangs", "fails", "lies"} {
		how.Store(fault)
		begun := time.Now()
		if user, err := login(); err == nil {
			t.Errorf("an issuer that %s lets %s in", fault, user)
		}
		if took := time.Since(begun); took > 5*time.Second {
			t.Errorf("an issuer that %s was waited for for %v", fault, took)
		}
		issuer.CloseClientConnections()
	}
	how.Store("works")
	if user, err := login(); err != nil || user != "ann" {
		t.Fatal(user, err)
	}
	issuer.Close()
	if user, err := login(); err != nil || user != "ann" {
		t.Errorf("with keys that are known: %q, %v", user, err)
	}
}
