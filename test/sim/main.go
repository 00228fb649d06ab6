package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"time"

	"weir/internal/sim/host"
)

type options struct {
	seed   uint64
	n      int
	nodes  int
	length time.Duration
	faults string
	jobs   int
	cache  string
	keep   string
	twice  int
}

func main() {
	var o options
	flag.Uint64Var(&o.seed, "seed", 1, "of the first world")
	flag.IntVar(&o.n, "n", 1, "worlds, with the seeds that follow; the history of a single one is printed")
	flag.IntVar(&o.nodes, "nodes", 1, "nodes of a world")
	flag.DurationVar(&o.length, "length", 20*time.Second, "how long things go wrong, in the world's time")
	flag.StringVar(&o.faults, "faults", "", "comma-separated kinds of trouble; empty: all, none: none")
	flag.IntVar(&o.jobs, "jobs", runtime.NumCPU(), "worlds at once")
	flag.StringVar(&o.cache, "cache", "", "directory for the compiled guest; empty: a temporary one")
	flag.StringVar(&o.keep, "keep", "sim-failures", "directory for the histories of worlds that failed")
	flag.IntVar(&o.twice, "twice", 1, "of many worlds, so many are run a second time: their history has to be the same")
	flag.Parse()
	if err := run(&o); err != nil {
		fmt.Fprintln(os.Stderr, "sim:", err)
		os.Exit(1)
	}
}

func run(o *options) (err error) {
	ctx := context.Background()
	if o.cache == "" {
		if o.cache, err = os.MkdirTemp("", "weir-sim-"); err != nil {
			return err
		}
		defer os.RemoveAll(o.cache)
	}
	h, err := host.New(ctx, o.cache)
	if err != nil {
		return err
	}
	defer h.Close(ctx)
	if o.n == 1 {
		return h.Run(ctx, o.world(o.seed), os.Stdout)
	}
	return o.many(ctx, h)
}

// many runs worlds side by side.
func (o *options) many(ctx context.Context, h *host.Host) error {
	var running sync.WaitGroup
	seeds := make(chan uint64)
	var mu sync.Mutex
	failed := 0
	for range max(o.jobs, 1) {
		running.Go(func() {
			for seed := range seeds {
				line, ok := o.one(ctx, h, seed)
				mu.Lock()
				fmt.Println(line)
				if !ok {
					failed++
				}
				mu.Unlock()
			}
		})
	}
	for i := range o.n {
		seeds <- o.seed + uint64(i)
	}
	close(seeds)
	running.Wait()
	fmt.Printf("%d worlds, %d failed\n", o.n, failed)
	if failed > 0 {
		return fmt.Errorf("%d of %d worlds failed, see %s; run one again: make sim SEED=…", failed, o.n, o.keep)
	}
	return nil
}

func (o *options) world(seed uint64) host.World {
	w := host.World{Seed: seed, Nodes: o.nodes, Length: o.length}
	if o.faults != "" {
		w.Faults = strings.Split(o.faults, ",")
	}
	return w
}

// one runs a world and returns its line.
func (o *options) one(ctx context.Context, h *host.Host, seed uint64) (string, bool) {
	var history bytes.Buffer
	began := time.Now()
	err := h.Run(ctx, o.world(seed), &history)
	took := time.Since(began).Round(time.Millisecond)
	again := ""
	if err == nil && seed < o.seed+uint64(max(o.twice, 0)) {
		var second bytes.Buffer
		err = h.Run(ctx, o.world(seed), &second)
		if again = ", twice"; err == nil && !bytes.Equal(history.Bytes(), second.Bytes()) {
			err = errors.New("another history the second time")
		}
	}
	text := strings.TrimSpace(history.String())
	last := text[strings.LastIndexByte(text, '\n')+1:]
	if err != nil {
		return fmt.Sprintf("seed %d FAILED: %v: %s: %s", seed, err, last, o.kept(seed, history.Bytes())), false
	}
	_, what, _ := strings.Cut(last, "kept: ")
	sum := sha256.Sum256(history.Bytes())
	return fmt.Sprintf("seed %d: %s (%v, history %x%s)", seed, what, took, sum[:6], again), true
}

// kept writes the history of a world that failed, and returns where it is.
func (o *options) kept(seed uint64, history []byte) string {
	path := filepath.Join(o.keep, fmt.Sprintf("seed-%d.txt", seed))
	if err := errors.Join(os.MkdirAll(o.keep, 0o700), os.WriteFile(path, history, 0o600)); err != nil {
		return err.Error()
	}
	return path
}
