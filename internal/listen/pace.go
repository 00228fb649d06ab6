package listen

import (
	"sync"
	"time"

	"weir/internal/clock"
)

// paceBurst is the time whose share may be used at once, so that timers that fire
// late do not lower the rate.
const paceBurst = 100 * time.Millisecond

// pace spaces out what may happen so many times a second. It is safe for concurrent
// use; nil is no limit.
type pace struct {
	clock clock.Clock
	every time.Duration
	mu    struct {
		sync.Mutex
		next time.Duration // since 1970: when the next one would be due without any burst
	}
}

func newPace(c clock.Clock, perSecond int) *pace {
	if perSecond <= 0 {
		return nil
	}
	return &pace{clock: c, every: max(time.Second/time.Duration(perSecond), 1)}
}

// spend counts one and says how long to wait before the next.
func (p *pace) spend() time.Duration {
	if p == nil {
		return 0
	}
	now := time.Duration(p.clock.Millis()) * time.Millisecond
	p.mu.Lock()
	defer p.mu.Unlock()
	p.mu.next = max(p.mu.next, now) + p.every
	return max(p.mu.next-now-paceBurst, 0)
}
