package main

import (
	"fmt"
	"os"
	"time"
)

// slowLoop is the loop of kills on a disk whose syncs take long, always or once.
func (w *world) slowLoop(lives int) error {
	if err := tracing(); err != nil {
		return err
	}
	defer os.Remove(w.trace())
	for range lives {
		delay := []time.Duration{5 * time.Millisecond, 30 * time.Millisecond, 100 * time.Millisecond}[w.rng.IntN(3)]
		fault := fmt.Sprintf("delay_enter=%d", delay.Microseconds())
		if w.rng.IntN(2) == 0 {
			fault = fmt.Sprintf("delay_enter=%d:when=%d", (3 * time.Second).Microseconds(), 20+w.rng.IntN(40))
		}
		if err := w.killOnce(w.inject("fdatasync", fault)); err != nil {
			return err
		}
		if w.injected() {
			w.tally.faults++
		}
		w.quiet = w.quiet.Add(-2 * ackGrace) // settles wait for the disk
		if len(w.violations()) > 0 {
			return nil
		}
	}
	return w.lastLook()
}
