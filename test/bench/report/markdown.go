package report

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
)

const (
	beginMark = "<!-- figures: written by make bench-peers -->"
	endMark   = "<!-- end of figures -->"
)

var errMarks = errors.New("the document has no marks for the figures")

// Fill puts the rendered results between the marks of the document.
func (r *Results) Fill(document string) (string, error) {
	head, rest, ok := strings.Cut(document, beginMark)
	if !ok {
		return "", errMarks
	}
	_, tail, ok := strings.Cut(rest, endMark)
	if !ok {
		return "", errMarks
	}
	return head + beginMark + "\n\n" + r.Markdown() + "\n" + endMark + tail, nil
}

// Markdown renders everything. It ends with a newline.
func (r *Results) Markdown() string {
	var b strings.Builder
	fmt.Fprintf(&b, "Machine: %s.\n\nVersions: weir %s%s.\n", r.Machine, r.Weir, r.versions())
	for _, s := range r.sections() {
		s.markdown(&b)
	}
	if len(r.Looks) > 0 {
		b.WriteString("\n## On its own, and after kill -9\n")
	}
	for i := range r.Looks {
		r.Looks[i].markdown(&b)
	}
	r.aims(&b)
	return b.String()
}

func (r *Results) versions() string {
	names := make([]string, 0, len(r.Versions))
	for name := range r.Versions {
		names = append(names, name)
	}
	slices.Sort(names)
	var b strings.Builder
	for _, name := range names {
		fmt.Fprintf(&b, ", %s %s", name, r.Versions[name])
	}
	return b.String()
}

func (s *section) markdown(b *strings.Builder) {
	fmt.Fprintf(b, "\n## %s\n\n%s Peer: %s.\n", s.title, s.class, strings.Join(s.peers(), "; "))
	if note := groupNotes[s.comparisons[0].Group]; note != "" {
		fmt.Fprintf(b, "\n%s\n", note)
	}
	fmt.Fprintf(b, "\n![How many times better weir is: %s](%s)\n\n![Messages per second: %s](%s)\n", s.title, s.ratioChart(), s.title, s.rateChart())
	b.WriteString("\n| load | messages/s, weir ÷ peer | server CPU, weir ÷ peer | p99, weir ÷ peer | RSS, weir ÷ peer |\n| --- | --- | --- | --- | --- |\n")
	for _, c := range s.comparisons {
		rss := Metric{Key: "rss"}
		cpu, okCPU := c.CPU()
		late, okLate := c.Latency()
		fmt.Fprintf(b, "| %s | %s | %s | %s | %s |\n", c.Title, c.cell(Metrics[0], true), c.cell(cpu, okCPU), c.cell(late, okLate), c.cell(rss, true))
	}
	b.WriteString("\n<details><summary>All figures of these loads</summary>\n")
	for _, c := range s.comparisons {
		c.markdown(b)
	}
	b.WriteString("\n</details>\n")
}

// cell is a ratio of the summary, in bold where it is a loss.
func (c *Comparison) cell(m Metric, has bool) string {
	s := c.Ratio(m.Key)
	if !has || s.Pairs == 0 {
		return "–"
	}
	text := fmt.Sprintf("%s (%s–%s)", number(s.Median), number(s.Low), number(s.High))
	if c.Advantage(m).Median < 1 {
		return "**" + text + " loss**"
	}
	return text
}

func (c *Comparison) markdown(b *strings.Builder) {
	fmt.Fprintf(b, "\n### %s\n\n%s\n\n%s\n\n", c.Title, classText(c.WeirClass, c.PeerClass), c.conditions())
	fmt.Fprintf(b, "| figure | weir | %s | ratio, median (lowest–highest) | 95 %% interval |\n| --- | --- | --- | --- | --- |\n", c.Peer)
	for _, m := range Metrics {
		weir, peer := c.Values(m.Key)
		if len(weir) == 0 {
			continue
		}
		ratio, interval := "", ""
		if s := c.Ratio(m.Key); !m.Plain && s.Pairs > 0 {
			ratio = c.cell(m, true)
			if s.Pairs >= intervalPairsMin {
				interval = number(s.From) + "–" + number(s.To)
			}
		}
		fmt.Fprintf(b, "| %s | %.*f | %.*f | %s | %s |\n", m.Label, m.Digits, Median(weir), m.Digits, Median(peer), ratio, interval)
	}
}

// conditions are under which c was measured.
func (c *Comparison) conditions() string {
	tool := c.Tool
	if c.PeerTool != "" {
		tool = fmt.Sprintf("weir by %s, %s by %s", c.Tool, c.Peer, c.PeerTool)
	}
	var p50, p99 []string
	pairs := 0
	for _, r := range c.Rounds {
		p50, p99 = append(p50, strconv.FormatFloat(r.Before.P50, 'f', 0, 64)), append(p99, strconv.FormatFloat(r.Before.P99, 'f', 0, 64))
		pairs += min(len(r.Weir), len(r.Peer))
	}
	text := fmt.Sprintf("%s. %s: %s. %d pairs of %d s, %s. The disk before each round: p50 %s µs, p99 %s µs.",
		tool, c.Peer, orDefaults(c.Setting), pairs, c.Seconds, c.At.UTC().Format("2 January 2006"), strings.Join(p50, ", "), strings.Join(p99, ", "))
	if c.Discarded > 0 {
		text += fmt.Sprintf(" %s discarded and repeated, because the disk moved by more than half.", rounds(c.Discarded))
	}
	if c.Unsteady > 0 {
		text += fmt.Sprintf(" %s kept although it did.", rounds(c.Unsteady))
	}
	return text
}

func rounds(n int) string {
	if n == 1 {
		return "1 round was"
	}
	return fmt.Sprintf("%d rounds were", n)
}

func orDefaults(setting string) string {
	if setting == "" {
		return "defaults"
	}
	return setting
}

func (l *Look) markdown(b *strings.Builder) {
	fmt.Fprintf(b, "\n### %s\n", l.Title)
	for _, line := range l.Text {
		fmt.Fprintf(b, "\n%s\n", line)
	}
	if len(l.Header) == 0 {
		return
	}
	fmt.Fprintf(b, "\n| %s |\n|%s\n", strings.Join(l.Header, " | "), strings.Repeat(" --- |", len(l.Header)))
	for _, row := range l.Rows {
		fmt.Fprintf(b, "| %s |\n", strings.Join(row, " | "))
	}
}

// number prints three digits of v, without an exponent.
func number(v float64) string {
	if v == 0 || math.IsInf(v, 0) || math.IsNaN(v) {
		return fmt.Sprint(v)
	}
	digits := max(2-int(math.Floor(math.Log10(math.Abs(v)))), 0)
	text := strconv.FormatFloat(v, 'f', digits, 64)
	if strings.Contains(text, ".") {
		text = strings.TrimSuffix(strings.TrimRight(text, "0"), ".")
	}
	return text
}
