package listen

import (
	"crypto/tls"
	"log/slog"
	"net"
	"testing"

	"weir/internal/clock"
)

func TestLocalhostIsBothLoopbacks(t *testing.T) {
	d, err := Open(Options{
		Name: "d", Address: "localhost:0", Log: slog.New(slog.DiscardHandler), Clock: clock.System(),
		Handler: func(c net.Conn, _ *tls.ConnectionState) { _, _ = c.Write([]byte{1}) },
	})
	if err != nil {
		t.Fatal(err)
	}
	_, port, err := net.SplitHostPort(d.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	hosts := []string{"127.0.0.1"}
	if probe, err := net.Listen("tcp6", "[::1]:0"); err == nil {
		hosts = append(hosts, "::1")
		if err := probe.Close(); err != nil {
			t.Fatal(err)
		}
	}
	for _, host := range hosts {
		c, err := net.Dial("tcp", net.JoinHostPort(host, port))
		if err != nil {
			t.Fatal(err)
		}
		if n, err := c.Read(make([]byte, 1)); n != 1 {
			t.Error(host, err)
		}
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	}
	if err := d.StopAccepting(); err != nil {
		t.Fatal(err)
	}
	d.Close()
	for _, host := range hosts {
		if c, err := net.Dial("tcp", net.JoinHostPort(host, port)); err == nil {
			t.Error(host, "still open", c.Close())
		}
	}
}
