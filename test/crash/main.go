package main

import (
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

// options are the command line.
type options struct {
	iterations int
	seed       uint64
	duration   time.Duration
	mode       string
	binary     string
	keep       bool
}

func main() {
	var o options
	flag.IntVar(&o.iterations, "n", 20, "iterations")
	flag.Uint64Var(&o.seed, "seed", 0, "of the random choices; 0: a new one")
	flag.DurationVar(&o.duration, "duration", 0, "go on for so long instead of -n iterations")
	flag.StringVar(&o.mode, "mode", "all", "kill, eio, full or all")
	flag.StringVar(&o.binary, "bin", "", "broker to run; empty: build ./cmd/weir")
	flag.BoolVar(&o.keep, "keep", false, "keep the data directory")
	flag.Parse()
	if o.seed == 0 {
		o.seed = uint64(time.Now().UnixNano())
	}
	if err := run(&o); err != nil {
		fmt.Fprintln(os.Stderr, "crash:", err)
		os.Exit(1)
	}
}

func run(o *options) (err error) {
	dir, err := os.MkdirTemp("", "weir-crash-")
	if err != nil {
		return err
	}
	fmt.Printf("seed %d, data in %s\n", o.seed, dir)
	defer func() {
		if err == nil && !o.keep {
			err = os.RemoveAll(dir)
		}
	}()
	if o.binary == "" {
		o.binary = filepath.Join(dir, "weir")
		build := exec.Command("go", "build", "-o", o.binary, "./cmd/weir")
		build.Stderr = os.Stderr
		if err := build.Run(); err != nil {
			return fmt.Errorf("build: %w", err)
		}
	}
	rng := rand.New(rand.NewPCG(o.seed, 0))
	modes := map[string]func(*options, string, *rand.Rand) error{"kill": killLoop, "eio": failLoop, "full": fullDisk}
	if o.mode != "all" {
		f := modes[o.mode]
		if f == nil {
			return fmt.Errorf("no mode %q", o.mode)
		}
		return skipped(o.mode, f(o, filepath.Join(dir, o.mode), rng))
	}
	for _, mode := range []string{"kill", "eio", "full"} {
		if err := skipped(mode, modes[mode](o, filepath.Join(dir, mode), rng)); err != nil {
			return fmt.Errorf("%s: %w", mode, err)
		}
	}
	return nil
}

// errSkip says that the machine does not allow a mode.
var errSkip = errors.New("skipped")

func skipped(mode string, err error) error {
	if errors.Is(err, errSkip) {
		fmt.Printf("%s: %v\n", mode, err)
		return nil
	}
	return err
}

// more says whether to begin iteration i.
func (o *options) more(i int, begun time.Time) bool {
	if o.duration > 0 {
		return time.Since(begun) < o.duration
	}
	return i < o.iterations
}
