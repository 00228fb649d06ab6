package report

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"slices"
	"strings"
	"time"
)

// Class is what a broker has done with a message when it confirms it.
type Class string

// The classes of durability.
const (
	Synced Class = "fsync"    // on stable storage
	Cached Class = "OS cache" // handed to the operating system
)

// Figures of one run by the key of their metric.
type Figures map[string]float64

// Disk is what a write of 4 KB and its fdatasync took, in microseconds.
type Disk struct {
	P50 float64 `json:"p50_us"`
	P99 float64 `json:"p99_us"`
}

// Moved tells whether the disk is another than it was: its median differs by more
// than half.
func (d Disk) Moved(since Disk) bool {
	return d.P50 > since.P50*1.5 || since.P50 > d.P50*1.5
}

// Round is weir, peer, peer, weir: the first run of the one and the first of the
// other are a pair, and so are the last ones.
type Round struct {
	Before Disk      `json:"disk_before"`
	After  Disk      `json:"disk_after"`
	Weir   []Figures `json:"weir"`
	Peer   []Figures `json:"peer"`
}

// Comparison is one load on weir and on a peer.
type Comparison struct {
	Name      string    `json:"name"`
	Group     string    `json:"group"`
	Title     string    `json:"title"`
	Tool      string    `json:"tool"`
	PeerTool  string    `json:"peer_tool,omitempty"` // if it is another
	Peer      string    `json:"peer"`
	Setting   string    `json:"setting"` // of the peer
	WeirClass Class     `json:"weir_class"`
	PeerClass Class     `json:"peer_class"`
	Seconds   int       `json:"seconds"` // measured, each run
	At        time.Time `json:"at"`
	Rounds    []Round   `json:"rounds"`
	Discarded int       `json:"discarded_rounds"` // because the disk moved
	Unsteady  int       `json:"unsteady_rounds"`  // kept although it moved
}

// Relaxed tells whether weir ran without its syncs.
func (c *Comparison) Relaxed() bool { return c.WeirClass != Synced }

// Values are those of a metric over all rounds, in pairs; empty if no run has it.
func (c *Comparison) Values(metric string) (weir, peer []float64) {
	for _, r := range c.Rounds {
		for i := range min(len(r.Weir), len(r.Peer)) {
			w, okWeir := r.Weir[i][metric]
			p, okPeer := r.Peer[i][metric]
			if okWeir && okPeer {
				weir, peer = append(weir, w), append(peer, p)
			}
		}
	}
	return weir, peer
}

// Ratio summarizes weir's figure over the peer's, pair by pair. A pair whose peer
// has nothing is left out.
func (c *Comparison) Ratio(metric string) Summary {
	weir, peer := c.Values(metric)
	var ratios []float64
	for i := range weir {
		if peer[i] > 0 {
			ratios = append(ratios, weir[i]/peer[i])
		}
	}
	return Summarize(ratios)
}

// Advantage is how many times better weir is: the ratio, or its inverse where less
// is better.
func (c *Comparison) Advantage(m Metric) Summary {
	weir, peer := c.Values(m.Key)
	if !m.MoreIsBetter {
		weir, peer = peer, weir
	}
	var ratios []float64
	for i := range weir {
		if weir[i] > 0 && peer[i] > 0 {
			ratios = append(ratios, weir[i]/peer[i])
		}
	}
	return Summarize(ratios)
}

// Look is something measured on its own: sentences and perhaps a table.
type Look struct {
	Name    string     `json:"name"`
	Title   string     `json:"title"`
	At      time.Time  `json:"at"`
	Text    []string   `json:"text,omitempty"`
	Header  []string   `json:"header,omitempty"`
	Rows    [][]string `json:"rows,omitempty"`
	Figures Figures    `json:"figures,omitempty"`
}

// Results are all that is known, newest of each name.
type Results struct {
	Machine     string            `json:"machine"`
	Weir        string            `json:"weir"`     // version
	Versions    map[string]string `json:"versions"` // of peers and tools
	Comparisons []Comparison      `json:"comparisons"`
	Looks       []Look            `json:"looks"`
}

// Load reads Results; a file that is not there holds none.
func Load(file string) (*Results, error) {
	r := &Results{Versions: map[string]string{}}
	text, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return r, nil
	}
	if err != nil {
		return nil, err
	}
	return r, json.Unmarshal(text, r)
}

// Save writes them so that an interrupted write leaves the old ones.
func (r *Results) Save(file string) error {
	text, err := json.MarshalIndent(r, "", " ")
	if err != nil {
		return err
	}
	if err := os.WriteFile(file+".new", append(text, '\n'), 0o644); err != nil {
		return err
	}
	return os.Rename(file+".new", file)
}

// Add puts c in the place of the one with its name.
func (r *Results) Add(c Comparison) {
	at := slices.IndexFunc(r.Comparisons, func(o Comparison) bool { return o.Name == c.Name })
	if at < 0 {
		r.Comparisons = append(r.Comparisons, c)
		return
	}
	r.Comparisons[at] = c
}

// AddLook puts l in the place of the one with its name.
func (r *Results) AddLook(l Look) {
	at := slices.IndexFunc(r.Looks, func(o Look) bool { return o.Name == l.Name })
	if at < 0 {
		r.Looks = append(r.Looks, l)
		return
	}
	r.Looks[at] = l
}

// Find returns the comparison of that name, or nil.
func (r *Results) Find(name string) *Comparison {
	for i := range r.Comparisons {
		if r.Comparisons[i].Name == name {
			return &r.Comparisons[i]
		}
	}
	return nil
}

// Sort orders comparisons and looks as names are; what is not among them comes last.
func (r *Results) Sort(names []string) {
	place := func(name string) int {
		if i := slices.Index(names, name); i >= 0 {
			return i
		}
		return len(names)
	}
	slices.SortStableFunc(r.Comparisons, func(a, b Comparison) int { return place(a.Name) - place(b.Name) })
	slices.SortStableFunc(r.Looks, func(a, b Look) int { return place(a.Name) - place(b.Name) })
}

// Metric is something that is measured in a run.
type Metric struct {
	Key, Label   string
	Digits       int
	MoreIsBetter bool
	Plain        bool // a ratio of it says nothing
}

// Metrics in the order of the tables.
var Metrics = []Metric{
	{Key: "rate", Label: "messages/s", MoreIsBetter: true},
	{Key: "pace", Label: "messages/s, a fixed rate", Plain: true},
	{Key: "cpu", Label: "server CPU µs per message", Digits: 2},
	{Key: "cpu_gb", Label: "server CPU s per GB", Digits: 2},
	{Key: "cores", Label: "server's cores in use", Digits: 2, Plain: true},
	{Key: "rss", Label: "server's RSS MiB after the run"},
	{Key: "confirm_p99", Label: "confirm p99 µs"},
	{Key: "confirm_p99_second", Label: "confirm p99 µs of the median second"},
	{Key: "end_p99", Label: "end to end p99 µs"},
	{Key: "end_p999", Label: "end to end p99.9 µs"},
	{Key: "end_p99_second", Label: "end to end p99 µs of the median second"},
	{Key: "send_delay_p99", Label: "the client's send delay p99 µs", Plain: true},
	{Key: "fill_rate", Label: "messages/s, filling the backlog", MoreIsBetter: true},
	{Key: "drain_rate", Label: "messages/s, draining it while publishing goes on", MoreIsBetter: true},
	{Key: "dip", Label: "slowest second of the publisher meanwhile, % below its rate", Digits: 1, Plain: true},
}

// Latency is the metric a comparison's latency is judged by, if it has one.
func (c *Comparison) Latency() (Metric, bool) {
	for _, key := range []string{"end_p99", "end_p99_second", "confirm_p99", "confirm_p99_second"} {
		for _, m := range Metrics {
			if weir, _ := c.Values(key); m.Key == key && len(weir) > 0 {
				return m, true
			}
		}
	}
	return Metric{}, false
}

// CPU is the metric its server CPU is judged by, if it has one.
func (c *Comparison) CPU() (Metric, bool) {
	for _, m := range Metrics {
		if weir, _ := c.Values(m.Key); strings.HasPrefix(m.Key, "cpu") && len(weir) > 0 {
			return m, true
		}
	}
	return Metric{}, false
}
