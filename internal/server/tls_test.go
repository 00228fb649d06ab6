package server_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"weir/internal/server"
)

// authority signs certificates.
type authority struct {
	t    *testing.T
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	next int64

	ended bool // what it signs has expired
}

func newAuthority(t *testing.T) *authority {
	a := &authority{t: t}
	a.cert, a.key = a.sign(&x509.Certificate{
		Subject: pkix.Name{CommonName: "authority"}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	})
	return a
}

func (a *authority) sign(c *x509.Certificate) (*x509.Certificate, *ecdsa.PrivateKey) {
	a.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		a.t.Fatal(err)
	}
	a.next++
	c.SerialNumber = big.NewInt(a.next)
	c.NotBefore, c.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	if a.ended {
		c.NotBefore, c.NotAfter = time.Now().Add(-2*time.Hour), time.Now().Add(-time.Hour)
	}
	parent, signer := a.cert, a.key
	if parent == nil {
		parent, signer = c, key
	}
	der, err := x509.CreateCertificate(rand.Reader, c, parent, &key.PublicKey, signer)
	if err != nil {
		a.t.Fatal(err)
	}
	signed, err := x509.ParseCertificate(der)
	if err != nil {
		a.t.Fatal(err)
	}
	return signed, key
}

// pair writes a certificate and its key to files of a directory.
func (a *authority) pair(dir, name string, usage x509.ExtKeyUsage) (certificate, key string) {
	a.t.Helper()
	c, k := a.sign(&x509.Certificate{
		Subject: pkix.Name{CommonName: name}, ExtKeyUsage: []x509.ExtKeyUsage{usage}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	})
	der, err := x509.MarshalPKCS8PrivateKey(k)
	if err != nil {
		a.t.Fatal(err)
	}
	return a.write(dir, name+".pem", "CERTIFICATE", c.Raw), a.write(dir, name+".key", "PRIVATE KEY", der)
}

func (a *authority) write(dir, name, kind string, der []byte) string {
	a.t.Helper()
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
		a.t.Fatal(err)
	}
	return path
}

// client is the TLS configuration of a client with the named certificate, or none.
func (a *authority) client(dir, name string) *tls.Config {
	a.t.Helper()
	c := &tls.Config{RootCAs: x509.NewCertPool(), ServerName: "127.0.0.1"}
	c.RootCAs.AddCert(a.cert)
	if name != "" {
		pair, err := tls.LoadX509KeyPair(a.pair(dir, name, x509.ExtKeyUsageClientAuth))
		if err != nil {
			a.t.Fatal(err)
		}
		c.Certificates = []tls.Certificate{pair}
	}
	return c
}

func serve(t *testing.T, change func(c *server.Config)) *server.Server {
	t.Helper()
	c := server.Default()
	c.Data = filepath.Join(t.TempDir(), "data")
	c.Listen = server.Listen{AMQP: "off", AMQPS: "127.0.0.1:0", HTTP: "off", Kafka: "off"}
	c.Storage.WALFileBytes = 1 << 20
	c.Log.Level = "error"
	change(&c)
	s, err := server.Start(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func login(s *server.Server, c *tls.Config, mechanisms ...amqp.Authentication) error {
	conn, err := amqp.DialConfig("amqps://"+s.Addr("amqps").String()+"/", amqp.Config{TLSClientConfig: c, SASL: mechanisms})
	if err != nil {
		return err
	}
	return conn.Close()
}

func TestClientsLogInWithTheirCertificate(t *testing.T) {
	dir := t.TempDir()
	ours, theirs := newAuthority(t), newAuthority(t)
	cert, key := ours.pair(dir, "server", x509.ExtKeyUsageServerAuth)
	ca := ours.write(dir, "ca.pem", "CERTIFICATE", ours.cert.Raw)
	password := &amqp.PlainAuth{Username: "guest", Password: "guest"}
	for _, row := range []struct {
		client, name string
		from         *authority
		how          amqp.Authentication
		in           bool
	}{
		{"required", "guest", ours, &amqp.ExternalAuth{}, true},
		{"required", "nobody", ours, &amqp.ExternalAuth{}, false},
		{"required", "nobody", ours, password, true},
		{"required", "", ours, password, false},
		{"required", "guest", theirs, &amqp.ExternalAuth{}, false},
		{"optional", "guest", ours, &amqp.ExternalAuth{}, true},
		{"optional", "", ours, password, true},
		{"optional", "", ours, &amqp.ExternalAuth{}, false},
		{"optional", "guest", theirs, password, false},
	} {
		s := serve(t, func(c *server.Config) {
			c.TLS = server.TLS{Certificate: cert, Key: key, ClientCA: ca, Client: row.client, LoginFrom: "common_name"}
		})
		c := row.from.client(dir, row.name)
		c.RootCAs.AddCert(ours.cert)
		if err := login(s, c, row.how); (err == nil) != row.in {
			t.Errorf("certificates %s, %q by %s: %v", row.client, row.name, row.how.Mechanism(), err)
		}
	}
}

func TestCertificatesAreReadAgainOnRequest(t *testing.T) {
	dir := t.TempDir()
	first, second := newAuthority(t), newAuthority(t)
	cert, key := first.pair(dir, "server", x509.ExtKeyUsageServerAuth)
	s := serve(t, func(c *server.Config) { c.TLS.Certificate, c.TLS.Key = cert, key })
	password := &amqp.PlainAuth{Username: "guest", Password: "guest"}
	if err := login(s, first.client(dir, ""), password); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(cert, []byte("nonsense"), 0o600); err != nil {
		t.Fatal(err)
	}
	s.Reload() // keeps what it has
	if err := login(s, first.client(dir, ""), password); err != nil {
		t.Fatal(err)
	}
	second.pair(dir, "server", x509.ExtKeyUsageServerAuth)
	s.Reload()
	if err := login(s, second.client(dir, ""), password); err != nil {
		t.Fatal(err)
	}
	if err := login(s, first.client(dir, ""), password); err == nil {
		t.Fatal("the old certificate is still shown")
	}
}
