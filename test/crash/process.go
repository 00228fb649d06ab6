package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"time"
)

// readyMax is how long a start may take: recovery is bounded to a few seconds,
// the machine may be busy.
const readyMax = 30 * time.Second

// process is one life of the broker.
type process struct {
	cmd     *exec.Cmd
	wrapped bool // the broker is a child of the process
	log     *os.File
	url     string
	kafka   string        // address
	took    time.Duration // until ready
	exited  chan struct{}
	err     error // of Wait
}

// launch starts the broker on dir; wrap goes in front of its command line.
func launch(w *world, wrap []string, settings ...string) (*process, error) {
	args := append(slices.Clone(wrap), w.o.binary, "serve", "--data", w.dir, "--listen", "amqp=127.0.0.1:0", "--listen", "http=off", "--listen", "kafka=127.0.0.1:0")
	for _, s := range settings {
		args = append(args, "--set", s)
	}
	log, err := os.OpenFile(w.log(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	p := &process{cmd: exec.Command(args[0], args[1:]...), wrapped: len(wrap) > 0, log: log, exited: make(chan struct{})}
	p.cmd.Stderr = log
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	return p, nil
}

// start begins the process and reads its output; ready is closed with its line.
func (p *process) start() (ready chan struct{}, err error) {
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	begun := time.Now()
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	ready = make(chan struct{})
	go func() {
		lines := bufio.NewScanner(out)
		for lines.Scan() {
			f := strings.Fields(lines.Text())
			switch {
			case len(f) >= 2 && f[0] == "amqp":
				p.url = f[1]
			case len(f) >= 2 && f[0] == "kafka":
				p.kafka = f[1]
			case len(f) >= 1 && f[0] == "ready":
				p.took = time.Since(begun)
				close(ready)
			}
		}
		p.err = p.cmd.Wait()
		_ = p.log.Close()
		close(p.exited)
	}()
	return ready, nil
}

// serve starts the broker and waits until it is ready.
func serve(w *world, wrap []string, settings ...string) (*process, error) {
	p, err := launch(w, wrap, settings...)
	if err != nil {
		return nil, err
	}
	ready, err := p.start()
	if err != nil {
		return nil, err
	}
	select {
	case <-ready:
		return p, nil
	case <-p.exited:
		return nil, fmt.Errorf("the broker ended before it was ready: %w; see %s", p.err, w.log())
	case <-time.After(readyMax):
		return nil, errors.Join(fmt.Errorf("the broker was not ready after %v", readyMax), p.dump())
	}
}

// kill ends the process and its group at once.
func (p *process) kill() {
	_ = syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL)
	<-p.exited
}

// broker is the process that serves.
func (p *process) broker() int {
	pid := p.cmd.Process.Pid
	if !p.wrapped {
		return pid
	}
	children, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", pid, pid))
	if err != nil {
		return -pid
	}
	if _, err := fmt.Sscan(string(children), &pid); err != nil {
		return -pid
	}
	return pid
}

// dump has the broker write what its goroutines do, and ends it. The error says
// where to read it; the beginning is printed as well.
func (p *process) dump() error {
	at, _ := p.log.Seek(0, io.SeekEnd)
	_ = syscall.Kill(p.broker(), syscall.SIGQUIT)
	select {
	case <-p.exited:
	case <-time.After(5 * time.Second):
		p.kill()
	}
	b, err := os.ReadFile(p.log.Name())
	if err != nil {
		return err
	}
	b = b[min(int(at), len(b)):]
	fmt.Printf("goroutines of the broker:\n%s\n", b[:min(len(b), 100_000)])
	return fmt.Errorf("its goroutines are in %s", p.log.Name())
}

// over says whether the process has ended.
func (p *process) over() bool {
	select {
	case <-p.exited:
		return true
	default:
		return false
	}
}

// pause stops the process for a while.
func (p *process) pause(d time.Duration) {
	_ = syscall.Kill(-p.cmd.Process.Pid, syscall.SIGSTOP)
	time.Sleep(d)
	_ = syscall.Kill(-p.cmd.Process.Pid, syscall.SIGCONT)
}

// terminate asks the process to end and waits for it.
func (p *process) terminate() error {
	_ = syscall.Kill(-p.cmd.Process.Pid, syscall.SIGTERM)
	select {
	case <-p.exited:
		return p.err
	case <-time.After(readyMax):
		return errors.Join(errors.New("the broker did not end on SIGTERM"), p.dump())
	}
}
