package main

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"time"
)

// mode is a kind of fault. Of a hundred lives share go to it, worldMax at most of
// them to one data directory: what a world has stored is read again in each life.
type mode struct {
	name     string
	share    int
	worldMax int
	run      func(w *world, lives int) error
}

var modes = []mode{
	{"kill", 80, 12, (*world).killLoop},
	{"eio", 8, 4, (*world).failLoop},
	{"slow", 8, 8, (*world).slowLoop},
	{"full", 4, 2, (*world).fullLoop},
}

// errSkip says that the machine does not allow a mode.
var errSkip = errors.New("skipped")

// job is one world to come.
type job struct {
	mode  *mode
	lives int
}

// plan is what is to be run and what has come of it.
type plan struct {
	o     *options
	begun time.Time

	mu      sync.Mutex
	jobs    []job
	next    int
	tallies map[string]*tally
	skipped map[string]error
	errs    []error
}

// tally counts what a mode has been through.
type tally struct {
	worlds, lives, early, pauses, faults int
	confirmed, records                   int64
	violations                           int
}

func newPlan(o *options) (*plan, error) {
	p := &plan{o: o, begun: time.Now(), tallies: map[string]*tally{}, skipped: map[string]error{}}
	left := o.iterations
	for i := len(modes) - 1; i >= 0; i-- { // the first one takes what the others leave
		m := &modes[i]
		n := max(1, o.iterations*m.share/100)
		switch {
		case o.mode != "all" && o.mode != m.name:
			continue
		case o.mode == m.name || i == 0:
			n = left
		}
		left -= n
		for n > 0 {
			lives := min(n, m.worldMax)
			p.jobs, n = append(p.jobs, job{m, lives}), n-lives
		}
	}
	if len(p.jobs) == 0 {
		return nil, fmt.Errorf("no mode %q, or nothing to do", o.mode)
	}
	rng := rand.New(rand.NewPCG(o.seed, 0))
	rng.Shuffle(len(p.jobs), func(i, j int) { p.jobs[i], p.jobs[j] = p.jobs[j], p.jobs[i] })
	return p, nil
}

// run goes through all worlds, -jobs of them at a time.
func (p *plan) run() {
	var running sync.WaitGroup
	for range max(1, p.o.jobs) {
		running.Go(func() {
			for {
				j, number, ok := p.take()
				if !ok {
					return
				}
				p.world(j, number)
			}
		})
	}
	running.Wait()
}

func (p *plan) take() (j job, number int, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	number = p.next
	p.next++
	if p.o.duration > 0 {
		return p.jobs[number%len(p.jobs)], number, time.Since(p.begun) < p.o.duration
	}
	if number >= len(p.jobs) {
		return job{}, 0, false
	}
	return p.jobs[number], number, true
}

// world runs one world from an empty directory to its end.
func (p *plan) world(j job, number int) {
	w := newWorld(p.o, j.mode.name, number)
	err := os.MkdirAll(w.dir, 0o700)
	if err == nil {
		err = j.mode.run(w, j.lives)
	}
	violations := w.violations()
	if len(violations) > 5 {
		violations = append(violations[:5:5], fmt.Errorf("and %d more", len(violations)-5))
	}
	skip := errors.Is(err, errSkip)
	if skip {
		violations = nil
	} else if err = errors.Join(append(violations, err)...); err != nil {
		w.print("VIOLATION, kept in %s: %v", w.dir, err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	t := p.tallies[j.mode.name]
	if t == nil {
		t = &tally{}
		p.tallies[j.mode.name] = t
	}
	switch {
	case skip:
		p.skipped[j.mode.name] = err
	case err != nil:
		p.errs = append(p.errs, fmt.Errorf("%s: %w", w.label, err))
		w.tally.violations = max(1, len(w.violations()))
	}
	t.add(w)
	if err == nil && !p.o.keep {
		_ = os.RemoveAll(w.dir)
		_ = os.Remove(filepath.Clean(w.dir) + ".log")
	}
}

func (t *tally) add(w *world) {
	records, confirmed := w.kafka.acknowledged(), w.confirmed.Load()
	t.worlds++
	t.lives += w.tally.lives
	t.early += w.tally.early
	t.pauses += w.tally.pauses
	t.faults += w.tally.faults
	t.violations += w.tally.violations
	t.confirmed += confirmed
	t.records += records + w.records.Load()
}

// report prints a line per mode.
func (p *plan) report(took time.Duration) {
	fmt.Printf("\n%-5s %6s %6s %11s %6s %6s %18s %20s %10s\n", "mode", "worlds", "lives", "early kills", "pauses", "faults", "messages confirmed", "records acknowledged", "violations")
	for i := range modes {
		name := modes[i].name
		if err := p.skipped[name]; err != nil {
			fmt.Printf("%-5s %v\n", name, err)
		} else if t := p.tallies[name]; t != nil {
			fmt.Printf("%-5s %6d %6d %11d %6d %6d %18d %20d %10d\n", name, t.worlds, t.lives, t.early, t.pauses, t.faults, t.confirmed, t.records, t.violations)
		}
	}
	fmt.Printf("took %v\n", took.Round(time.Second))
}
