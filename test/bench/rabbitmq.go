package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"time"

	"weir/internal/bench"
	"weir/test/bench/report"
)

// RabbitMQ's queues. Those it makes by default, classic ones of version 1, sync
// what is persistent before they confirm it, as quorum queues do; classic ones of
// version 2 do not.
var (
	classic   = peer{"rabbitmq", "", "classic queues, as they come", report.Synced}
	quorum    = peer{"rabbitmq", "", "quorum queues", report.Synced}
	classicV2 = peer{"rabbitmq", "", "classic queues with `x-queue-version` 2", report.Cached}
)

const (
	many500 = "500 queues × 10/s of 1 KB"
	pace10k = "open loop, 10,000/s of 1 KB"
)

var rabbitShapes = []shape{
	perf("perf16", "16 B, 1 producer, 1 consumer, classic", classic, report.Synced, false, perfTest(16, classic)),
	perf("perf1k", "1 KB, 1 producer, 1 consumer, classic", classic, report.Synced, true, perfTest(1024, classic)),
	perf("perf16q", "16 B, 1 producer, 1 consumer, quorum", quorum, report.Synced, false, perfTest(16, quorum)),
	perf("perf1kq", "1 KB, 1 producer, 1 consumer, quorum", quorum, report.Synced, true, perfTest(1024, quorum)),
	perf("openperfq", pace10k+", quorum", quorum, report.Synced, false, fixed(perfTest(1024, quorum, "--rate", "10000"))),
	perf("manyperf", many500+", classic", classic, report.Synced, false, fixed(manyQueues(500))),
	{
		name: "joinq", group: report.GroupRabbitMQ, title: "a backlog of 1 KB, 10 consumers join while 5,000/s are published, quorum", peer: quorum,
		weir: report.Synced, tool: toolPerfTest, jvm: true, fill: 22, load: fixed(joinBacklog(quorum)),
	},
	lean("bench16", "lean client: 16 B, classic", classic, weirBench(classic, "--size", "16")),
	lean("bench1kq", "lean client: 1 KB, quorum", quorum, weirBench(quorum, "--size", "1024")),
	lean("open", "lean client: "+pace10k+", quorum", quorum, fixed(weirBench(quorum, "--size", "1024", "--rate", "10000"))),
	lean("many", "lean client: "+many500+", classic", classic, fixed(weirBench(classic, "--size", "1024",
		"--queues", "500", "--producers", "500", "--consumers", "500", "--rate", "5000", "--ack-every", "1", "--prefetch", "10"))),
	perf("perf1kv2", "1 KB, 1 producer, 1 consumer, classic v2", classicV2, report.Synced, false, perfTest(1024, classicV2)),
	perf("perf1kr", "1 KB, 1 producer, 1 consumer, classic v2, weir relaxed", classicV2, report.Cached, false, perfTest(1024, classicV2)),
}

type loader = func(*settings, *process) (report.Figures, error)

func perf(name, title string, of peer, weir report.Class, chief bool, load loader) shape {
	return shape{name: name, group: report.GroupRabbitMQ, title: title, peer: of, weir: weir, tool: toolPerfTest, chief: chief, jvm: true, load: load}
}

func lean(name, title string, of peer, load loader) shape {
	return shape{name: name, group: report.GroupRabbitMQ, title: title, peer: of, weir: report.Synced, tool: toolBench, load: load}
}

// fixed is a load at a fixed rate: that it was kept is no merit.
func fixed(load loader) loader {
	return func(s *settings, p *process) (report.Figures, error) {
		f, err := load(s, p)
		if err == nil {
			f["pace"] = f["rate"]
			delete(f, "rate")
		}
		return f, err
	}
}

// queueFlags make PerfTest declare the peer's kind of queue. To weir they are all
// the same, and one name is enough.
func (of peer) queueFlags(p *process) []string {
	switch {
	case p.name == "weir" || of == classic:
		return nil
	case of == quorum:
		return []string{"--quorum-queue"}
	default:
		return []string{"--queue-args", "x-queue-version=2"}
	}
}

// perfTest is RabbitMQ's own tool in its usual shape.
func perfTest(size int, of peer, more ...string) loader {
	return func(s *settings, p *process) (report.Figures, error) {
		queue := fmt.Sprintf("perf-%d-%d", size, time.Now().UnixNano())
		args := append([]string{"-x", "1", "-y", "1", "-c", "1000", "-q", "1000", "-A", "100", "-ad", "false", "-u", queue}, of.queueFlags(p)...)
		f, err := s.runPerfTest(p, size, append(args, more...)...)
		if err != nil {
			return nil, err
		}
		return f, p.deleteQueue(queue)
	}
}

// manyQueues has a producer and a consumer at each of so many queues, ten
// messages a second.
func manyQueues(count int) loader {
	return func(s *settings, p *process) (report.Figures, error) {
		n := strconv.Itoa(count)
		return s.runPerfTest(p, 1024, "-x", n, "-y", n, "-c", "10", "-q", "10", "-qp", fmt.Sprintf("many-%d-%%d", time.Now().UnixNano()),
			"-qpf", "1", "-qpt", n, "-P", "0.1", "-pst", "4", "-ctp", "4", "-niot", "4", "-hst", "4")
	}
}

var (
	perfLine  = regexp.MustCompile(`time ([\d.]+) s, (.*)`)
	perfRate  = regexp.MustCompile(`(sent|received|confirmed): (\d+) msg/s`)
	perfDelay = regexp.MustCompile(`(consumer|confirm) latency: (?:-?\d+/){4}(-?\d+) µs`)
)

// perfRun reads PerfTest's lines, one a second.
type perfRun struct {
	warm               time.Duration
	sent, received     *meter
	confirm, end, pace []float64 // of the seconds after the warm-up
	at                 time.Duration
}

func newPerfRun(p *process, warm time.Duration) *perfRun {
	return &perfRun{warm: warm, sent: newMeter(p), received: newMeter(p)}
}

func (r *perfRun) line(line string) {
	m := perfLine.FindStringSubmatch(line)
	if m == nil {
		return
	}
	seconds, _ := strconv.ParseFloat(m[1], 64)
	at := time.Duration(seconds * float64(time.Second))
	took := (at - r.at).Seconds()
	r.at = at
	rates := map[string]float64{}
	for _, one := range perfRate.FindAllStringSubmatch(m[2], -1) {
		rates[one[1]], _ = strconv.ParseFloat(one[2], 64)
	}
	r.sent.noteAt(at, r.sent.count()+rates["sent"]*took)
	r.received.noteAt(at, r.received.count()+rates["received"]*took)
	if at <= r.warm {
		return
	}
	r.pace = append(r.pace, rates["sent"])
	for _, one := range perfDelay.FindAllStringSubmatch(m[2], -1) {
		p99, _ := strconv.ParseFloat(one[2], 64)
		if one[1] == "confirm" {
			r.confirm = append(r.confirm, p99)
		} else {
			r.end = append(r.end, p99)
		}
	}
}

// figures of what was received or, without consumers, sent.
func (r *perfRun) figures() (report.Figures, error) {
	of := r.received
	if of.count() == 0 {
		of = r.sent
	}
	f, _, err := of.figures(r.warm - time.Second) // the first sample comes after a second
	if err != nil {
		return nil, err
	}
	if len(r.confirm) > 0 {
		f["confirm_p99_second"] = report.Median(r.confirm)
	}
	if len(r.end) > 0 {
		f["end_p99_second"] = report.Median(r.end)
	}
	return f, nil
}

func (s *settings) warm() time.Duration { return time.Duration(s.warmup) * time.Second }

func (s *settings) runPerfTest(p *process, size int, args ...string) (report.Figures, error) {
	r := newPerfRun(p, s.warm())
	own := []string{"--uri", p.url, "-s", strconv.Itoa(size), "-f", "persistent", "-z", strconv.Itoa(s.seconds + s.warmup)}
	c, err := s.peers.perfTest(append(own, args...)...)
	if err != nil {
		return nil, err
	}
	out, err := follow(c, r.line)
	if err != nil {
		return nil, fmt.Errorf("PerfTest: %w", err)
	}
	f, err := r.figures()
	if err != nil {
		return nil, fmt.Errorf("PerfTest: %w: %s", err, tail(out))
	}
	return f, nil
}

// joinBacklog fills a queue, publishes at a fixed rate and lets ten consumers join
// meanwhile. All by PerfTest.
func joinBacklog(of peer) loader {
	return func(s *settings, p *process) (report.Figures, error) {
		const rate = 5000
		queue := fmt.Sprintf("join-%d", time.Now().UnixNano())
		base := append([]string{"--uri", p.url, "-s", "1024", "-f", "persistent", "-ad", "false", "-u", queue}, of.queueFlags(p)...)
		run := func(each func(string), more ...string) error {
			c, err := s.peers.perfTest(append(base[:len(base):len(base)], more...)...)
			if err != nil {
				return err
			}
			_, err = follow(c, each)
			return err
		}
		fill := newPerfRun(p, 0)
		err := run(fill.line, "-x", "1", "-y", "0", "-c", "1000", "-C", strconv.FormatInt(s.shared, 10))
		if err != nil {
			return nil, err
		}
		filled, fillErr := fill.figures() // a backlog that is there in no time has no rate
		drain := newPerfRun(p, s.warm())
		joined := make(chan error, 1)
		published := newPerfRun(p, s.warm())
		begun := false
		err = run(func(line string) {
			if published.line(line); !begun && published.at >= s.warm() {
				begun = true
				go func() {
					joined <- run(drain.line, "-x", "0", "-y", "10", "-q", "1000", "-A", "100", "-z", strconv.Itoa(s.seconds+s.warmup))
				}()
			}
		}, "-x", "1", "-y", "0", "-c", "1000", "-r", strconv.Itoa(rate), "-z", strconv.Itoa(s.seconds+3*s.warmup))
		if err != nil {
			return nil, err
		}
		if err := <-joined; err != nil {
			return nil, err
		}
		f, err := published.figures()
		if err != nil {
			return nil, err
		}
		drained, err := drain.figures()
		if err != nil {
			return nil, err
		}
		delete(f, "cpu") // of publishing and draining together
		if f["drain_rate"] = drained["rate"]; fillErr == nil {
			f["fill_rate"] = filled["rate"]
		}
		f["dip"] = max(100*(1-report.Quantile(published.pace, 0)/rate), 0)
		return f, p.deleteQueue(queue)
	}
}

// weirBench is the lean client, in whole: publish, confirm, consume, acknowledge.
func weirBench(of peer, flags ...string) loader {
	return func(s *settings, p *process) (report.Figures, error) {
		own := []string{
			"--warmup", fmt.Sprint(s.warmup, "s"), "--server-pid", strconv.Itoa(p.pid),
			"--queue-prefix", fmt.Sprint("bench-", time.Now().UnixNano()), // a run that was broken off may have left some
		}
		if of == quorum && p.name != "weir" {
			own = append(own, "--type", "quorum")
		}
		r, err := s.runBench(p, append(own, flags...))
		if err != nil {
			return nil, err
		}
		f := report.Figures{
			"rate": r.ConsumeRate, "cpu": r.ServerMicro, "rss": p.rss(),
			"confirm_p99": float64(r.Confirm.P99), "end_p99": float64(r.EndToEnd.P99), "end_p999": float64(r.EndToEnd.P999),
		}
		if r.SendDelay.Count > 0 {
			f["send_delay_p99"] = float64(r.SendDelay.P99)
		}
		return f, nil
	}
}

// runBench runs the client once and refuses figures of a broker that lost messages.
func (s *settings) runBench(p *process, flags []string) (bench.Report, error) {
	var r bench.Report
	args := append([]string{"bench", "--url", p.url, "--json", "-q", "--duration", fmt.Sprint(s.seconds, "s")}, flags...)
	out, err := follow(exec.Command(s.binary, args...), func(string) {})
	if err != nil {
		return r, fmt.Errorf("weir bench: %w", err)
	}
	if err := json.Unmarshal([]byte(out), &r); err != nil {
		return r, err
	}
	if r.Gaps+r.Repeated > 0 {
		return r, fmt.Errorf("%s lost or repeated messages: %s", p.name, out)
	}
	return r, nil
}

// deleteQueue keeps what one run leaves behind away from the next.
func (p *process) deleteQueue(name string) error {
	return p.manage(http.MethodDelete, "queues/"+url.PathEscape("/")+"/"+url.PathEscape(name), nil)
}

// manage asks the management API.
func (p *process) manage(method, path string, body []byte) error {
	request, err := http.NewRequest(method, p.api+"/api/"+path, strings.NewReader(string(body)))
	if err != nil {
		return err
	}
	request.SetBasicAuth("guest", "guest")
	request.Header.Set("Content-Type", "application/json")
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if answer.StatusCode >= 300 {
		return fmt.Errorf("%s: %s %s: %s", p.name, method, path, answer.Status)
	}
	return nil
}
