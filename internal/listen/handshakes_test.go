package listen

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"io"
	"math/big"
	"net"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// signer is a server's key that knows how many handshakes sign at the same time.
type signer struct {
	*ecdsa.PrivateKey
	now, most, all atomic.Int64
}

func (s *signer) Sign(r io.Reader, digest []byte, o crypto.SignerOpts) ([]byte, error) {
	s.most.Store(max(s.most.Load(), s.now.Add(1)))
	defer s.now.Add(-1)
	s.all.Add(1)
	for range 20 { // an invitation to all others
		runtime.Gosched()
	}
	return s.PrivateKey.Sign(r, digest, o)
}

// identity makes a server's configuration.
func identity(t testing.TB) (*tls.Config, *signer) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	s := &signer{PrivateKey: key}
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: s}}}, s
}

// greet shakes hands with a door and waits for its first byte.
func greet(d *Door, version uint16) error {
	raw, err := net.Dial("tcp", d.Addr().String())
	if err != nil {
		return err
	}
	defer raw.Close()
	if err := raw.SetDeadline(time.Now().Add(patience)); err != nil {
		return err
	}
	c := tls.Client(raw, &tls.Config{InsecureSkipVerify: true, MaxVersion: version})
	_, err = c.Read(make([]byte, 1))
	return err
}

// TestHandshakesComputeFewAtATime has many clients come at once to two doors.
func TestHandshakesComputeFewAtATime(t *testing.T) {
	const most, clients = 2, 100
	config, key := identity(t)
	handshakes := NewHandshakes(most)
	share := func(o *Options) { o.TLS, o.Handshakes = config, handshakes }
	doors := []*Door{open(t, share), open(t, share)}
	var running sync.WaitGroup
	for i := range clients {
		running.Go(func() {
			if err := greet(doors[i%2], []uint16{tls.VersionTLS12, tls.VersionTLS13}[i/2%2]); err != nil {
				t.Errorf("client %d: %v", i, err)
			}
		})
	}
	running.Wait()
	if n := key.most.Load(); n > most || key.all.Load() != clients {
		t.Errorf("%d of %d handshakes at the same time", n, key.all.Load())
	}
	if n := len(handshakes.places); n != 0 {
		t.Errorf("%d places are not given back", n)
	}
}

// hello is how a client begins.
func hello(t *testing.T) []byte {
	t.Helper()
	client, server := net.Pipe()
	go func() { _ = tls.Client(client, &tls.Config{InsecureSkipVerify: true}).Handshake() }()
	defer client.Close()
	b := make([]byte, 16<<10)
	n, err := server.Read(b)
	if err != nil {
		t.Fatal(err)
	}
	return b[:n]
}

// TestHandshakesThatWaitHoldNoPlace: clients who send nothing, a part of a hello,
// a hello and nothing more, or do not read, keep nobody out, be there one place only.
func TestHandshakesThatWaitHoldNoPlace(t *testing.T) {
	first := hello(t)
	for name, said := range map[string][]byte{
		"nothing": nil, "a byte": first[:1], "a record's head": first[:5], "half a hello": first[:len(first)/2], "a hello": first,
	} {
		t.Run(name, func(t *testing.T) {
			config, _ := identity(t)
			handshakes := NewHandshakes(1)
			silent := newQueue(20)
			open(t, func(o *Options) {
				o.TLS, o.Handshakes = config, handshakes
				o.Listen = func(context.Context, string, string) (net.Listener, error) { return silent, nil }
			})
			door := open(t, func(o *Options) { o.TLS, o.Handshakes = config, handshakes })
			began := time.Now()
			for range 20 {
				client, server := net.Pipe() // has no buffer: an answer waits for its reader
				defer client.Close()
				silent.conns <- server
				if _, err := client.Write(said); err != nil {
					t.Fatal(err)
				}
			}
			for range 5 {
				if err := greet(door, tls.VersionTLS13); err != nil {
					t.Fatal(err)
				}
			}
			if took := time.Since(began); took > tlsHandshakeTimeout {
				t.Errorf("it took %v", took)
			}
		})
	}
}

// TestHandshakesGiveUp: who gets no place in time is let go, and a door that closes
// does not wait for them.
func TestHandshakesGiveUp(t *testing.T) {
	config, _ := identity(t)
	handshakes := NewHandshakes(1)
	handshakes.places <- struct{}{} // for good
	d := open(t, func(o *Options) { o.TLS, o.Handshakes = config, handshakes })
	first := hello(t)
	dial := func() net.Conn {
		c, err := net.Dial("tcp", d.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.Close() })
		if _, err := c.Write(first); err != nil {
			t.Fatal(err)
		}
		return c
	}
	began := time.Now()
	c := dial()
	_ = c.SetReadDeadline(began.Add(patience))
	if n, err := c.Read(make([]byte, 1)); err == nil {
		t.Fatal(n, err)
	}
	if took := time.Since(began); took < tlsHandshakeTimeout || took > tlsHandshakeTimeout+patience/2 {
		t.Errorf("let go after %v", took)
	}
	for range 20 {
		dial()
	}
	began = time.Now()
	if err := d.StopAccepting(); err != nil {
		t.Fatal(err)
	}
	d.Close()
	if took := time.Since(began); took > tlsHandshakeTimeout/2 {
		t.Errorf("closing took %v", took)
	}
}

// TestHandshakesLetOthersGoFirst has a processor with many handshakes that are due:
// who is ready to do something else does not wait for all of them.
func TestHandshakesLetOthersGoFirst(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	const waiting = 100
	handshakes := NewHandshakes(1)
	handshakes.places <- struct{}{}
	var running sync.WaitGroup
	var begun, done atomic.Int64
	for range waiting {
		running.Go(func() {
			turns := handshakes.begin(context.Background(), ready{})
			begun.Add(1)
			if _, err := turns.Read(make([]byte, 1)); err != nil {
				t.Error(err)
			}
			done.Add(1)
			turns.end()
		})
	}
	for begun.Load() < waiting {
		runtime.Gosched()
	}
	before := int64(-1)
	running.Go(func() { before = done.Load() })
	<-handshakes.places
	running.Wait()
	if before > waiting/2 {
		t.Errorf("%d handshakes went first", before)
	}
}

// BenchmarkHandshake is what a handshake costs, with places and without.
func BenchmarkHandshake(b *testing.B) {
	config, key := identity(b)
	config.Certificates[0].PrivateKey = key.PrivateKey
	for name, handshakes := range map[string]*Handshakes{"free": nil, "places": NewHandshakes(0)} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				client, server := net.Pipe()
				go func() { _ = tls.Client(client, &tls.Config{InsecureSkipVerify: true}).Handshake() }()
				turns := handshakes.begin(context.Background(), server)
				if err := tls.Server(turns, config).HandshakeContext(context.Background()); err != nil {
					b.Fatal(err)
				}
				turns.end()
				_ = client.Close()
			}
		})
	}
}

// BenchmarkTurn is what a handshake's place costs each time.
func BenchmarkTurn(b *testing.B) {
	turns := NewHandshakes(0).begin(context.Background(), ready{})
	p := make([]byte, 1)
	for b.Loop() {
		if _, err := turns.Read(p); err != nil {
			b.Fatal(err)
		}
	}
}

// ready always has something to read.
type ready struct{ net.Conn }

func (ready) Read(p []byte) (int, error) { return len(p), nil }
