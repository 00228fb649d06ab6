package main

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"time"
)

// failLoop makes the n-th fdatasync of the process fail. It has to end itself with
// an error and to have confirmed nothing that is not there afterwards.
func failLoop(o *options, dir string, rng *rand.Rand) error {
	if _, err := exec.LookPath("strace"); err != nil {
		return fmt.Errorf("%w: no strace", errSkip)
	}
	if err := exec.Command("strace", "-o", os.DevNull, "true").Run(); err != nil {
		return fmt.Errorf("%w: strace may not trace: %w", errSkip, err)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	w := newWorld()
	for range max(1, min(o.iterations/4, 5)) {
		w.life++
		if err := w.failOnce(o, dir, rng); err != nil {
			return fmt.Errorf("life %d: %w", w.life, err)
		}
		if errs := w.violations(); len(errs) > 0 {
			return errors.Join(errs...)
		}
	}
	return nil
}

func (w *world) failOnce(o *options, dir string, rng *rand.Rand) error {
	n := 40 + rng.IntN(200) // of one thread: that is how strace counts
	call := []string{"fdatasync", "pwritev"}[rng.IntN(2)]
	wrap := []string{
		"strace", "-f", "-o", os.DevNull, "-e", "trace=" + call,
		"-e", fmt.Sprintf("inject=%s:error=EIO:when=%d", call, n),
	}
	p, err := serve(o, dir, wrap, settings(rng)...)
	if err != nil {
		return err
	}
	if err := w.declare(p); err != nil {
		p.kill()
		return err
	}
	w.dying.Store(true) // at any moment from now on
	stop := make(chan struct{})
	running := w.load(p, rng, stop)
	select {
	case <-p.exited:
	case <-time.After(readyMax):
		p.dump()
		return fmt.Errorf("the broker did not end after %s %d failed", call, n)
	}
	close(stop)
	running.Wait()
	if p.cmd.ProcessState.Success() {
		return errors.New("the broker ended without an error")
	}
	fmt.Printf("life %3d: EIO at %s %d, ended with %v\n", w.life, call, n, p.err)
	w.quiet = time.Now().Add(-ackGrace) // when it failed is not known
	w.life++
	return w.lastLook(o, dir)
}
