package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"runtime/pprof"
	"sync"
	"time"
)

// settings makes memory and files small at random, so that short lives go through
// every stage of storage.
func settings(rng *rand.Rand) []string {
	tail := []int64{1 << 20, 4 << 20, 128 << 20}[rng.IntN(3)]
	file := []int64{1 << 20, 2 << 20, 64 << 20}[rng.IntN(3)]
	return []string{fmt.Sprint("storage.tail_bytes=", tail), fmt.Sprint("storage.wal_file_bytes=", file), "storage.shards=2"}
}

// killLoop is the loop of lives and kills.
func (w *world) killLoop(lives int) error {
	for range lives {
		if err := w.killOnce(nil); err != nil {
			return err
		}
		if len(w.violations()) > 0 {
			return nil
		}
	}
	for range 2 { // the second start follows an orderly end
		if err := w.lastLook(); err != nil {
			return err
		}
	}
	return nil
}

// lastLook starts, verifies and ends in order.
func (w *world) lastLook() error {
	w.life++
	p, err := serve(w, nil, "storage.shards=2")
	if err != nil {
		return err
	}
	err = w.verify(p)
	if err == nil {
		ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
		err = w.kafka.finish(ctx, p.kafka)
		cancel()
	}
	if err != nil {
		return errors.Join(err, p.dump())
	}
	w.quiet = time.Now()
	w.print("ready in %4d ms, checked, ended in order", p.took.Milliseconds())
	return p.terminate()
}

// earlyKills starts the broker some times only to kill it while it recovers.
func (w *world) earlyKills(with []string) error {
	for w.rng.IntN(3) == 0 && w.life > 1 {
		p, err := launch(w, nil, with...)
		if err != nil {
			return err
		}
		if _, err := p.start(); err != nil {
			return err
		}
		time.Sleep(time.Duration(w.rng.IntN(60)) * time.Millisecond)
		p.kill()
		w.tally.early++
	}
	return nil
}

// loadTime is how long a life works. In the long ones acknowledgements get old
// enough to be final.
func (w *world) loadTime() time.Duration {
	if w.rng.IntN(12) == 0 {
		return ackGrace + time.Duration(500+w.rng.IntN(1500))*time.Millisecond
	}
	return time.Duration(50+w.rng.IntN(700)) * time.Millisecond
}

// killOnce is one life: perhaps killed during recovery first, checked, loaded,
// perhaps stopped for a while, killed.
func (w *world) killOnce(wrap []string) error {
	w.life++
	w.tally.lives++
	with := settings(w.rng)
	early := w.tally.early
	if err := w.earlyKills(with); err != nil {
		return err
	}
	p, err := serve(w, wrap, with...)
	if err != nil {
		return err
	}
	if w.life > 1 {
		err = w.verify(p)
	}
	if err == nil {
		err = w.declare(p)
	}
	if err != nil {
		return errors.Join(err, p.dump())
	}
	w.dying.Store(false)
	stop := make(chan struct{})
	published, acked := w.published.Load(), w.acked.Load()
	running := w.load(p, stop)
	time.Sleep(w.loadTime())
	w.quiet = time.Now()
	paused := w.rng.IntN(4) == 0
	if paused {
		p.pause(time.Duration(50+w.rng.IntN(400)) * time.Millisecond)
		time.Sleep(time.Duration(w.rng.IntN(100)) * time.Millisecond)
		w.tally.pauses++
	}
	w.dying.Store(true)
	p.kill()
	close(stop)
	if err := ended(running); err != nil {
		return err
	}
	w.print("%d early kills, ready in %4d ms, %6d published, %6d acknowledged, %v, paused %v, killed",
		w.tally.early-early, p.took.Milliseconds(), w.published.Load()-published, w.acked.Load()-acked, w.kafka, paused)
	return nil
}

// ended waits for the clients of a broker that is gone. If they do not end, what
// they do is written out.
func ended(running *sync.WaitGroup) error {
	done := make(chan struct{})
	go func() {
		running.Wait()
		close(done)
	}()
	select {
	case <-done:
		return nil
	case <-time.After(time.Minute):
		return errors.Join(errors.New("the clients of a killed broker did not end"), pprof.Lookup("goroutine").WriteTo(os.Stdout, 2))
	}
}
