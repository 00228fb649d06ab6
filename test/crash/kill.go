package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
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
func killLoop(o *options, dir string, rng *rand.Rand) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	w := newWorld()
	begun := time.Now()
	for i := 0; o.more(i, begun); i++ {
		w.life++
		if err := w.killOnce(o, dir, rng); err != nil {
			return fmt.Errorf("life %d: %w", w.life, err)
		}
		if errs := w.violations(); len(errs) > 0 {
			return errors.Join(errs...)
		}
	}
	for range 2 { // the second start follows an orderly end
		w.life++
		if err := w.lastLook(o, dir); err != nil {
			return fmt.Errorf("life %d: %w", w.life, err)
		}
	}
	return errors.Join(w.violations()...)
}

// lastLook starts, verifies and ends in order.
func (w *world) lastLook(o *options, dir string) error {
	p, err := serve(o, dir, nil, "storage.shards=2")
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
		p.kill()
		return err
	}
	w.quiet = time.Now()
	fmt.Printf("life %3d: ready in %4d ms, checked, ended in order\n", w.life, p.took.Milliseconds())
	return p.terminate()
}

// killOnce is one life: perhaps killed during recovery first, checked, loaded,
// perhaps stopped for a while, killed.
func (w *world) killOnce(o *options, dir string, rng *rand.Rand) error {
	with := settings(rng)
	early := 0
	for rng.IntN(3) == 0 && w.life > 1 {
		p, err := launch(o, dir, nil, with...)
		if err != nil {
			return err
		}
		if _, err := p.start(); err != nil {
			return err
		}
		time.Sleep(time.Duration(rng.IntN(60)) * time.Millisecond)
		p.kill()
		early++
	}
	p, err := serve(o, dir, nil, with...)
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
		p.kill()
		return err
	}
	w.dying.Store(false)
	stop := make(chan struct{})
	published, acked := w.published.Load(), w.acked.Load()
	running := w.load(p, rng, stop)
	time.Sleep(time.Duration(50+rng.IntN(1500)) * time.Millisecond)
	w.quiet = time.Now()
	paused := rng.IntN(4) == 0
	if paused {
		p.pause(time.Duration(50+rng.IntN(400)) * time.Millisecond)
		time.Sleep(time.Duration(rng.IntN(100)) * time.Millisecond)
	}
	w.dying.Store(true)
	p.kill()
	close(stop)
	running.Wait()
	fmt.Printf("life %3d: %d early kills, ready in %4d ms, %6d published, %6d acknowledged, %v, paused %v, killed\n",
		w.life, early, p.took.Milliseconds(), w.published.Load()-published, w.acked.Load()-acked, w.kafka, paused)
	return nil
}
