//go:build unix

package admin

import "syscall"

// readLimits asks the kernel for what it counts.
func (p *process) readLimits() {
	var limit syscall.Rlimit
	if syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit) == nil {
		p.filesMax = limit.Cur
	}
	var usage syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &usage) == nil {
		p.cpuSeconds = float64(usage.Utime.Nano()+usage.Stime.Nano()) / 1e9
	}
}
