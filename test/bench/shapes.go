package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"weir/internal/bench"
)

// figures of one run.
type figures struct {
	rate    float64 // messages per second, end to end
	micros  float64 // server CPU per message
	perGB   float64 // server CPU seconds
	rss     float64 // MiB after the run
	confirm float64 // p99, µs
	end     float64 // p99, µs
}

// shape is one load, run against both brokers.
type shape struct {
	name, title string
	class       string // of the peer's durability
	load        func(s *settings, binary string, p *process) (figures, error)
}

var shapes = []shape{
	{"perf16", "PerfTest, 16 B, against classic queues", "OS cache", perfTest(16, false)},
	{"perf1k", "PerfTest, 1 KB, against classic queues", "OS cache", perfTest(1024, false)},
	{"perf16q", "PerfTest, 16 B, against quorum queues", "fsync", perfTest(16, true)},
	{"perf1kq", "PerfTest, 1 KB, against quorum queues", "fsync", perfTest(1024, true)},
	{"bench16", "weir bench, 16 B, against classic queues", "OS cache", weirBench(false, "--size", "16")},
	{"bench1k", "weir bench, 1 KB, against classic queues", "OS cache", weirBench(false, "--size", "1024")},
	{"bench16q", "weir bench, 16 B, against quorum queues", "fsync", weirBench(true, "--size", "16")},
	{"bench1kq", "weir bench, 1 KB, against quorum queues", "fsync", weirBench(true, "--size", "1024")},
	{"open", "open loop, 10,000/s of 1 KB, against a quorum queue", "fsync", weirBench(true, "--size", "1024", "--rate", "10000")},
	{"many", "500 queues × 10/s of 1 KB, against classic queues", "OS cache", weirBench(false, "--size", "1024",
		"--queues", "500", "--producers", "500", "--consumers", "500", "--rate", "5000", "--ack-every", "1", "--prefetch", "10")},
}

var average = regexp.MustCompile(`(sending|receiving) rate avg: (\d+) msg/s`)

// perfTest is RabbitMQ's own tool in its usual shape.
func perfTest(size int, quorum bool) func(*settings, string, *process) (figures, error) {
	return func(s *settings, _ string, p *process) (figures, error) {
		queue := fmt.Sprintf("perf-%d-%d", size, time.Now().UnixNano())
		args := []string{
			"perf", "--uri", p.url, "-x", "1", "-y", "1", "-s", strconv.Itoa(size), "-f", "persistent",
			"-c", "1000", "-q", "1000", "-A", "100", "-z", strconv.Itoa(s.seconds + 2), "-ad", "false", "-u", queue,
		}
		if quorum && p.name != "weir" {
			args = append(args, "--quorum-queue")
		}
		before := p.cpu()
		out, err := exec.Command(filepath.Join(s.peers, "rabbitmq"), args...).CombinedOutput()
		if err != nil {
			return figures{}, fmt.Errorf("PerfTest: %w: %s", err, out)
		}
		used := p.cpu() - before
		var f figures
		for _, m := range average.FindAllStringSubmatch(string(out), -1) {
			if m[1] == "receiving" {
				f.rate, _ = strconv.ParseFloat(m[2], 64)
			}
		}
		if f.rate == 0 {
			return f, fmt.Errorf("PerfTest printed no rate: %s", out)
		}
		f.micros = used * 1e6 / (f.rate * float64(s.seconds+2))
		f.rss = p.rss()
		return f, nil
	}
}

// weirBench is the lean client, in whole: publish, confirm, consume, acknowledge.
func weirBench(quorum bool, flags ...string) func(*settings, string, *process) (figures, error) {
	return func(s *settings, binary string, p *process) (figures, error) {
		flags := append([]string{"--warmup", "2s"}, flags...)
		if quorum && p.name != "weir" {
			flags = append(flags, "--type", "quorum")
		}
		before := p.cpu()
		r, err := runBench(s, binary, p, flags)
		if err != nil {
			return figures{}, err
		}
		used := p.cpu() - before
		return figures{
			rate: r.ConsumeRate, micros: used * 1e6 / float64(max(r.Published, 1)), rss: p.rss(),
			confirm: float64(r.Confirm.P99), end: float64(r.EndToEnd.P99),
		}, nil
	}
}

// runBench runs the client once and refuses figures of a broker that lost messages.
func runBench(s *settings, binary string, p *process, flags []string) (bench.Report, error) {
	var r bench.Report
	args := append([]string{"bench", "--url", p.url, "--json", "-q", "--duration", fmt.Sprint(s.seconds, "s")}, flags...)
	var complaint bytes.Buffer
	c := exec.Command(binary, args...)
	c.Stderr = &complaint
	out, err := c.Output()
	if err != nil {
		return r, fmt.Errorf("weir bench: %w: %s%s", err, complaint.Bytes(), out)
	}
	if err := json.Unmarshal(out, &r); err != nil {
		return r, err
	}
	if r.Gaps+r.Repeated > 0 {
		return r, fmt.Errorf("%s lost or repeated messages: %s", p.name, out)
	}
	return r, nil
}

// compare runs a shape in rounds of weir, peer, peer, weir and prints the medians.
func compare(s *settings, binary string, sh *shape) error {
	weir, _, err := startWeir(binary, filepath.Join(s.work, "data-"+sh.name))
	if err != nil {
		return err
	}
	defer weir.stop()
	start := theRabbit
	if kafka := kafkaPeers[sh.name]; kafka != nil {
		start = kafka
	}
	peer, err := start(s)
	if err != nil {
		return err
	}
	var a, b []figures
	for range s.rounds {
		for _, p := range []*process{weir, peer, peer, weir} {
			f, err := sh.load(s, binary, p)
			if err != nil {
				return fmt.Errorf("%s: %w", p.name, err)
			}
			if p == weir {
				a = append(a, f)
			} else {
				b = append(b, f)
			}
		}
	}
	fmt.Printf("\n### %s\n\nweir syncs before each confirm; the peer's class is %s. %d pairs.\n\n", sh.title, sh.class, len(a))
	fmt.Printf("| figure | weir | %s | ratio, median (lowest–highest) |\n| --- | --- | --- | --- |\n", peer.name)
	row := func(name, format string, pick func(figures) float64) {
		if pick(a[0]) == 0 && pick(b[0]) == 0 {
			return
		}
		var x, y, ratio []float64
		for i := range a {
			x, y = append(x, pick(a[i])), append(y, pick(b[i]))
			ratio = append(ratio, pick(a[i])/pick(b[i]))
		}
		fmt.Printf("| %s | "+format+" | "+format+" | %.3g (%.3g–%.3g) |\n", name,
			median(x), median(y), median(ratio), slices.Min(ratio), slices.Max(ratio))
	}
	row("messages/s", "%.0f", func(f figures) float64 { return f.rate })
	row("server CPU µs per message", "%.2f", func(f figures) float64 { return f.micros })
	row("server CPU s per GB", "%.2f", func(f figures) float64 { return f.perGB })
	row("RSS MiB after the run", "%.0f", func(f figures) float64 { return f.rss })
	row("confirm p99 µs", "%.0f", func(f figures) float64 { return f.confirm })
	row("end to end p99 µs", "%.0f", func(f figures) float64 { return f.end })
	return nil
}

// median of v, which it sorts.
func median(v []float64) float64 {
	slices.Sort(v)
	if n := len(v); n%2 == 0 && n > 0 {
		return (v[n/2-1] + v[n/2]) / 2
	}
	return quantile(v, 0.5)
}

// quantile of v, which it sorts.
func quantile(v []float64, q float64) float64 {
	if len(v) == 0 {
		return 0
	}
	slices.Sort(v)
	return v[min(int(q*float64(len(v))), len(v)-1)]
}

// percent prints a part of a whole.
func percent(part, whole float64) string {
	return strings.TrimSuffix(strconv.FormatFloat(100*part/whole, 'f', 1, 64), ".0") + " %"
}
