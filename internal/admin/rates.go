package admin

import "sync"

const (
	// rateMillisMin is the shortest time a rate is taken over.
	rateMillisMin = 5_000
	// sampleMillisMax is how long an object nobody asked for is remembered.
	sampleMillisMax = 10 * 60 * 1000
)

// rates are counters as they were when somebody last asked, so that a rate is
// that since then: no background work, and right for whoever polls.
type rates struct {
	sync.Mutex
	samples map[any]*sample
}

type sample struct {
	at   int64
	from []float64
	rate []float64
}

// of returns the rates per second of an object's counters; the first time they
// are unknown and 0. Keys of different kinds of objects differ in type.
func (r *rates) of(key any, now int64, is []float64) []float64 {
	r.Lock()
	defer r.Unlock()
	s := r.samples[key]
	if s == nil {
		if r.samples == nil {
			r.samples = map[any]*sample{}
		}
		s = &sample{at: now, from: is, rate: make([]float64, len(is))}
		r.samples[key] = s
		return s.rate
	}
	if now-s.at >= rateMillisMin {
		seconds := float64(now-s.at) / 1000
		rate := make([]float64, len(is)) // the old one may still be read
		for i := range is {
			rate[i] = (is[i] - s.from[i]) / seconds
		}
		s.at, s.from, s.rate = now, is, rate
	}
	return s.rate
}

// prune forgets objects that are gone, when there are many.
func (r *rates) prune(objects int, now int64) {
	r.Lock()
	defer r.Unlock()
	if len(r.samples) < 2*objects+1000 {
		return
	}
	for key, s := range r.samples {
		if now-s.at > sampleMillisMax {
			delete(r.samples, key)
		}
	}
}

// counter is one of an object's counters, by RabbitMQ's name.
type counter struct {
	name  string
	value uint64
}

// rated shows counters, each with its rate beside it.
func (c *call) rated(key any, counters ...counter) map[string]any {
	out := make(map[string]any, 2*len(counters))
	is := make([]float64, len(counters))
	for i := range counters {
		is[i] = float64(counters[i].value)
	}
	per := c.rates.of(key, c.options.Clock.Millis(), is)
	for i := range counters {
		out[counters[i].name] = counters[i].value
		out[counters[i].name+"_details"] = rate{per[i]}
	}
	return out
}

type rate struct {
	Rate float64 `json:"rate"`
}
