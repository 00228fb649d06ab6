package server

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"

	"weir/internal/proto/kafka"
)

// OAuth says whose bearer tokens are taken. What issuer says is trusted; nothing a
// client sends chooses where keys come from.
type OAuth struct {
	Issuer    string `yaml:"issuer"`     // of the tokens; empty: none are taken
	JWKS      string `yaml:"jwks"`       // URL of its keys: https, http or file
	Audience  string `yaml:"audience"`   // that tokens must be for; empty: any
	UserClaim string `yaml:"user_claim"` // that names the user
}

// tokenChecker returns the check of bearer tokens, nil where none are taken.
func (o *OAuth) tokenChecker() kafka.TokenChecker {
	if o.Issuer == "" {
		return nil
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.RegisterProtocol("file", http.NewFileTransport(http.Dir("/")))
	ctx := oidc.ClientContext(context.Background(), &http.Client{Transport: transport, Timeout: 10 * time.Second})
	verifier := oidc.NewVerifier(o.Issuer, oidc.NewRemoteKeySet(ctx, o.JWKS), &oidc.Config{
		ClientID: o.Audience, SkipClientIDCheck: o.Audience == "",
		SupportedSigningAlgs: []string{
			oidc.RS256, oidc.RS384, oidc.RS512, oidc.ES256, oidc.ES384, oidc.ES512, oidc.PS256, oidc.PS384, oidc.PS512, oidc.EdDSA,
		},
	})
	return func(ctx context.Context, token string) (string, time.Time, error) {
		verified, err := verifier.Verify(ctx, token)
		if err != nil {
			return "", time.Time{}, fmt.Errorf("token: %w", err)
		}
		var claims map[string]any
		if err := verified.Claims(&claims); err != nil {
			return "", time.Time{}, fmt.Errorf("token: %w", err)
		}
		user, ok := claims[o.UserClaim].(string)
		if !ok || user == "" {
			return "", time.Time{}, fmt.Errorf("token: no claim %q", o.UserClaim)
		}
		return user, verified.Expiry, nil
	}
}
