package server_test

import (
	"crypto/x509"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"

	amqp "github.com/rabbitmq/amqp091-go"

	"weir/internal/server"
)

// What the HTTP door tells of TLS: of connections, doors and certificates.
func TestTLSIsListed(t *testing.T) {
	dir := t.TempDir()
	a := newAuthority(t)
	cert, key := a.pair(dir, "server", x509.ExtKeyUsageServerAuth)
	s := serve(t, func(c *server.Config) {
		c.TLS = server.TLS{Certificate: cert, Key: key, ClientCA: a.write(dir, "ca.pem", "CERTIFICATE", a.cert.Raw)}
		c.Listen.HTTP = "127.0.0.1:0"
	})
	conn, err := amqp.DialTLS("amqps://guest:guest@"+s.Addr("amqps").String()+"/", a.client(dir, "guest"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := conn.Close(); err != nil {
			t.Error(err)
		}
	}()
	get := func(path string) (int, string) {
		t.Helper()
		answer, err := http.Get("http://guest:guest@" + s.Addr("http").String() + path)
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(answer.Body)
		if err != nil {
			t.Fatal(err)
		}
		if err := answer.Body.Close(); err != nil {
			t.Fatal(err)
		}
		return answer.StatusCode, string(b)
	}
	_, body := get("/api/connections")
	var list []struct {
		Secure  bool   `json:"ssl"`
		Version string `json:"ssl_protocol"`
		Cipher  string `json:"ssl_cipher"`
		Subject string `json:"peer_cert_subject"`
		Issuer  string `json:"peer_cert_issuer"`
	}
	if err := json.Unmarshal([]byte(body), &list); err != nil || len(list) != 1 {
		t.Fatal(err, body)
	}
	if c := list[0]; !c.Secure || c.Version != "tlsv1.3" || c.Cipher == "" || c.Subject != "CN=guest" || c.Issuer != "CN=authority" {
		t.Errorf("connection %+v", c)
	}
	for path, want := range map[string]int{
		"protocol-listener/amqps": 200, "protocol-listener/amqp": 503, "ready-to-serve-clients": 200,
		"certificate-expiration/0/days": 200, "certificate-expiration/1/days": 503, // it has an hour left
	} {
		if status, body := get("/api/health/checks/" + path); status != want {
			t.Errorf("%s: %d %s", path, status, body)
		}
	}
	if _, body := get("/api/health/checks/certificate-expiration/1/weeks"); !strings.Contains(body, `"protocol":"amqp/ssl"`) {
		t.Errorf("expiring: %s", body)
	}
}
