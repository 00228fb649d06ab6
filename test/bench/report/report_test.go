package report

import (
	"encoding/xml"
	"errors"
	"io"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func near(a, b float64) bool { return math.Abs(a-b) < 1e-9 }

func TestMedianAndQuantile(t *testing.T) {
	v := []float64{5, 1, 4, 2}
	if Median(v) != 3 || Median(v[:3]) != 4 || Median(nil) != 0 {
		t.Errorf("medians %v %v", Median(v), Median(v[:3]))
	}
	if v[0] != 5 {
		t.Error("the values were moved")
	}
	hundred := make([]float64, 100)
	for i := range hundred {
		hundred[i] = float64(i + 1)
	}
	if Quantile(hundred, 0.5) != 50 || Quantile(hundred, 0.99) != 99 || Quantile(hundred, 1) != 100 || Quantile(hundred, 0) != 1 || Quantile(nil, 0.5) != 0 {
		t.Errorf("quantiles %v %v", Quantile(hundred, 0.5), Quantile(hundred, 0.99))
	}
}

func TestSummarize(t *testing.T) {
	few := Summarize([]float64{2, 1, 4, 3})
	if few.Median != 2.5 || few.Low != 1 || few.High != 4 || few.Pairs != 4 || few.To != 0 {
		t.Errorf("%+v", few)
	}
	many := Summarize([]float64{2, 2.1, 1.9, 2.2, 1.8, 2})
	if many.From < many.Low || many.To > many.High || many.From > many.Median || many.To < many.Median {
		t.Errorf("%+v", many)
	}
	if again := Summarize([]float64{2, 2.1, 1.9, 2.2, 1.8, 2}); again != many {
		t.Errorf("the interval of the same values: %+v, then %+v", many, again)
	}
	if same := Summarize([]float64{3, 3, 3, 3, 3}); same.From != 3 || same.To != 3 {
		t.Errorf("%+v", same)
	}
}

func TestDiskMoved(t *testing.T) {
	at := Disk{P50: 100}
	for p50, want := range map[float64]bool{100: false, 149: false, 151: true, 67: false, 66: true} {
		if got := (Disk{P50: p50}).Moved(at); got != want {
			t.Errorf("from 100 to %v: %v", p50, got)
		}
	}
}

// sample has a gain and a loss in each pair of classes.
func sample() *Results {
	r := &Results{Machine: "a machine", Weir: "commit 1", Versions: map[string]string{"Kafka": "4.2.0"}}
	add := func(name, group, title string, weir, peer Class, rates ...float64) {
		c := Comparison{Name: name, Group: group, Title: title, Tool: "a tool", Peer: "Kafka", Setting: "defaults", WeirClass: weir, PeerClass: peer, Seconds: 3}
		for i := 0; i < len(rates); i += 4 {
			f := func(rate float64) Figures {
				return Figures{"rate": rate, "cpu": 1e6 / rate, "rss": 100, "confirm_p99": 1e9 / rate}
			}
			c.Rounds = append(c.Rounds, Round{
				Before: Disk{100, 200}, After: Disk{100, 200},
				Weir: []Figures{f(rates[i]), f(rates[i+3])}, Peer: []Figures{f(rates[i+1]), f(rates[i+2])},
			})
		}
		r.Add(c)
	}
	add("produce1ks", GroupKafka, "gain <1>", Synced, Synced, 2000, 1000, 1000, 4000)
	add("single", GroupKafka, "loss", Synced, Cached, 500, 1000, 1000, 800, 500, 1000, 1000, 800, 500, 1000, 1000, 800)
	add("produce1kr", GroupKafka, "relaxed gain", Cached, Cached, 2000, 1000, 1000, 4000)
	r.AddLook(Look{Name: "idle", Title: "Idle", Text: []string{"Quiet."}, Header: []string{"a", "b"}, Rows: [][]string{{"1", "2"}}, Figures: Figures{"rss": 13, "connection_kib": 14}})
	return r
}

func TestRatiosAreOfPairs(t *testing.T) {
	r := sample()
	c := r.Find("produce1ks")
	if s := c.Ratio("rate"); !near(s.Median, 3) || s.Low != 2 || s.High != 4 || s.Pairs != 2 {
		t.Errorf("%+v", s)
	}
	if s := c.Advantage(Metric{Key: "cpu"}); !near(s.Median, 3) {
		t.Errorf("less is better: %+v", s)
	}
	if s := c.Ratio("cpu"); !near(s.High, 0.5) || !near(s.Low, 0.25) {
		t.Errorf("%+v", s)
	}
}

func TestClassesAreNeverMixed(t *testing.T) {
	all := sample().sections()
	if len(all) != 3 {
		t.Fatalf("%d sections", len(all))
	}
	for _, s := range all {
		for _, c := range s.comparisons {
			if c.WeirClass != s.comparisons[0].WeirClass || c.PeerClass != s.comparisons[0].PeerClass {
				t.Errorf("%s: %s next to %s", s.key, c.Name, s.comparisons[0].Name)
			}
		}
		if !strings.Contains(s.class, "weir **") || !strings.Contains(s.class, "peer **") {
			t.Errorf("%s does not say both classes: %s", s.key, s.class)
		}
	}
}

func TestMarkdown(t *testing.T) {
	text := sample().Markdown()
	for _, want := range []string{
		"Versions: weir commit 1, Kafka 4.2.0.",
		"## Apache Kafka: both synced", "## Apache Kafka: weir synced, the peer in the OS cache", "## Apache Kafka: relaxed: both in the OS cache",
		"| gain <1> | 3 (2–4) | 0.375 (0.25–0.5) | 0.375 (0.25–0.5) | 1 (1–1) |",
		"| loss | **0.65 (0.5–0.8) loss** |",
		"![How many times better weir is: Apache Kafka: both synced](charts/kafka-synced-ratio.svg)",
		"a tool. Kafka: defaults. 6 pairs of 3 s", "The disk before each round: p50 100, 100, 100 µs, p99 200, 200, 200 µs.",
		"### Idle\n\nQuiet.\n\n| a | b |\n| --- | --- |\n| 1 | 2 |\n",
		"| idle process: RSS < 40 MiB | held: 13 |", "| ≤ 12 KiB per idle connection | 14 **missed**. Why:",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in:\n%s", want, text)
		}
	}
	if strings.Contains(text, "librdkafka") {
		t.Error("an aim that was not measured is listed")
	}
}

func TestIntervalsFromFivePairs(t *testing.T) {
	text := sample().Markdown()
	row := func(title string) string {
		_, part, _ := strings.Cut(text, "### "+title+"\n")
		_, part, _ = strings.Cut(part, "| messages/s |")
		line, _, _ := strings.Cut(part, "\n")
		return line
	}
	if got := row("loss"); got != " 650 | 1000 | **0.65 (0.5–0.8) loss** | 0.5–0.8 |" {
		t.Errorf("six pairs: %q", got)
	}
	if got := row("relaxed gain"); got != " 3000 | 1000 | 3 (2–4) |  |" {
		t.Errorf("two pairs: %q", got)
	}
}

func TestChartsAreWellFormed(t *testing.T) {
	r := sample()
	folder := t.TempDir()
	stale := filepath.Join(folder, "gone.svg")
	if err := os.WriteFile(stale, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := r.Charts(folder); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(stale); err == nil {
		t.Error("a chart of nothing was left")
	}
	files, err := filepath.Glob(filepath.Join(folder, "*.svg"))
	if err != nil || len(files) != 6 {
		t.Fatalf("%v: %v", files, err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		d := xml.NewDecoder(strings.NewReader(string(text)))
		for {
			if _, err := d.Token(); errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				t.Fatalf("%s: %v", file, err)
			}
		}
		for _, bad := range []string{"NaN", "Inf", "http://", "https://", "url("} {
			if strings.Contains(strings.ReplaceAll(string(text), "http://www.w3.org/2000/svg", ""), bad) {
				t.Errorf("%s has %q", file, bad)
			}
		}
		if !strings.Contains(string(text), "prefers-color-scheme: dark") {
			t.Errorf("%s has one theme only", file)
		}
	}
}

func TestLossesHaveTheirColour(t *testing.T) {
	all := sample().drawings()
	if text := all["kafka-cached-ratio.svg"]; !strings.Contains(text, `class="loss"`) || strings.Contains(text, `<rect class="win"`) && !strings.Contains(text, "1×") {
		t.Errorf("a loss:\n%s", text)
	}
	if text := all["kafka-synced-ratio.svg"]; strings.Contains(text, `<rect class="loss"`) || !strings.Contains(text, ">3×<") || !strings.Contains(text, "gain &lt;1&gt;") {
		t.Errorf("a gain:\n%s", text)
	}
}

func TestFill(t *testing.T) {
	r := sample()
	filled, err := r.Fill("before\n" + beginMark + "\nold\n" + endMark + "\nafter\n")
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(filled, "old") || !strings.HasPrefix(filled, "before\n") || !strings.HasSuffix(filled, endMark+"\nafter\n") {
		t.Error(filled)
	}
	if again, err := r.Fill(filled); err != nil || again != filled {
		t.Errorf("filled again it is another document: %v", err)
	}
	if _, err := r.Fill("no marks"); !errors.Is(err, errMarks) {
		t.Error(err)
	}
}

func TestResultsComeBack(t *testing.T) {
	file := filepath.Join(t.TempDir(), "r.json")
	r := sample()
	if err := r.Save(file); err != nil {
		t.Fatal(err)
	}
	again, err := Load(file)
	if err != nil || again.Markdown() != r.Markdown() {
		t.Errorf("another document after saving: %v", err)
	}
	again.Add(Comparison{Name: "single"})
	again.Add(Comparison{Name: "first"})
	again.Sort([]string{"first", "single"})
	if len(again.Comparisons) != 4 || again.Comparisons[0].Name != "first" || again.Comparisons[1].Name != "single" || len(again.Comparisons[1].Rounds) != 0 {
		t.Errorf("%+v", again.Comparisons)
	}
	if none, err := Load(file + ".none"); err != nil || len(none.Comparisons) != 0 {
		t.Errorf("%+v, %v", none, err)
	}
}

func TestNumber(t *testing.T) {
	for v, want := range map[float64]string{0: "0", 1: "1", 33.54: "33.5", 810.4: "810", 12345: "12345", 0.000817: "0.000817", 0.5: "0.5", 100: "100", 1.999: "2"} {
		if got := number(v); got != want {
			t.Errorf("%v is %q, not %q", v, got, want)
		}
	}
}

// TestTheDocumentIsOfItsResults holds the document and its charts to the results
// that are kept beside it.
func TestTheDocumentIsOfItsResults(t *testing.T) {
	const docs = "../../../docs/"
	r, err := Load(docs + "performance.json")
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(docs + "performance.md")
	if err != nil {
		t.Fatal(err)
	}
	filled, err := r.Fill(string(text))
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Comparisons) == 0 {
		return // the marks are there, and that is all there is to see
	}
	if filled != string(text) {
		t.Error("docs/performance.md is not what its results say: run go run ./test/bench -render")
	}
	for name, want := range r.drawings() {
		if got, err := os.ReadFile(docs + "charts/" + name); err != nil || string(got) != want {
			t.Errorf("docs/charts/%s is not what the results say: %v", name, err)
		}
	}
}
