package cursor

import "math"

// bucket is the tokens of the delivery rate. It starts full.
type bucket struct {
	tokens float64
	at     int64 // when tokens was right; 0 is never yet
}

// tokenMin forgives what adding up fractions loses.
const tokenMin = 1 - 1e-6

func burst(c *Config) float64 { return float64(max(c.RateBurst, 1)) }

// resize adapts to another policy without giving tokens for the past.
func (b *bucket) resize(c *Config) {
	if c.RatePerSecond <= 0 {
		*b = bucket{}
		return
	}
	b.tokens = min(b.tokens, burst(c))
}

func (b *bucket) refill(now int64, c *Config) {
	switch {
	case b.at == 0:
		*b = bucket{burst(c), now}
	case now > b.at:
		b.tokens = min(b.tokens+float64(now-b.at)*c.RatePerSecond/1000, burst(c))
		b.at = now
	}
}

func (b *bucket) has() bool { return b.at == 0 || b.tokens >= tokenMin }

func (b *bucket) take(n uint64) {
	b.tokens -= float64(n)
}

// readyAt returns when the next token will be there.
func (b *bucket) readyAt(c *Config) int64 {
	wait := math.Ceil((1 - b.tokens) * 1000 / c.RatePerSecond)
	return b.at + int64(min(wait, float64(1<<52)))
}
