package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"weir/test/bench/report"
)

// toolTime is how long a tool may take at most.
const toolTime = 5 * time.Minute

// interrupted is done once this program has been told to end: tools are killed,
// no further run begins, and brokers are stopped as always.
var interrupted, _ = signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)

// follow runs a tool and shows each line of its standard output as it comes. It
// returns all output; a tool that hangs is killed with all it has started.
func follow(c *exec.Cmd, each func(line string)) (string, error) {
	var complaint bytes.Buffer
	c.Stderr = &complaint
	c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	out, err := c.StdoutPipe()
	if err != nil {
		return "", err
	}
	if err := c.Start(); err != nil {
		return "", err
	}
	end := func() { _ = syscall.Kill(-c.Process.Pid, syscall.SIGKILL) }
	late := time.AfterFunc(toolTime, end)
	defer late.Stop()
	defer context.AfterFunc(interrupted, end)()
	var all strings.Builder
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		all.WriteString(lines.Text() + "\n")
		each(lines.Text())
	}
	if err := c.Wait(); err != nil {
		return all.String(), fmt.Errorf("%w: %s%s", err, tail(complaint.String()), tail(all.String()))
	}
	return all.String(), nil
}

// tail is the end of a text, enough to see what went wrong.
func tail(text string) string {
	const end = 1500
	return text[max(len(text)-end, 0):]
}

// sample is how far a run was at some time.
type sample struct {
	at    time.Duration
	count float64 // messages so far
	cpu   float64 // seconds of the server's so far
}

// meter turns the progress of a tool into figures of the time after the warm-up.
type meter struct {
	broker  *process
	begin   time.Time
	samples []sample
}

func newMeter(p *process) *meter { return &meter{broker: p, begin: time.Now()} }

// note adds a sample of now.
func (m *meter) note(count float64) { m.noteAt(time.Since(m.begin), count) }

func (m *meter) noteAt(at time.Duration, count float64) {
	m.samples = append(m.samples, sample{at, count, m.broker.cpu()})
}

// count is how many messages the last sample has.
func (m *meter) count() float64 {
	if len(m.samples) == 0 {
		return 0
	}
	return m.samples[len(m.samples)-1].count
}

// figures of what came after warm, counted from the first sample, and how long
// that was.
func (m *meter) figures(warm time.Duration) (report.Figures, time.Duration, error) {
	if len(m.samples) < 2 {
		return nil, 0, fmt.Errorf("only %d samples", len(m.samples))
	}
	from := m.samples[0]
	for _, s := range m.samples[:len(m.samples)-1] {
		from = s
		if s.at-m.samples[0].at >= warm {
			break
		}
	}
	to := m.samples[len(m.samples)-1]
	took, count, cpu := to.at-from.at, to.count-from.count, to.cpu-from.cpu
	if took <= 0 || count <= 0 {
		return nil, 0, fmt.Errorf("nothing was measured in %s", took)
	}
	return report.Figures{
		"rate": count / took.Seconds(), "cpu": cpu * 1e6 / count, "cores": cpu / took.Seconds(), "rss": m.broker.rss(),
	}, took, nil
}
