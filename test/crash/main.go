package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

// options are the command line.
type options struct {
	iterations int
	jobs       int
	seed       uint64
	duration   time.Duration
	mode       string
	binary     string
	keep       bool
	dir        string
}

func main() {
	var o options
	flag.IntVar(&o.iterations, "n", 20, "lives of a broker, over all modes")
	flag.IntVar(&o.jobs, "jobs", 1, "brokers at the same time")
	flag.Uint64Var(&o.seed, "seed", 0, "of the random choices; 0: a new one")
	flag.DurationVar(&o.duration, "duration", 0, "go on for so long instead of -n lives")
	flag.StringVar(&o.mode, "mode", "all", "kill, eio, slow, full or all")
	flag.StringVar(&o.binary, "bin", "", "broker to run; empty: build ./cmd/weir")
	flag.BoolVar(&o.keep, "keep", false, "keep the data directories")
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
	if o.dir, err = os.MkdirTemp("", "weir-crash-"); err != nil {
		return err
	}
	fmt.Printf("seed %d, data in %s\n", o.seed, o.dir)
	defer func() {
		if err == nil && !o.keep {
			err = os.RemoveAll(o.dir)
		}
	}()
	if o.binary == "" {
		o.binary = filepath.Join(o.dir, "weir")
		build := exec.Command("go", "build", "-o", o.binary, "./cmd/weir")
		build.Stderr = os.Stderr
		if err := build.Run(); err != nil {
			return fmt.Errorf("build: %w", err)
		}
	}
	begun := time.Now()
	p, err := newPlan(o)
	if err != nil {
		return err
	}
	p.run()
	p.report(time.Since(begun))
	return errors.Join(p.errs...)
}
