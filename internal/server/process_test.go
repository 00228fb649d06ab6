package server_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"weir/internal/server"
)

const (
	nodeData  = "WEIRTEST_NODE_DATA"  // makes the test binary a node on this directory
	nodeFiles = "WEIRTEST_NODE_FILES" // its limit of open files
)

// TestNode is the node that other tests start as a process of its own.
func TestNode(t *testing.T) {
	dir := os.Getenv(nodeData)
	if dir == "" {
		t.Skip("only for other tests")
	}
	var files uint64
	if _, err := fmt.Sscan(os.Getenv(nodeFiles), &files); err == nil {
		if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &syscall.Rlimit{Cur: files, Max: files}); err != nil {
			t.Fatal(err)
		}
	}
	c := server.Default()
	c.Data, c.Listen = dir, server.Listen{AMQP: "127.0.0.1:0", AMQPS: "off", HTTP: "off", Kafka: "off", KafkaS: "off"}
	c.Storage.WALFileBytes, c.Storage.TailBytes = 1<<20, 4<<20
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	if err := server.Run(ctx, c, os.Stderr, nil); err != nil {
		t.Fatal(err)
	}
}

// node is a running one.
type node struct {
	*exec.Cmd
	url string
	out bytes.Buffer
}

func startNode(t *testing.T, dir string, environment ...string) *node {
	t.Helper()
	n := &node{Cmd: exec.Command(os.Args[0], "-test.run=^TestNode$")}
	n.Env = append(append(os.Environ(), nodeData+"="+dir), environment...)
	out, err := n.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := n.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if n.ProcessState == nil {
			_ = n.Process.Kill()
			_ = n.Wait()
		}
	})
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		if url, ok := strings.CutPrefix(lines.Text(), "amqp "); ok {
			n.url = strings.TrimSpace(url)
		}
		if strings.HasPrefix(lines.Text(), "ready") {
			go func() {
				for lines.Scan() {
					n.out.WriteString(lines.Text() + "\n")
				}
			}()
			return n
		}
		n.out.WriteString(lines.Text() + "\n")
	}
	t.Fatalf("the node did not start: %s", n.out.String())
	return nil
}

// confirmed opens a channel whose publishes are.
func (n *node) confirmed(t *testing.T) (*amqp.Connection, *amqp.Channel) {
	t.Helper()
	conn, err := amqp.Dial(n.url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	ch, err := conn.Channel()
	if err != nil {
		t.Fatal(err)
	}
	if err := ch.Confirm(false); err != nil {
		t.Fatal(err)
	}
	return conn, ch
}

func publishAll(t *testing.T, ch *amqp.Channel, queue string, count, size int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*patience)
	defer cancel()
	var open []*amqp.DeferredConfirmation
	for i := range count {
		c, err := ch.PublishWithDeferredConfirmWithContext(ctx, "", queue, false, false, amqp.Publishing{Body: make([]byte, size)})
		if err != nil {
			t.Fatal(err)
		}
		if open = append(open, c); len(open) == 50 || i == count-1 {
			for _, c := range open {
				if ok, err := c.WaitContext(ctx); !ok || err != nil {
					t.Fatalf("publish %d: %v, %v", i, ok, err)
				}
			}
			open = open[:0]
		}
	}
}

// TestDescriptorsRunOut opens more connections than the process may have files.
// Further ones are refused; who is there goes on publishing, with all the files
// that storage needs for that; when they have gone, others may come.
func TestDescriptorsRunOut(t *testing.T) {
	n := startNode(t, filepath.Join(t.TempDir(), "data"), nodeFiles+"=200")
	_, ch := n.confirmed(t)
	if _, err := ch.QueueDeclare("q", true, false, false, false, nil); err != nil {
		t.Fatal(err)
	}
	address := strings.TrimSuffix(n.url[strings.Index(n.url, "@")+1:], "/")
	var conns []net.Conn
	refused := 0
	for range 400 {
		conn, err := net.DialTimeout("tcp", address, patience)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		conns = append(conns, conn)
	}
	for _, conn := range conns {
		_ = conn.SetReadDeadline(time.Now().Add(time.Millisecond))
		if _, err := conn.Read(make([]byte, 1)); err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
			refused++
		}
	}
	publishAll(t, ch, "q", 4000, 10_000)
	q, err := ch.QueueDeclarePassive("q", true, false, false, false, nil)
	if err != nil || q.Messages != 4000 {
		t.Fatalf("%d messages, %v; %s", q.Messages, err, n.out.String())
	}
	if refused == 0 {
		t.Error("nobody was refused")
	}
	for _, conn := range conns {
		_ = conn.Close()
	}
	for end := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
		if conn, err := amqp.Dial(n.url); err == nil {
			_ = conn.Close()
			break
		} else if time.Now().After(end) {
			t.Fatalf("nobody gets in any more: %v", err)
		}
	}
}

// TestMemoryIsBounded publishes far more than the process may keep in memory, with
// nobody who consumes, and consumes it then.
func TestMemoryIsBounded(t *testing.T) {
	n := startNode(t, filepath.Join(t.TempDir(), "data"))
	_, ch := n.confirmed(t)
	if _, err := ch.QueueDeclare("q", true, false, false, false, nil); err != nil {
		t.Fatal(err)
	}
	const count, size = 3000, 100_000 // 300 MB against a tail of 4 MiB
	publishAll(t, ch, "q", count, size)
	if err := ch.Qos(100, 0, false); err != nil {
		t.Fatal(err)
	}
	ds, err := ch.Consume("q", "", false, false, false, false, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := range count {
		select {
		case d := <-ds:
			if err := d.Ack(false); err != nil || len(d.Body) != size {
				t.Fatal(len(d.Body), err)
			}
		case <-time.After(patience):
			t.Fatalf("no delivery after %d", i)
		}
	}
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", n.Process.Pid))
	if err != nil {
		t.Skip(err)
	}
	_, rest, _ := strings.Cut(string(b), "VmHWM:")
	peak := 0
	if _, err := fmt.Sscan(rest, &peak); err != nil {
		t.Fatal(err)
	}
	t.Logf("%d MiB at most, for %d MB of messages", peak>>10, count*size/1_000_000)
	if peak > 160<<10 {
		t.Errorf("%d MiB of memory", peak>>10)
	}
}

// TestTermWhileBusy ends a node in order while it is being published to, flushes
// and checkpoints: it ends without an error, and has all that was confirmed.
func TestTermWhileBusy(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	total := 0
	for round := range 3 {
		n := startNode(t, dir)
		_, ch := n.confirmed(t)
		if _, err := ch.QueueDeclare("q", true, false, false, false, nil); err != nil {
			t.Fatal(err)
		}
		q, err := ch.QueueDeclarePassive("q", true, false, false, false, nil)
		if err != nil || q.Messages < total {
			t.Fatalf("round %d: %d messages of %d, %v", round, q.Messages, total, err)
		}
		confirms := ch.NotifyPublish(make(chan amqp.Confirmation, 1<<16))
		go func() {
			for ch.Publish("", "q", false, false, amqp.Publishing{Body: make([]byte, 5000)}) == nil {
			}
		}()
		total = q.Messages
		for c := range confirms {
			if !c.Ack {
				break
			}
			if total++; total == q.Messages+1500 {
				if err := n.Process.Signal(syscall.SIGTERM); err != nil {
					t.Fatal(err)
				}
			}
		}
		if err := n.Wait(); err != nil {
			t.Fatalf("round %d: %v: %s", round, err, n.out.String())
		}
	}
}
