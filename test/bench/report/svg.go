package report

import (
	"fmt"
	"html"
	"math"
	"os"
	"path/filepath"
	"strings"
)

// Geometry, in the units of the drawing.
const (
	chartWidth = 900
	labelWidth = 420
	valueWidth = 120
	rowHeight  = 24
	barHeight  = 13
	headHeight = 58
	footHeight = 34
	panelGap   = 30
)

// style has the colours of both themes; blue and orange are told apart by everybody.
const style = `<style>
.ground{fill:#ffffff}.text{fill:#1f2328}.faint{fill:#59636e}.grid{stroke:#d1d9e0}.one{stroke:#59636e}
.win{fill:#2f6fbf}.loss{fill:#d9660a}.peer{fill:#9aa4af}.whisker{stroke:#1f2328}
@media (prefers-color-scheme: dark){.ground{fill:#0d1117}.text{fill:#f0f6fc}.faint{fill:#9198a1}.grid{stroke:#30363d}.one{stroke:#9198a1}
.win{fill:#5b9df0}.loss{fill:#f0883e}.peer{fill:#6e7781}.whisker{stroke:#f0f6fc}}
text{font:12px system-ui,sans-serif}.title{font-size:15px;font-weight:600}.head{font-weight:600}
</style>
`

// bar is a row of a panel.
type bar struct {
	label            string
	value, low, high float64
	class            string // of its colour
	text             string
	spread           bool
}

// panel is bars on one axis, which is logarithmic.
type panel struct {
	head string
	from float64 // where bars begin: 1 for ratios
	bars []bar
}

// Charts writes the charts into the folder and removes others of theirs that are
// there.
func (r *Results) Charts(folder string) error {
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	old, err := filepath.Glob(filepath.Join(folder, "*.svg"))
	if err != nil {
		return err
	}
	for _, file := range old {
		if err := os.Remove(file); err != nil {
			return err
		}
	}
	for name, text := range r.drawings() {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(text), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// drawings are all charts by file name.
func (r *Results) drawings() map[string]string {
	all := map[string]string{}
	for _, s := range r.sections() {
		all[filepath.Base(s.ratioChart())] = s.ratios()
		all[filepath.Base(s.rateChart())] = s.rates()
	}
	return all
}

func (s *section) ratioChart() string { return "charts/" + s.key + "-ratio.svg" }
func (s *section) rateChart() string  { return "charts/" + s.key + "-rate.svg" }

// ratios draws how many times better weir is, with the spread of the pairs.
func (s *section) ratios() string {
	panels := []panel{
		{head: "messages per second", from: 1}, {head: "server CPU per message", from: 1}, {head: "p99 latency", from: 1}, {head: "server's memory", from: 1},
	}
	for _, c := range s.comparisons {
		cpu, okCPU := c.CPU()
		late, okLate := c.Latency()
		for i, of := range []struct {
			m   Metric
			has bool
		}{{Metrics[0], true}, {cpu, okCPU}, {late, okLate}, {Metric{Key: "rss"}, true}} {
			a := c.Advantage(of.m)
			if !of.has || a.Pairs == 0 {
				continue
			}
			b := bar{label: c.Title, value: a.Median, low: a.Low, high: a.High, class: "win", spread: true, text: number(a.Median) + "×"}
			if a.Median < 1 {
				b.class = "loss"
			}
			panels[i].bars = append(panels[i].bars, b)
		}
	}
	return draw(s.title, "How many times better weir is than the peer; bars to the left of 1 are losses. Lines: lowest and highest pair.", panels)
}

// rates draws messages per second of both.
func (s *section) rates() string {
	p := panel{head: "messages per second, median of the runs"}
	least := math.Inf(1)
	for _, c := range s.comparisons {
		weir, peer := c.Values("rate")
		if len(weir) == 0 {
			continue
		}
		w, o := Median(weir), Median(peer)
		least = min(least, w, o)
		class := "win"
		if w < o {
			class = "loss"
		}
		p.bars = append(p.bars,
			bar{label: c.Title, value: w, class: class, text: fmt.Sprintf("%.0f weir", w)},
			bar{value: o, class: "peer", text: fmt.Sprintf("%.0f %s", o, c.Peer)})
	}
	p.from = math.Pow(10, math.Floor(math.Log10(max(least, 1)))-1)
	return draw(s.title, "Absolute figures of this machine; the axis is logarithmic.", []panel{p})
}

// draw renders panels one under the other.
func draw(title, sub string, panels []panel) string {
	height := headHeight
	for _, p := range panels {
		if len(p.bars) > 0 {
			height += p.height()
		}
	}
	var b strings.Builder
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" role="img" aria-label="%s">`+"\n", chartWidth, height, html.EscapeString(title))
	b.WriteString(style)
	fmt.Fprintf(&b, `<rect class="ground" width="%d" height="%d"/>`+"\n", chartWidth, height)
	text(&b, "text title", "start", 16, 24, title)
	text(&b, "faint", "start", 16, 44, sub)
	top := headHeight
	for _, p := range panels {
		if len(p.bars) > 0 {
			p.draw(&b, top)
			top += p.height()
		}
	}
	b.WriteString("</svg>\n")
	return b.String()
}

func (p *panel) height() int { return panelGap + len(p.bars)*rowHeight + footHeight }

// scale maps values to places between the labels and the right edge.
type scale struct{ low, high float64 }

func (p *panel) scale() scale {
	s := scale{low: p.from, high: p.from}
	for _, b := range p.bars {
		s.low, s.high = min(s.low, b.value), max(s.high, b.value)
		if b.spread {
			s.low, s.high = min(s.low, b.low), max(s.high, b.high)
		}
	}
	// A whole panel of values near 1 must not look like large differences.
	s.high = max(s.high, 2*p.from)
	if p.from == 1 {
		s.low = min(s.low, 0.5)
	}
	return s
}

func (s scale) at(v float64) float64 {
	part := (math.Log(max(v, s.low)) - math.Log(s.low)) / (math.Log(s.high) - math.Log(s.low))
	return labelWidth + part*(chartWidth-labelWidth-valueWidth)
}

// ticks are 1, 2 and 5 times powers of ten within the scale, or powers of ten alone
// where it is wide.
func (s scale) ticks() []float64 {
	steps := []float64{1, 2, 5}
	if s.high/s.low > 100 {
		steps = steps[:1]
	}
	var all []float64
	for e := math.Floor(math.Log10(s.low)); e <= math.Log10(s.high); e++ {
		for _, k := range steps {
			if v := k * math.Pow(10, e); v >= s.low*0.999 && v <= s.high*1.001 {
				all = append(all, v)
			}
		}
	}
	return all
}

func (p *panel) draw(b *strings.Builder, top int) {
	s := p.scale()
	text(b, "text head", "start", 16, float64(top+14), p.head)
	begin, end := top+panelGap-6, top+panelGap+len(p.bars)*rowHeight
	for _, v := range s.ticks() {
		class := "grid"
		if v == 1 && p.from == 1 {
			class = "one"
		}
		fmt.Fprintf(b, `<line class="%s" x1="%.1f" x2="%.1f" y1="%d" y2="%d"/>`+"\n", class, s.at(v), s.at(v), begin, end)
		text(b, "faint", "middle", s.at(v), float64(end+14), number(v))
	}
	for i, r := range p.bars {
		y := float64(top + panelGap + i*rowHeight)
		from, to := s.at(p.from), s.at(r.value)
		if r.label != "" {
			text(b, "text", "end", labelWidth-10, y+11, shorten(r.label))
		}
		fmt.Fprintf(b, `<rect class="%s" x="%.1f" y="%.1f" width="%.1f" height="%d" rx="2"><title>%s: %s</title></rect>`+"\n",
			r.class, min(from, to), y, max(math.Abs(to-from), 1), barHeight, html.EscapeString(r.label), html.EscapeString(r.text))
		right := max(from, to)
		if r.spread {
			low, high := s.at(r.low), s.at(r.high)
			fmt.Fprintf(b, `<path class="whisker" fill="none" d="M%.1f %.1fH%.1fM%.1f %.1fv6M%.1f %.1fv6"/>`+"\n", low, y+6.5, high, low, y+3.5, high, y+3.5)
			right = max(right, high)
		}
		text(b, "text", "start", right+6, y+11, r.text)
	}
}

func text(b *strings.Builder, class, anchor string, x, y float64, s string) {
	fmt.Fprintf(b, `<text class="%s" text-anchor="%s" x="%.1f" y="%.1f">%s</text>`+"\n", class, anchor, x, y, html.EscapeString(s))
}

// labelRunes is what fits beside the bars.
const labelRunes = 62

func shorten(s string) string {
	if r := []rune(s); len(r) > labelRunes {
		return string(r[:labelRunes-1]) + "…"
	}
	return s
}
