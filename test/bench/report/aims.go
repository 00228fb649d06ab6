package report

import (
	"fmt"
	"strings"
)

// aim is something that was set out to reach.
type aim struct {
	text   string
	names  []string // comparisons, or one look
	metric string
	most   bool    // want is an upper bound of weir over the peer, otherwise a lower one
	want   float64 // of a look: of the figure itself
	note   string  // why, where it is missed
}

var allAims = []aim{
	{text: "PerfTest 16 B and 1 KB against classic queues: ≥ 4× the rate", names: []string{"perf16", "perf1k"}, metric: "rate", want: 4, note: limitPerfTest},
	{text: "PerfTest 16 B and 1 KB against quorum queues: ≥ 4× the rate", names: []string{"perf16q", "perf1kq"}, metric: "rate", want: 4, note: limitPerfTest},
	{text: "the same: server CPU per message ≤ 1/10", names: []string{"perf16", "perf1k", "perf16q", "perf1kq"}, metric: "cpu", most: true, want: 0.1, note: "PerfTest hands over a few messages per write, so that few share a system call"},
	{text: "`weir bench` as the client of both: ≥ 8× the rate", names: []string{"bench16", "bench1kq"}, metric: "rate", want: 8},
	{text: "open loop, 10,000/s of 1 KB: end to end p99 ≤ 1/3 of quorum queues'", names: []string{"open"}, metric: "end_p99", most: true, want: 1.0 / 3, note: limitDisk},
	{text: "500 queues × 10/s: p99 ≤ 1/4", names: []string{"many"}, metric: "end_p99", most: true, want: 0.25, note: limitDisk},
	{text: "500 queues × 10/s: RSS ≤ 1/4", names: []string{"many"}, metric: "rss", most: true, want: 0.25},
	{text: "Kafka's producer, 1 KB and 100 B: ≥ 1.5× Kafka's unsynced default, weir synced", names: []string{"produce1k", "produce100"}, metric: "rate", want: 1.5, note: limitJava},
	{text: "the same against a log flushed with every batch: ≥ 10×", names: []string{"produce1ks", "produce100s"}, metric: "rate", want: 10, note: limitJava},
	{text: "the same: server CPU per record ≤ 1/2", names: []string{"produce1k", "produce100", "produce1ks", "produce100s"}, metric: "cpu", most: true, want: 0.5, note: "a Kafka whose JVM is warm appends a batch to the page cache and is done; weir writes it to the log, syncs it, and writes it to a segment later: 59 % of its CPU are system calls"},
	{text: "Kafka's consumer: throughput at least Kafka's", names: []string{"cold"}, metric: "rate", want: 1, note: limitJava},
	{text: "from cold segments: server CPU per GB at most Kafka's", names: []string{"cold"}, metric: "cpu_gb", most: true, want: 1, note: limitSendfile},
	{text: "at the tail, in and out: server CPU per GB ≤ 1/2", names: []string{"tail"}, metric: "cpu_gb", most: true, want: 0.5, note: "at this rate a fetch and a sync carry a few records each"},
	{text: "librdkafka as consumer: ≥ 1.5×", names: []string{"librdkafka"}, metric: "rate", want: 1.5, note: limitSendfile},
	{text: "1,000 topics, keyed 100 B: ≥ 3×", names: []string{"topics"}, metric: "rate", want: 3, note: "franz-go's client takes most of both cores"},
	{text: "RSS ≤ 1/4 of Kafka's", names: []string{"produce1k", "cold", "topics", "pace"}, metric: "rss", most: true, want: 0.25, note: "Kafka has just been started in the first of them"},
	{text: "20 MB/s: end to end p99 below Kafka's", names: []string{"pace"}, metric: "end_p99", most: true, want: 1, note: limitDisk},
	{text: "exactly-once copy: ≥ 1.5×", names: []string{"copy"}, metric: "rate", want: 1.5, note: "the copier sends every record by itself and waits for the end of each transaction"},
	{text: "100,000 queues declared at ≥ 10× RabbitMQ's rate", names: []string{"declare"}, metric: "ratio", want: 10},
	{text: "5 million messages of backlog and 10 consumers: the publish rate dips under 5 %", names: []string{"backlog"}, metric: "dip", most: true, want: 5},
	{text: "start-up after kill -9 with what its table says stored: < 1 s", names: []string{"startup"}, metric: "seconds", most: true, want: 1},
	{text: "idle process: RSS < 40 MiB", names: []string{"idle"}, metric: "rss", most: true, want: 40},
	{text: "≤ 12 KiB per idle connection", names: []string{"idle"}, metric: "connection_kib", most: true, want: 12, note: "right after connecting, with Go's client; of it 4 KB are the reader's stack, the rest what the client said of itself, the session, the socket's and the runtime's own"},
	{text: "kill -9 under load: no confirmed message is lost", names: []string{"kill"}, metric: "lost", most: true, want: 0},
}

const (
	limitPerfTest = "PerfTest takes the larger part of both cores and is the limit"
	limitJava     = "the Java client takes the larger part of both cores and is the limit"
	limitSendfile = "Kafka hands segments to the socket with sendfile; weir's blocks have checksums, which are looked at, and heads that do not go to the client"
	limitDisk     = "at this rate it is the p99 of the disk's sync"
)

// aims renders what was reached of what was aimed at; what was not measured is
// left out.
func (r *Results) aims(b *strings.Builder) {
	begun := false
	for _, a := range allAims {
		result := a.result(r)
		if result == "" {
			continue
		}
		if !begun {
			b.WriteString("\n## Against the aims\n\n| aim | result |\n| --- | --- |\n")
			begun = true
		}
		fmt.Fprintf(b, "| %s | %s |\n", a.text, result)
	}
}

func (a *aim) result(r *Results) string {
	missed, measured := 0, 0
	var parts []string
	add := func(name string, s Summary) {
		measured++
		verdict := ""
		if a.most && s.Median > a.want || !a.most && s.Median < a.want {
			missed++
			verdict = " **missed**"
		}
		text := number(s.Median)
		if s.Pairs > 1 {
			text = fmt.Sprintf("%s (%s–%s)", number(s.Median), number(s.Low), number(s.High))
		}
		if len(a.names) > 1 {
			text = name + " " + text
		}
		parts = append(parts, text+verdict)
	}
	for _, name := range a.names {
		if c := r.Find(name); c != nil {
			if s := c.Ratio(a.metric); s.Pairs > 0 {
				add(name, s)
			}
		}
		for _, l := range r.Looks {
			if v, ok := l.Figures[a.metric]; ok && l.Name == name {
				add(name, Summarize([]float64{v}))
			}
		}
	}
	text := strings.Join(parts, ", ")
	switch {
	case measured == 0:
		return ""
	case missed == 0:
		return "held: " + text
	case a.note == "":
		return text
	default:
		return text + ". Why: " + a.note
	}
}

// AimNames are the loads and looks that aims are about.
func AimNames() []string {
	var all []string
	for _, a := range allAims {
		all = append(all, a.names...)
	}
	return all
}
