package auth_test

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"net/url"
	"testing"

	"weir/internal/auth"
)

func TestCertificateUser(t *testing.T) {
	whole := &x509.Certificate{
		Subject:        pkix.Name{CommonName: "orders", Organization: []string{"Shop, Inc."}},
		DNSNames:       []string{"orders.example", "other"},
		EmailAddresses: []string{"orders@example.org"},
		URIs:           []*url.URL{{Scheme: "spiffe", Host: "shop", Path: "/orders"}},
	}
	for from, want := range map[string]string{
		"common_name": "orders", "distinguished_name": `CN=orders,O=Shop\, Inc.`, "dns": "orders.example",
		"email": "orders@example.org", "uri": "spiffe://shop/orders",
	} {
		if got, ok := auth.CertificateUser(whole, from); got != want || !ok {
			t.Errorf("%s: %q, %v", from, got, ok)
		}
		if got, ok := auth.CertificateUser(&x509.Certificate{}, from); got != "" || ok {
			t.Errorf("%s of an empty certificate: %q, %v", from, got, ok)
		}
	}
}
