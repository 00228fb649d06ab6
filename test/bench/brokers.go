package main

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// process is a broker under test.
type process struct {
	name  string
	url   string
	kafka string // host:port of the bootstrap server
	nats  string // host:port
	api   string // of management, on HTTP
	pid   int
	stop  func() error
	again func() (*process, error) // starts it on what it has stored; it does not run
}

func buildWeir(dir string) (string, error) {
	binary := filepath.Join(dir, "weir")
	out, err := exec.Command("go", "build", "-o", binary, "./cmd/weir").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("build: %w: %s", err, out)
	}
	return binary, nil
}

// startWeir starts the built binary on free ports and a data directory. Settings
// are weir's own.
func startWeir(binary, data string, settings ...string) (*process, time.Duration, error) {
	begin := time.Now()
	args := []string{
		"serve", "--data", data, "--listen", "amqp=127.0.0.1:0", "--listen", "http=127.0.0.1:0", "--listen", "kafka=127.0.0.1:0",
		"--set", "log.level=warn",
	}
	for _, one := range settings {
		args = append(args, "--set", one)
	}
	c := exec.Command(binary, args...)
	c.Stderr = os.Stderr
	out, err := c.StdoutPipe()
	if err != nil {
		return nil, 0, err
	}
	if err := c.Start(); err != nil {
		return nil, 0, err
	}
	p := &process{name: "weir", pid: c.Process.Pid}
	p.stop = func() error {
		if err := c.Process.Signal(syscall.SIGTERM); err != nil {
			return err
		}
		return c.Wait()
	}
	p.again = func() (*process, error) {
		again, _, err := startWeir(binary, data, settings...)
		return again, err
	}
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		f := strings.Fields(lines.Text())
		if len(f) > 1 && f[0] == "amqp" {
			p.url = f[1]
		}
		if len(f) > 1 && f[0] == "kafka" {
			p.kafka = f[1]
		}
		if len(f) > 1 && f[0] == "http" {
			p.api = f[1]
		}
		if len(f) > 0 && f[0] == "ready" {
			ready := time.Since(begin)
			go func() { _, _ = io.Copy(io.Discard, out) }()
			return p, ready, nil
		}
	}
	return nil, 0, fmt.Errorf("weir did not start: %w", c.Wait())
}

// firstPid is the process that a peer's status begins with.
func firstPid(status string) int {
	for f := range strings.FieldsSeq(status) {
		if n, err := strconv.Atoi(strings.Trim(f, ",:;=pid")); err == nil && n > 1 {
			return n
		}
	}
	return 0
}

// cpu is the seconds the process has used so far.
func (p *process) cpu() float64 {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.pid))
	if err != nil {
		return 0
	}
	f := strings.Fields(string(b[strings.LastIndexByte(string(b), ')')+1:]))
	user, _ := strconv.ParseFloat(f[11], 64)
	system, _ := strconv.ParseFloat(f[12], 64)
	return (user + system) / 100 // clock ticks
}

// kill ends it as kill -9 does, and waits until it is gone.
func (p *process) kill() {
	_ = syscall.Kill(p.pid, syscall.SIGKILL)
	for p.rss() > 0 { // what has ended has no memory
		time.Sleep(time.Millisecond)
	}
	_ = p.stop() // what is left of it: nothing to tell
}

// rss is the resident memory in MiB.
func (p *process) rss() float64 {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.pid))
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(b)) {
		if f := strings.Fields(line); len(f) > 1 && f[0] == "VmRSS:" {
			kb, _ := strconv.ParseFloat(f[1], 64)
			return kb / 1024
		}
	}
	return 0
}
