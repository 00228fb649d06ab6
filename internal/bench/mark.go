package bench

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"syscall"
	"time"
)

// mark is the counters at a moment.
type mark struct {
	at                  time.Time
	published, consumed int64
	cpu, server         float64 // seconds used by this process and by the broker's
}

func (r *run) mark() mark {
	m := mark{at: time.Now(), published: r.published.Load(), consumed: r.consumed.Load(), cpu: cpuSeconds()}
	if r.options.ServerPID != 0 {
		m.server = processSeconds(r.options.ServerPID)
	}
	return m
}

func (m mark) since(before mark) Sample {
	s := m.at.Sub(before.at).Seconds()
	return Sample{Published: float64(m.published-before.published) / s, Consumed: float64(m.consumed-before.consumed) / s}
}

// messages is how many went through since before. Where producers were ahead of
// consumers or behind them, half a message is a publish or a consumption.
func (m mark) messages(before mark) float64 {
	published, consumed := m.published-before.published, m.consumed-before.consumed
	if published == 0 || consumed == 0 {
		return float64(max(published, consumed))
	}
	return float64(published+consumed) / 2
}

// cpuSeconds is what this process has used so far.
func cpuSeconds() float64 {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return float64(u.Utime.Nano()+u.Stime.Nano()) / 1e9
}

// processSeconds is what a process of this machine has used so far, to the
// hundredth of a second; 0 where it cannot be told.
func processSeconds(pid int) float64 {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0
	}
	// The name in parentheses may hold spaces; 11 fields behind it the times begin.
	fields := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
	if len(fields) < 13 {
		return 0
	}
	user, _ := strconv.ParseFloat(string(fields[11]), 64)
	system, _ := strconv.ParseFloat(string(fields[12]), 64)
	return (user + system) / 100
}
