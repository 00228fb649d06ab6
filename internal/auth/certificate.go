package auth

import "crypto/x509"

// CertificateNames are the parts of a client's certificate that can be its user
// name.
var CertificateNames = []string{"common_name", "distinguished_name", "dns", "email", "uri"}

// CertificateUser returns the user name in a certificate that was verified: its
// common name, its subject as RFC 4514 writes it, or its first alternative name of
// a kind. It reports false where the certificate has none.
func CertificateUser(c *x509.Certificate, from string) (string, bool) {
	name := ""
	switch from {
	case "common_name":
		name = c.Subject.CommonName
	case "distinguished_name":
		name = c.Subject.String()
	case "dns":
		name = first(c.DNSNames)
	case "email":
		name = first(c.EmailAddresses)
	case "uri":
		if len(c.URIs) > 0 {
			name = c.URIs[0].String()
		}
	}
	return name, name != ""
}

func first(names []string) string {
	if len(names) == 0 {
		return ""
	}
	return names[0]
}
