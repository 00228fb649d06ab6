package sim

import (
	"fmt"
	"io"
	"math/rand/v2"
	"sync"
	"time"
)

// Options choose a world.
type Options struct {
	Seed   uint64
	Nodes  int           // 1 if 0
	Length time.Duration // of the troubles, in the world's time; 30 s if 0
	Faults []string      // kinds of trouble to make, by name; nil is all but Lies
	Out    io.Writer     // the history goes there, a line per event
}

// World is one run: nodes, clients and a network, all of whose choices come from
// one seed.
type World struct {
	options Options
	dice    *dice
	began   time.Time
	net     *Network
	nodes   []*Node
	seen    witness
	book    book
	clients []client
	writers int // AMQP clients that publish

	stopping chan struct{} // closed when clients have to come to an end

	mu struct {
		sync.Mutex
		violations []string
	}
}

// New makes a world in which nothing happens yet.
func New(o Options) *World {
	if o.Nodes <= 0 {
		o.Nodes = 1
	}
	if o.Length <= 0 {
		o.Length = 30 * time.Second
	}
	w := &World{options: o, dice: newDice(o.Seed), began: time.Now(), stopping: make(chan struct{})}
	w.net = newNetwork(w.dice)
	w.seen.init(w)
	w.book.init(w)
	for i := range o.Nodes {
		w.nodes = append(w.nodes, newNode(w, i+1))
	}
	return w
}

// note writes a line of history.
func (w *World) note(who, format string, args ...any) {
	_, err := fmt.Fprintf(w.options.Out, "%12.6f %-8s %s\n", time.Since(w.began).Seconds(), who, fmt.Sprintf(format, args...))
	if err != nil {
		panic(err)
	}
}

// violated notes a broken promise.
func (w *World) violated(who, format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	w.note(who, "VIOLATION %s", text)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.mu.violations = append(w.mu.violations, who+": "+text)
}

// Violations are the broken promises found so far.
func (w *World) Violations() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.mu.violations
}

// dice are the world's only source of chance besides the runtime's own, which the
// host seeds as well.
type dice struct {
	mu  sync.Mutex
	rng *rand.Rand
}

func newDice(seed uint64) *dice { return &dice{rng: rand.New(rand.NewPCG(seed, 0x77656972))} }

// n is a number from 0 to n-1.
func (d *dice) n(n int) int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.rng.IntN(n)
}

// is true with probability p.
func (d *dice) is(p float64) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.rng.Float64() < p
}

// between is a duration from lo to hi, small ones more often.
func (d *dice) between(lo, hi time.Duration) time.Duration {
	d.mu.Lock()
	defer d.mu.Unlock()
	f := d.rng.Float64()
	return lo + time.Duration(f*f*float64(hi-lo))
}
