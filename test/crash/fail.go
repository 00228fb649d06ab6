package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"time"
)

// tracing says whether faults can be injected into system calls.
func tracing() error {
	if _, err := exec.LookPath("strace"); err != nil {
		return fmt.Errorf("%w: no strace", errSkip)
	}
	if err := exec.Command("strace", "-f", "--seccomp-bpf", "-o", os.DevNull, "-e", "trace=fdatasync", "true").Run(); err != nil {
		return fmt.Errorf("%w: strace may not trace: %w", errSkip, err)
	}
	return nil
}

// inject is the command line in front of a broker's for a fault in one system call.
func (w *world) inject(call, fault string) []string {
	return []string{"strace", "-f", "--seccomp-bpf", "-o", w.trace(), "-e", "trace=" + call, "-e", fmt.Sprintf("inject=%s:%s", call, fault)}
}

func (w *world) trace() string { return w.dir + ".trace" }

// injected says whether the fault has come.
func (w *world) injected() bool {
	b, err := os.ReadFile(w.trace())
	return err == nil && bytes.Contains(b, []byte("(INJECTED)"))
}

// failLoop makes a write or sync of the process fail. It has to end itself with an
// error and to have confirmed nothing that is not there afterwards.
func (w *world) failLoop(lives int) error {
	if err := tracing(); err != nil {
		return err
	}
	defer os.Remove(w.trace())
	for range lives {
		if err := w.failOnce(); err != nil {
			return err
		}
		if err := w.lastLook(); err != nil {
			return err
		}
		if len(w.violations()) > 0 {
			return nil
		}
	}
	return nil
}

const (
	faultWait = 20 * time.Second // for the fault to come
	endWait   = 15 * time.Second // for the process to end after it
)

func (w *world) failOnce() error {
	w.life++
	w.tally.lives++
	n := 40 + w.rng.IntN(160) // of one thread: that is how strace counts
	call := []string{"fdatasync", "pwritev", "fdatasync,pwritev,fsync"}[w.rng.IntN(3)]
	p, err := serve(w, w.inject(call, fmt.Sprintf("error=EIO:when=%d", n)), settings(w.rng)...)
	if err != nil {
		return err
	}
	w.dying.Store(true) // at any moment from now on
	if err := w.declare(p); err != nil && !p.over() {
		return errors.Join(err, p.dump())
	}
	stop := make(chan struct{})
	running := w.load(p, stop)
	came, end := w.awaitEnd(p)
	if end == nil && came && p.cmd.ProcessState.Success() {
		end = errors.New("the broker ended without an error")
	}
	close(stop)
	if err := errors.Join(end, ended(running)); err != nil {
		return err
	}
	if came {
		w.tally.faults++
		w.print("EIO at %s %d, ended with %v", call, n, p.err)
	} else {
		w.print("no %s %d in %v, killed", call, n, faultWait)
	}
	w.quiet = time.Now().Add(-ackGrace - endWait) // when it failed is not known
	return nil
}

// awaitEnd waits for the fault and for the process to end of it. A process that
// goes on has to say what it does; one without a fault is killed.
func (w *world) awaitEnd(p *process) (came bool, err error) {
	begun := time.Now()
	var since time.Time
	for tick := time.NewTicker(100 * time.Millisecond); ; {
		select {
		case <-p.exited:
			tick.Stop()
			return w.injected(), nil
		case <-tick.C:
		}
		switch {
		case since.IsZero() && w.injected():
			since = time.Now()
		case !since.IsZero() && time.Since(since) > endWait:
			return true, errors.Join(errors.New("the broker did not end after its fault"), p.dump())
		case since.IsZero() && time.Since(begun) > faultWait:
			p.kill()
			return false, nil
		}
	}
}
