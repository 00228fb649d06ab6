package main

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"weir/test/bench/report"
)

var (
	cachedNATS = peer{"nats", "", "JetStream, file storage, `sync_interval` as it comes (2 min)", report.Cached}
	syncedNATS = peer{"nats", "always", "JetStream, file storage, `sync_interval: always`", report.Synced}
)

const window = 500 // messages without an answer, of the loads that do not wait for each

var natsShapes = []shape{
	append1("async1ks", "append 1 KB, 500 unconfirmed", syncedNATS, report.Synced, toolPerfTest, true, appendPerf(1024, window)),
	append1("async128s", "append 128 B, 500 unconfirmed", syncedNATS, report.Synced, toolPerfTest, false, appendPerf(128, window)),
	append1("sync1ks", "append 1 KB, one at a time", syncedNATS, report.Synced, toolPerfTest, false, appendPerf(1024, 1)),
	append1("kafka1ks", "append 1 KB, 500 unconfirmed, by Kafka's producer", syncedNATS, report.Synced, toolProducer, false, appendKafka(1024)),
	append1("async1k", "append 1 KB, 500 unconfirmed", cachedNATS, report.Synced, toolPerfTest, false, appendPerf(1024, window)),
	append1("sync1k", "append 1 KB, one at a time", cachedNATS, report.Synced, toolPerfTest, false, appendPerf(1024, 1)),
	append1("async1kr", "append 1 KB, 500 unconfirmed, weir relaxed", cachedNATS, report.Cached, toolPerfTest, false, appendPerf(1024, window)),
}

func append1(name, title string, of peer, weir report.Class, tool string, chief bool, load loader) shape {
	s := shape{name: name, group: report.GroupNATS, title: title, peer: of, weir: weir, tool: tool, peerTool: toolNATSAsync, chief: chief, jvm: true, load: load}
	if strings.HasPrefix(name, "sync") {
		s.peerTool = toolNATSSync
	}
	return s
}

// appendPerf only publishes: PerfTest to weir, nats bench to JetStream, with the
// same number of unconfirmed messages.
func appendPerf(size, unconfirmed int) loader {
	return func(s *settings, p *process) (report.Figures, error) {
		if p.nats != "" {
			return s.natsBench(p, size, unconfirmed)
		}
		queue := fmt.Sprintf("append-%d", time.Now().UnixNano())
		f, err := s.runPerfTest(p, size, "-x", "1", "-y", "0", "-c", strconv.Itoa(unconfirmed), "-ad", "false", "-u", queue)
		if err != nil {
			return nil, err
		}
		return f, p.deleteQueue(queue)
	}
}

// appendKafka is Kafka's producer to one partition of weir: batches of 100
// messages, five of them unconfirmed.
func appendKafka(size int) loader {
	const batch, inFlight = window / 5, 5
	load := produce(size, 1, 40_000, "linger.ms=5", fmt.Sprintf("batch.size=%d", batch*size), fmt.Sprintf("max.in.flight.requests.per.connection=%d", inFlight))
	return func(s *settings, p *process) (report.Figures, error) {
		if p.nats != "" {
			return s.natsBench(p, size, window)
		}
		return load(s, p)
	}
}

var natsLine = regexp.MustCompile(`publisher stats: ([\d,.]+) msgs/sec`)

// natsBench is NATS's own tool. It has no progress to read: its rate and the
// server's CPU are of the whole run.
func (s *settings) natsBench(p *process, size, unconfirmed int) (report.Figures, error) {
	guess, kind := 20_000.0, []string{"async", "--batch", strconv.Itoa(unconfirmed)}
	if unconfirmed == 1 {
		guess, kind = 2000, []string{"sync"}
	}
	return s.lasting(p, fmt.Sprint("nats", size, unconfirmed), guess, func(rate float64) (report.Figures, time.Duration, error) {
		n := int(rate * float64(s.seconds))
		args := append([]string{"bench", "js", "pub"}, kind...)
		args = append(args, "bench.append", "--msgs", strconv.Itoa(n), "--size", strconv.Itoa(size), "--maxbytes", "4GB", "--create", "--purge", "--no-progress")
		c, err := s.peers.natsCLI(args...)
		if err != nil {
			return nil, 0, err
		}
		before := p.cpu()
		out, err := follow(c, func(string) {})
		if err != nil {
			return nil, 0, fmt.Errorf("nats bench: %w", err)
		}
		used := p.cpu() - before
		m := natsLine.FindStringSubmatch(out)
		if m == nil {
			return nil, 0, fmt.Errorf("nats bench printed no rate: %s", tail(out))
		}
		got, err := strconv.ParseFloat(strings.ReplaceAll(m[1], ",", ""), 64)
		if err != nil || got <= 0 {
			return nil, 0, fmt.Errorf("nats bench: rate %q", m[1])
		}
		took := float64(n) / got
		f := report.Figures{"rate": got, "cpu": used * 1e6 / float64(n), "cores": used / took, "rss": p.rss()}
		return f, time.Duration(took * float64(time.Second)), nil
	})
}
