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
	api   string // of management, on HTTP
	pid   int
	stop  func() error
}

func buildWeir(dir string) (string, error) {
	binary := filepath.Join(dir, "weir")
	out, err := exec.Command("go", "build", "-o", binary, "./cmd/weir").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("build: %w: %s", err, out)
	}
	return binary, nil
}

// startWeir starts the built binary on a free port and a data directory.
func startWeir(binary, data string) (*process, time.Duration, error) {
	begin := time.Now()
	c := exec.Command(binary, "serve", "--data", data, "--listen", "amqp=127.0.0.1:0", "--listen", "http=127.0.0.1:0", "--listen", "kafka=127.0.0.1:0",
		"--set", "log.level=warn")
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

// startRabbit starts RabbitMQ through the peers' script.
func startRabbit(s *settings) (*process, error) {
	script := filepath.Join(s.peers, "rabbitmq")
	if out, err := exec.Command(script, "start").CombinedOutput(); err != nil {
		return nil, fmt.Errorf("rabbitmq start: %w: %s", err, out)
	}
	out, err := exec.Command(script, "status").CombinedOutput()
	if err != nil {
		return nil, fmt.Errorf("rabbitmq status: %w: %s", err, out)
	}
	port := 25672 // the script's own, unless told otherwise
	if text := os.Getenv("RABBITMQ_PORT"); text != "" {
		if port, err = strconv.Atoi(text); err != nil {
			return nil, fmt.Errorf("RABBITMQ_PORT: %w", err)
		}
	}
	p := &process{
		name: "RabbitMQ", url: fmt.Sprintf("amqp://guest:guest@127.0.0.1:%d", port),
		api: fmt.Sprintf("http://127.0.0.1:%d", port+10_000),
	}
	p.pid = firstPid(string(out))
	p.stop = func() error { return exec.Command(script, "stop").Run() }
	return p, nil
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

// disk measures what one fdatasync of 4 KB costs here, now.
func disk() string {
	f, err := os.CreateTemp("", "weir-disk")
	if err != nil {
		return err.Error()
	}
	defer os.Remove(f.Name())
	defer f.Close()
	block := make([]byte, 4096)
	for i := range 256 {
		if _, err := f.WriteAt(block, int64(i)*4096); err != nil {
			return err.Error()
		}
	}
	if err := f.Sync(); err != nil {
		return err.Error()
	}
	var took []float64
	for i := range 200 {
		begin := time.Now()
		if _, err := f.WriteAt(block, int64(i)*4096); err != nil {
			return err.Error()
		}
		if err := syscall.Fdatasync(int(f.Fd())); err != nil {
			return err.Error()
		}
		took = append(took, float64(time.Since(begin).Microseconds()))
	}
	return fmt.Sprintf("write + fdatasync of 4 KB p50 %.0f µs, p99 %.0f µs", quantile(took, 0.5), quantile(took, 0.99))
}
