package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// settings of a run.
type settings struct {
	rounds  int
	seconds int
	backlog int64
	queues  int
	idle    int
	stored  int64
	work    string
	peers   string
	rabbit  *process // started when first needed

	kafka        *process // likewise
	kafkaSetting string
	filled       map[string]string // topics with messages in them
}

// theRabbit is the one RabbitMQ of the run: its start takes longer than a round.
func theRabbit(s *settings) (*process, error) {
	if s.rabbit == nil {
		p, err := startRabbit(s)
		if err != nil {
			return nil, err
		}
		s.rabbit = p
	}
	return s.rabbit, nil
}

func main() {
	var s settings
	only := flag.String("only", "", "comma-separated shapes to run, by name or what it begins with; empty: all of the group")
	group := flag.String("group", groupBase, "base: rates, latency, memory; features: policies, routing, dead letters, priorities, transactions; kafka: next to Apache Kafka; all")
	flag.IntVar(&s.rounds, "rounds", 3, "ABBA rounds per shape")
	flag.IntVar(&s.seconds, "seconds", 10, "measured seconds per run; features: half")
	flag.Int64Var(&s.backlog, "backlog", 5_000_000, "messages of the backlog")
	flag.IntVar(&s.queues, "queues", 100_000, "queues to declare")
	flag.IntVar(&s.idle, "idle", 10_000, "idle connections")
	flag.Int64Var(&s.stored, "stored", 5_000_000, "messages of 1 KB stored for the start-up time")
	flag.Parse()
	if err := run(&s, *group, *only); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(s *settings, group, only string) (err error) {
	if s.peers = os.Getenv("PEERS"); s.peers == "" {
		s.peers = filepath.Join("..", "shared", "peers")
	}
	if _, err := os.Stat(filepath.Join(s.peers, "rabbitmq")); err != nil {
		return fmt.Errorf("no RabbitMQ to compare with: set PEERS to the folder of its start script (%w)", err)
	}
	if !slices.Contains([]string{groupBase, groupFeatures, groupKafka, groupAll}, group) {
		return fmt.Errorf("group %q: base, features, kafka or all", group)
	}
	if s.work, err = os.MkdirTemp("", "weir-bench"); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(s.work)) }()
	binary, err := buildWeir(s.work)
	if err != nil {
		return err
	}
	machine()
	defer func() {
		if s.rabbit != nil {
			err = errors.Join(err, s.rabbit.stop())
		}
		if s.kafka != nil {
			err = errors.Join(err, s.kafka.stop())
		}
	}()
	if err := runShapes(s, binary, kafkaShapes, func(name string) bool { return wanted(name, groupKafka, group, only) }); err != nil {
		return err
	}
	if err := runBase(s, binary, group, only); err != nil {
		return err
	}
	short := *s
	short.seconds = max(s.seconds/2, 1)
	err = runShapes(&short, binary, features, func(name string) bool { return wanted(name, groupFeatures, group, only) })
	s.rabbit = short.rabbit
	return err
}

const (
	groupBase     = "base"
	groupFeatures = "features"
	groupKafka    = "kafka"
	groupAll      = "all"
)

// wanted tells whether a shape of a group was asked for, by its own name or that
// of the shapes it belongs to.
func wanted(name, its, group, only string) bool {
	if only == "" {
		return group == its || group == groupAll
	}
	for n := range strings.SplitSeq(only, ",") {
		if n == name || strings.HasPrefix(name, n+"-") {
			return true
		}
	}
	return false
}

func runShapes(s *settings, binary string, all []shape, wanted func(name string) bool) error {
	for _, sh := range all {
		if !wanted(sh.name) {
			continue
		}
		if err := compare(s, binary, &sh); err != nil {
			return fmt.Errorf("%s: %w", sh.name, err)
		}
	}
	return nil
}

func runBase(s *settings, binary, group, only string) error {
	base := func(name string) bool { return wanted(name, groupBase, group, only) }
	if err := runShapes(s, binary, shapes, base); err != nil {
		return err
	}
	for _, l := range looks {
		if !base(l.name) {
			continue
		}
		fmt.Printf("\n### %s\n\n", l.title)
		if err := l.look(s, binary); err != nil {
			return fmt.Errorf("%s: %w", l.name, err)
		}
	}
	return nil
}

// machine says where the figures come from.
func machine() {
	model := "unknown processor"
	if b, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		for line := range strings.Lines(string(b)) {
			if k, v, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(k) == "model name" {
				model = strings.TrimSpace(v)
				break
			}
		}
	}
	fmt.Printf("Machine: %s; disk: %s\n", model, disk())
}
