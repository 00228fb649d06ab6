package server

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"sync/atomic"
	"time"
)

// identity is the TLS configuration in force; reload swaps it for new
// connections.
type identity struct {
	files   TLS
	current atomic.Pointer[tls.Config]
}

func newIdentity(files TLS) (*identity, error) {
	i := &identity{files: files}
	return i, i.reload()
}

// reload reads the files again. On an error what was in force stays.
func (i *identity) reload() error {
	certificate, err := tls.LoadX509KeyPair(i.files.Certificate, i.files.Key)
	if err != nil {
		return fmt.Errorf("tls: %w", err)
	}
	c := &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{certificate}}
	if i.files.ClientCA != "" {
		pem, err := os.ReadFile(i.files.ClientCA)
		if err != nil {
			return fmt.Errorf("tls: %w", err)
		}
		c.ClientCAs = x509.NewCertPool()
		if !c.ClientCAs.AppendCertsFromPEM(pem) {
			return errors.New("tls: client_ca holds no certificate")
		}
		c.ClientAuth = tls.RequireAndVerifyClientCert
		if i.files.Client == clientOptional {
			c.ClientAuth = tls.VerifyClientCertIfGiven
		}
	}
	i.current.Store(c)
	return nil
}

// expires is when the certificate in force does.
func (i *identity) expires() time.Time {
	if leaf := i.current.Load().Certificates[0].Leaf; leaf != nil {
		return leaf.NotAfter
	}
	return time.Time{}
}

// config asks for the configuration in force at each handshake.
func (i *identity) config() *tls.Config {
	return &tls.Config{
		MinVersion:         tls.VersionTLS12,
		GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) { return i.current.Load(), nil },
	}
}
