package harness

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
)

// Broker is a broker process of a scenario's own.
type Broker struct {
	// URL of its AMQP door; the same after a restart.
	URL string
	// Kafka is the address of its Kafka door, likewise.
	Kafka string
	port  int
	dir   string
	cmd   *exec.Cmd
}

// running are the processes to kill when the program ends early.
var running struct {
	sync.Mutex
	set map[*exec.Cmd]bool
}

func killAll() {
	running.Lock()
	defer running.Unlock()
	for cmd := range running.set {
		_ = cmd.Process.Kill()
	}
}

// StartBroker starts one on an empty directory and a free port.
func StartBroker() (*Broker, error) {
	dir, err := os.MkdirTemp(os.Getenv("CLIENTS_TEMP"), "go-")
	if err != nil {
		return nil, err
	}
	b := &Broker{dir: dir}
	if b.port, err = freePort(0); err != nil {
		return nil, err
	}
	kafka, err := freePort(b.port)
	if err != nil {
		return nil, err
	}
	b.Kafka = fmt.Sprintf("127.0.0.1:%d", kafka)
	b.URL = fmt.Sprintf("amqp://guest:guest@127.0.0.1:%d/", b.port)
	return b, b.Start()
}

// Start starts it again, on the same port and data.
func (b *Broker) Start() error {
	log, err := os.OpenFile(filepath.Join(b.dir, "log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer func() { _ = log.Close() }()
	b.cmd = exec.Command(os.Getenv("CLIENTS_BIN"), "serve", "--data", filepath.Join(b.dir, "data"),
		"--listen", fmt.Sprintf("amqp=127.0.0.1:%d", b.port), "--listen", "http=off", "--listen", "kafka="+b.Kafka)
	b.cmd.Stderr = log
	out, err := b.cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := b.cmd.Start(); err != nil {
		return err
	}
	running.Lock()
	if running.set == nil {
		running.set = map[*exec.Cmd]bool{}
	}
	running.set[b.cmd] = true
	running.Unlock()
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		if strings.HasPrefix(lines.Text(), "ready") {
			return nil
		}
	}
	text, _ := os.ReadFile(log.Name())
	return fmt.Errorf("broker did not start: %s", text)
}

// Kill ends it with SIGKILL.
func (b *Broker) Kill() { _ = b.end(syscall.SIGKILL) }

// Terminate ends it with SIGTERM and wants a clean exit.
func (b *Broker) Terminate() error { return b.end(syscall.SIGTERM) }

func (b *Broker) end(signal syscall.Signal) error {
	if b.cmd == nil {
		return nil
	}
	cmd := b.cmd
	b.cmd = nil
	if err := cmd.Process.Signal(signal); err != nil {
		return err
	}
	done := make(chan error, 1)
	go func() { done <- cmd.Wait() }()
	err := Within(done, Wait, "the end of the broker")
	running.Lock()
	delete(running.set, cmd)
	running.Unlock()
	return err
}

// Close kills it and removes its directory.
func (b *Broker) Close() {
	b.Kill()
	_ = os.RemoveAll(b.dir)
}

// freePort is one below the ephemeral range, so that no outgoing connection
// takes it while the broker is down; it is not the one that is taken.
func freePort(taken int) (int, error) {
	for n := range 200 {
		port := 20000 + (os.Getpid()*7+n*13+11)%10000
		if port == taken {
			continue
		}
		l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
		if err == nil {
			return port, l.Close()
		}
	}
	return 0, errors.New("no free port")
}

// PID is the process, 0 while none runs.
func (b *Broker) PID() int {
	if b.cmd == nil {
		return 0
	}
	return b.cmd.Process.Pid
}

// Dir holds its data and log.
func (b *Broker) Dir() string { return b.dir }
