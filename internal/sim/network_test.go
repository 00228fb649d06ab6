package sim

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

const (
	nodeIP  = "127.0.0.1"
	peerIP  = "127.0.1.1"
	nodeAt  = nodeIP + ":5672"
	someone = 20 * time.Second
)

// pair connects a client with a process.
func pair(t *testing.T, n *Network) (client, there net.Conn, l *life) {
	t.Helper()
	l = &life{node: &Node{}}
	s, err := n.listen(l, nodeAt)
	if err != nil {
		t.Fatal(err)
	}
	accepted := make(chan net.Conn)
	go func() {
		c, err := s.Accept()
		if err != nil {
			t.Error(err)
		}
		accepted <- c
	}()
	if client, err = n.dial(context.Background(), peerIP, nodeAt); err != nil {
		t.Fatal(err)
	}
	return client, <-accepted, l
}

// TestStreamSurvivesABadNetwork sends through loss, doubling and overtaking.
func TestStreamSurvivesABadNetwork(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(newDice(7))
		for _, c := range []*conditions{n.link(peerIP, nodeIP), n.link(nodeIP, peerIP)} {
			c.loss, c.twice, c.variation = 0.2, 0.3, 50*time.Millisecond
		}
		client, there, _ := pair(t, n)
		want := make([]byte, 1<<20)
		rand.NewChaCha8([32]byte{1}).Read(want)
		go func() {
			if _, err := client.Write(want); err != nil {
				t.Error(err)
			}
			if err := client.Close(); err != nil {
				t.Error(err)
			}
		}()
		got, err := io.ReadAll(there)
		if err != nil || !bytes.Equal(got, want) {
			t.Fatalf("%d bytes of %d, %v", len(got), len(want), err)
		}
	})
}

// TestOneWayCutBreaks lets nothing through in one direction: who sends that way
// gives up after a while, who is not reached hears nothing.
func TestOneWayCutBreaks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(newDice(1))
		client, there, _ := pair(t, n)
		n.alter(peerIP, nodeIP, func(c *conditions) { c.cut = true })
		if _, err := client.Write([]byte("hello")); err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		_, err := client.Read(make([]byte, 1))
		if took := time.Since(began); !errors.Is(err, syscall.ETIMEDOUT) || took < resendGivesUp || took > 2*resendGivesUp {
			t.Fatalf("%v after %v", err, took)
		}
		if err := there.SetReadDeadline(time.Now().Add(time.Second)); err != nil {
			t.Fatal(err)
		}
		if _, err := there.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Fatal(err)
		}
	})
}

// TestEndsOfProcesses are noticed: at once where the kernel lives, by its questions
// where the power was gone for a while.
func TestEndsOfProcesses(t *testing.T) {
	for _, kernel := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			n := newNetwork(newDice(2))
			client, _, l := pair(t, n)
			began := time.Now()
			n.abandon(l, kernel)
			if !kernel {
				n.power(nodeIP, false)
				time.AfterFunc(3*time.Second, func() { n.power(nodeIP, true) })
			}
			_, err := client.Read(make([]byte, 1))
			if took := time.Since(began); !errors.Is(err, syscall.ECONNRESET) || kernel != (took < time.Second) || took > someone {
				t.Fatalf("kernel %v: %v after %v", kernel, err, took)
			}
			if _, err := n.dial(context.Background(), peerIP, nodeAt); !errors.Is(err, syscall.ECONNREFUSED) {
				t.Fatal(err)
			}
		})
	}
}

// TestFullWindowHoldsTheSender writes more than a peer that does not read takes.
func TestFullWindowHoldsTheSender(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(newDice(3))
		client, there, _ := pair(t, n)
		if err := client.SetWriteDeadline(time.Now().Add(time.Minute)); err != nil {
			t.Fatal(err)
		}
		k, err := client.Write(make([]byte, 2*windowBytes))
		if !errors.Is(err, os.ErrDeadlineExceeded) || k < windowBytes || k > windowBytes+segmentBytes {
			t.Fatal(k, err)
		}
		if _, err := io.ReadFull(there, make([]byte, k)); err != nil {
			t.Fatal(err)
		}
	})
}

// TestQuestionsThatComeTwice doubles every segment: a dial is one connection all the
// same.
func TestQuestionsThatComeTwice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(newDice(5))
		for _, c := range []*conditions{n.link(peerIP, nodeIP), n.link(nodeIP, peerIP)} {
			c.twice = 1
		}
		pair(t, n)
		time.Sleep(time.Second)
		if left := len(n.listeners[nodeAt].queue); left != 0 {
			t.Errorf("%d connections more", left)
		}
	})
}
