package main

import (
	"os"
	"strings"
	"testing"
	"time"

	"weir/test/bench/report"
)

// self is this process as a broker: its CPU and memory are there to be read.
func self() *process { return &process{name: "weir", pid: os.Getpid()} }

func TestOrderPairsNeighbours(t *testing.T) {
	var text strings.Builder
	for _, who := range order {
		text.WriteString(map[side]string{sideWeir: "A", sidePeer: "B"}[who])
	}
	if text.String() != "ABBA" {
		t.Errorf("the runs of a round are %s", &text)
	}
}

func TestRoundPutsRunsInPairs(t *testing.T) {
	n := 0.0
	var ran []string
	sh := shape{load: func(_ *settings, p *process) (report.Figures, error) {
		n++
		ran = append(ran, p.name)
		return report.Figures{"rate": n}, nil
	}}
	r, err := (&settings{}).round(&sh, &process{name: "weir"}, &process{name: "peer"})
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(ran, " "); got != "weir peer peer weir" {
		t.Errorf("ran %s", got)
	}
	if r.Weir[0]["rate"] != 1 || r.Peer[0]["rate"] != 2 || r.Peer[1]["rate"] != 3 || r.Weir[1]["rate"] != 4 {
		t.Errorf("%+v", r)
	}
}

func TestMeterLeavesTheWarmUpOut(t *testing.T) {
	m := newMeter(self())
	for i, count := range []float64{10, 30, 1030, 2030} { // at 1, 2, 3 and 4 s
		m.noteAt(time.Duration(i+1)*time.Second, count)
	}
	f, took, err := m.figures(time.Second)
	if err != nil || took != 2*time.Second || f["rate"] != 1000 {
		t.Errorf("%v over %v: %v", f, took, err)
	}
	if f, took, err = m.figures(time.Hour); err != nil || took != time.Second || f["rate"] != 1000 {
		t.Errorf("a run shorter than its warm-up: %v over %v: %v", f, took, err)
	}
	if _, _, err := newMeter(self()).figures(0); err == nil {
		t.Error("figures of nothing")
	}
}

func TestPerfTestIsRead(t *testing.T) {
	r := newPerfRun(self(), 2*time.Second)
	for line := range strings.Lines(`id: a, starting producer #0
id: a, time 1.000 s, sent: 100 msg/s, confirmed: 90 msg/s, nacked: 0 msg/s, received: 90 msg/s, min/median/75th/95th/99th consumer latency: 1/2/3/4/5 µs, confirm latency: 1/2/3/4/6 µs
id: a, time 2.000 s, sent: 200 msg/s, confirmed: 200 msg/s, nacked: 0 msg/s, received: 200 msg/s, min/median/75th/95th/99th consumer latency: 1/2/3/4/5 µs, confirm latency: 1/2/3/4/6 µs
id: a, time 4.000 s, sent: 1000 msg/s, confirmed: 1000 msg/s, nacked: 0 msg/s, received: 900 msg/s, min/median/75th/95th/99th consumer latency: 1/2/3/4/50 µs, confirm latency: 1/2/3/4/60 µs
test stopped (Reached time limit)
id: a, sending rate avg: 575 msg/s
`) {
		r.line(strings.TrimSpace(line))
	}
	f, err := r.figures()
	if err != nil || f["rate"] != 900 || f["confirm_p99_second"] != 60 || f["end_p99_second"] != 50 {
		t.Errorf("%v: %v", f, err)
	}
}

func TestPerfTestOfPublishersIsRead(t *testing.T) {
	r := newPerfRun(self(), time.Second)
	for _, line := range []string{
		"id: a, time 1.000 s, sent: 100 msg/s, confirmed: 90 msg/s, nacked: 0 msg/s, min/median/75th/95th/99th confirm latency: 1/2/3/4/6 µs",
		"id: a, time 2.000 s, sent: 300 msg/s, confirmed: 90 msg/s, nacked: 0 msg/s, min/median/75th/95th/99th confirm latency: 1/2/3/4/7 µs",
	} {
		r.line(line)
	}
	f, err := r.figures()
	if err != nil || f["rate"] != 300 || f["confirm_p99_second"] != 7 {
		t.Errorf("%v: %v", f, err)
	}
}

func TestProducerPerformanceIsRead(t *testing.T) {
	r := newProducerRun(self())
	for _, line := range []string{
		"Warmup first 10 records. Steady state results will print after the complete test summary.",
		"2605 records sent, 5199.6 records/sec (5.08 MB/sec), 232.5 ms avg latency, 397.0 ms max latency.",
		"In steady state.",
		"395 records sent, 5199.6 records/sec (5.08 MB/sec), 232.5 ms avg latency, 397.0 ms max latency.",
		"300000 records sent, 39032.006245 records/sec (38.12 MB/sec), 672.18 ms avg latency, 1548.00 ms max latency, 581 ms 50th, 1378 ms 95th, 1516 ms 99th, 1542 ms 99.9th.",
		"200000 steady state records sent, 52534.804308 records/sec (51.30 MB/sec), 504.24 ms avg latency, 674.00 ms max latency, 521 ms 50th, 651 ms 95th, 670 ms 99th, 673 ms 99.9th.",
	} {
		r.line(line)
	}
	if r.meter.count() != 3000 || len(r.meter.samples) != 2 || r.p99 != 670 {
		t.Errorf("%v records in %d samples, p99 %v", r.meter.count(), len(r.meter.samples), r.p99)
	}
}

func TestOtherToolsAreRead(t *testing.T) {
	if m := consumedLine.FindStringSubmatch("2026-11-21 22:12:57:428, 0, 260.7676, 481.9092, 267026, 493475.0000, 0, 200, 481.9092, 493475.0000"); m == nil || m[1] != "267026" {
		t.Errorf("ConsumerPerformance: %v", m)
	}
	if m := natsLine.FindStringSubmatch("NATS JetStream asynchronous publisher stats: 68,368 msgs/sec ~ 67 MiB/sec ~ 14.63us"); m == nil || m[1] != "68,368" {
		t.Errorf("nats bench: %v", m)
	}
	if pid := firstPid("nats: pid 17773 rss_kb 38340 cpu_s 0.57"); pid != 17773 {
		t.Errorf("status: pid %d", pid)
	}
}

func TestShortRunsAreRepeatedLonger(t *testing.T) {
	s := settings{seconds: 10, pace: map[string]float64{}}
	var asked []float64
	f, err := s.lasting(self(), "x", 100, func(rate float64) (report.Figures, time.Duration, error) {
		asked = append(asked, rate)
		return report.Figures{"rate": 1000}, time.Duration(rate/100) * time.Second, nil // takes 1000 messages for 10 s
	})
	if err != nil || f["rate"] != 1000 || len(asked) != 2 || asked[0] != 100 || asked[1] != 1000 {
		t.Errorf("%v, asked for %v: %v", f, asked, err)
	}
}

// TestLoadsAreSound holds the list of loads to what the document relies on.
func TestLoadsAreSound(t *testing.T) {
	seen := map[string]bool{}
	for _, sh := range allShapes() {
		if seen[sh.name] || sh.title == "" || sh.tool == "" || sh.load == nil || sh.peer.class == "" || sh.weir == "" {
			t.Errorf("%+v", sh)
		}
		seen[sh.name] = true
		if sh.weir == report.Cached && sh.peer.class == report.Synced {
			t.Errorf("%s: weir relaxed next to a peer that syncs", sh.name)
		}
	}
	for _, l := range looks {
		if seen[l.name] {
			t.Errorf("%s is there twice", l.name)
		}
		seen[l.name] = true
	}
	for _, name := range report.AimNames() {
		if !seen[name] {
			t.Errorf("an aim is about %s, which is not measured", name)
		}
	}
}

func TestChosen(t *testing.T) {
	for _, c := range []struct {
		group, only, name, its string
		want                   bool
	}{
		{"all", "", "perf16", "rabbitmq", true},
		{"kafka,nats", "", "sync1k", "nats", true},
		{"kafka", "", "sync1k", "nats", false},
		{"kafka", "bindings", "bindings-10k-topic", "features", true},
		{"all", "perf1k", "perf1kq", "rabbitmq", false},
	} {
		if got := (chosen{c.group, c.only}).wants(c.name, c.its); got != c.want {
			t.Errorf("%+v: %v", c, got)
		}
	}
}
