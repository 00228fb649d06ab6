package kafka_test

import (
	"encoding/binary"
	"io"
	"net"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"weir/internal/proto/kafka"
	"weir/internal/vfs"
)

func impatient(o *kafka.Options) {
	o.HandshakeTimeout, o.IdleTimeout = 200*time.Millisecond, 800*time.Millisecond
}

// ends waits until the server has ended the connection.
func ends(t *testing.T, nc net.Conn) {
	t.Helper()
	_ = nc.SetReadDeadline(time.Now().Add(patience))
	if _, err := io.Copy(io.Discard, nc); err != nil {
		if late, ok := err.(net.Error); ok && late.Timeout() {
			t.Fatal("the connection goes on")
		}
	}
}

// TestSilentClientsAreLetGo: who says nothing, ends within a request, or is never
// heard of again after one.
func TestSilentClientsAreLetGo(t *testing.T) {
	address, stop := start(t, vfs.NewMem(), impatient)
	defer stop()
	for name, text := range map[string]string{"nothing": "", "half a length": "\x00\x00", "half a request": "\x00\x00\x00\x40\x00\x12\x00\x03\x00"} {
		t.Run(name, func(t *testing.T) {
			c := call(t, address)
			begun := time.Now()
			if _, err := io.WriteString(c.net, text); err != nil {
				t.Fatal(err)
			}
			ends(t, c.net)
			if took := time.Since(begun); took < 150*time.Millisecond {
				t.Errorf("ended after %v already", took)
			}
		})
	}
	t.Run("after a request", func(t *testing.T) {
		c := call(t, address)
		in[*kmsg.MetadataResponse](c, kmsg.NewPtrMetadataRequest(), 12, 12)
		begun := time.Now()
		ends(t, c.net)
		if took := time.Since(begun); took < 400*time.Millisecond {
			t.Errorf("ended after %v already", took)
		}
	})
}

// TestClientsThatTalkStay longer than any of them may be silent.
func TestClientsThatTalkStay(t *testing.T) {
	address, stop := start(t, vfs.NewMem(), impatient)
	defer stop()
	c := call(t, address)
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for begun := time.Now(); time.Since(begun) < 2*time.Second; <-tick.C {
		in[*kmsg.MetadataResponse](c, kmsg.NewPtrMetadataRequest(), 12, 12)
	}
}

// TestClientsThatNeverReadAreLetGo asks for more than the socket holds.
func TestClientsThatNeverReadAreLetGo(t *testing.T) {
	address, stop := start(t, vfs.NewMem(), impatient)
	defer stop()
	c := call(t, address)
	m := kmsg.NewPtrApiVersionsRequest()
	m.SetVersion(0)
	b := binary.BigEndian.AppendUint32(nil, 10)
	b = binary.BigEndian.AppendUint16(b, uint16(m.Key()))
	b = append(b, 0, 0, 0, 0, 0, 7, 0xff, 0xff)
	begun := time.Now()
	_ = c.net.SetWriteDeadline(begun.Add(patience))
	for {
		if _, err := c.net.Write(b); err != nil {
			if late, ok := err.(net.Error); ok && late.Timeout() {
				t.Fatal("the connection goes on")
			}
			return
		}
	}
}
