package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"weir/test/bench/report"
)

// settings of a run.
type settings struct {
	rounds, seconds, warmup int
	every                   bool // all shapes get all rounds
	backlog                 int64
	shared                  int64 // messages of a backlog that the peer has to take as well
	queues                  int
	idle                    int
	stored                  int64
	killed                  int64 // messages stored when a broker is killed

	work    string // a folder of this run
	binary  string // weir's
	peers   *peers
	pace    map[string]float64 // messages a second of a load on a broker, as last seen
	filled  map[string]string  // topics with messages in them
	results *report.Results
	file    string // of the results
	write   bool
}

const document = "docs/performance.md"

func main() {
	s := settings{pace: map[string]float64{}, filled: map[string]string{}}
	only := flag.String("only", "", "comma-separated loads to run, by name or what it begins with; empty: all of the group")
	group := flag.String("group", groupAll, "rabbitmq, features, kafka, nats, looks (measured on its own, and kill -9) or all; several with commas")
	flag.IntVar(&s.rounds, "rounds", 3, "ABBA rounds of the chief loads, each two pairs; others get a third of them, at least one")
	flag.IntVar(&s.seconds, "seconds", 3, "measured seconds per run, after the warm-up; features: half")
	flag.IntVar(&s.warmup, "warmup", 2, "seconds of each run before the measurement, for what runs in a JVM; features: one")
	flag.BoolVar(&s.every, "every", false, "all loads get all rounds")
	flag.Int64Var(&s.backlog, "backlog", 5_000_000, "messages of weir's own backlog")
	flag.Int64Var(&s.shared, "shared-backlog", 300_000, "messages of the backlog that the peer has to take as well")
	flag.IntVar(&s.queues, "queues", 100_000, "queues to declare")
	flag.IntVar(&s.idle, "idle", 9_000, "idle connections")
	flag.Int64Var(&s.stored, "stored", 5_000_000, "messages of 1 KB stored for the start-up time")
	flag.StringVar(&s.file, "results", "docs/performance.json", "file of the results, old ones included")
	flag.BoolVar(&s.write, "write", false, "keep the results, and write "+document+" and its charts from them")
	flag.Int64Var(&s.killed, "killed", 500_000, "messages of 1 KB stored when a broker is killed")
	render := flag.Bool("render", false, "run nothing, write the document and its charts from the results")
	plan := flag.Bool("plan", false, "run nothing, list what would run and how long it takes about")
	quick := flag.Bool("quick", false, "one round of short runs, to see that everything works")
	flag.Parse()
	if *quick {
		s.rounds, s.seconds, s.warmup, s.backlog, s.shared, s.queues, s.idle, s.stored, s.killed = 1, 2, 1, 200_000, 30_000, 5000, 500, 200_000, 20_000
	}
	c := chosen{group: *group, only: *only}
	var err error
	switch {
	case *render:
		if s.results, err = report.Load(s.file); err == nil {
			err = s.render()
		}
	case *plan:
		err = s.plan(c)
	default:
		err = s.run(c)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

const (
	groupLooks = "looks"
	groupAll   = "all"
)

// chosen says what to run.
type chosen struct{ group, only string }

// wants tells whether a load of a group was asked for, by its own name or that of
// the loads it belongs to.
func (c chosen) wants(name, group string) bool {
	if c.only == "" {
		return c.group == groupAll || slices.Contains(strings.Split(c.group, ","), group)
	}
	for n := range strings.SplitSeq(c.only, ",") {
		if n == name || strings.HasPrefix(name, n+"-") {
			return true
		}
	}
	return false
}

func (c chosen) check() error {
	for g := range strings.SplitSeq(c.group, ",") {
		if !slices.Contains([]string{report.GroupRabbitMQ, report.GroupFeatures, report.GroupKafka, report.GroupNATS, groupLooks, groupAll}, g) {
			return fmt.Errorf("group %q: rabbitmq, features, kafka, nats, looks or all", g)
		}
	}
	return nil
}

// errSkipped is of what cannot be measured here, which is no failure.
var errSkipped = errors.New("skipped")

func (s *settings) run(c chosen) (err error) {
	if err := c.check(); err != nil {
		return err
	}
	if s.work, err = os.MkdirTemp("", "weir-bench"); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(s.work)) }()
	if s.binary, err = buildWeir(s.work); err != nil {
		return err
	}
	if s.results, err = report.Load(s.file); err != nil {
		return err
	}
	s.results.Machine, s.results.Weir = machine(), weirVersion()
	s.peers = newPeers(s.work, s.results.Versions)
	defer func() { err = errors.Join(err, s.peers.stop()) }()
	begin, failed := time.Now(), []error(nil)
	did := func(name string, err error) {
		switch {
		case errors.Is(err, errSkipped):
			fmt.Printf("%s: %v\n", name, err)
		case err != nil:
			fmt.Printf("%s: FAILED: %v\n", name, err)
			failed = append(failed, fmt.Errorf("%s: %w", name, err))
		}
	}
	for _, sh := range allShapes() {
		if c.wants(sh.name, sh.group) && interrupted.Err() == nil {
			did(sh.name, s.compare(&sh))
		}
	}
	for _, l := range looks {
		if c.wants(l.name, groupLooks) && interrupted.Err() == nil {
			did(l.name, s.look(&l))
		}
	}
	fmt.Printf("took %s\n", time.Since(begin).Round(time.Second))
	return errors.Join(failed...)
}

// keep saves the results and renders them, so that a run that is broken off leaves
// what it has.
func (s *settings) keep() error {
	if !s.write {
		return nil
	}
	s.results.Sort(names())
	if err := s.results.Save(s.file); err != nil {
		return err
	}
	return s.render()
}

func (s *settings) render() error {
	text, err := os.ReadFile(document)
	if err != nil {
		return err
	}
	filled, err := s.results.Fill(string(text))
	if err != nil {
		return fmt.Errorf("%s: %w", document, err)
	}
	if err := os.WriteFile(document, []byte(filled), 0o644); err != nil {
		return err
	}
	return s.results.Charts(filepath.Join(filepath.Dir(document), "charts"))
}

// names are those of everything, in the document's order.
func names() []string {
	var all []string
	for _, sh := range allShapes() {
		all = append(all, sh.name)
	}
	for _, l := range looks {
		all = append(all, l.name)
	}
	return all
}

// plan lists what would run.
func (s *settings) plan(c chosen) error {
	if err := c.check(); err != nil {
		return err
	}
	var total time.Duration
	line := func(name, title string, rounds int, takes time.Duration) {
		total += takes
		fmt.Printf("%-22s %2d  %5s  %s\n", name, rounds, takes.Round(time.Second), title)
	}
	fmt.Printf("%-22s %s  %5s\n", "name", "ABBA", "about")
	for _, sh := range allShapes() {
		if c.wants(sh.name, sh.group) {
			line(sh.name, sh.title, s.roundsOf(&sh), s.takes(&sh))
		}
	}
	for _, l := range looks {
		if c.wants(l.name, groupLooks) {
			line(l.name, l.title, 1, l.takes)
		}
	}
	fmt.Printf("about %s in all\n", total.Round(time.Minute))
	return nil
}

// machine says where the figures come from.
func machine() string {
	model, cores, memory := "unknown processor", 0, ""
	field := func(file, name string, each func(value string)) {
		b, err := os.ReadFile(file)
		if err != nil {
			return
		}
		for line := range strings.Lines(string(b)) {
			if k, v, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(k) == name {
				each(strings.TrimSpace(v))
			}
		}
	}
	field("/proc/cpuinfo", "model name", func(v string) { model = v; cores++ })
	field("/proc/meminfo", "MemTotal", func(v string) {
		var kb float64
		if _, err := fmt.Sscan(v, &kb); err == nil {
			memory = fmt.Sprintf(", %.0f GiB", kb/(1<<20))
		}
	})
	kernel, _ := os.ReadFile("/proc/sys/kernel/osrelease")
	return fmt.Sprintf("%s, %d cores%s, Linux %s; brokers and clients share it", model, cores, memory, strings.TrimSpace(string(kernel)))
}

// weirVersion is the commit that is measured.
func weirVersion() string {
	out, err := exec.Command("git", "describe", "--always", "--dirty").Output()
	if err != nil {
		return "of this tree"
	}
	return "commit " + strings.TrimSpace(string(out))
}
