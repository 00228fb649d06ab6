package broker

import (
	"sync"
	"time"

	"weir/internal/clock"
	"weir/internal/meta"
	"weir/internal/record"
)

// expiries delete queues that nobody has used for their time.
type expiries struct {
	mu struct {
		sync.Mutex
		timers map[record.LogID]clock.Timer
	}
}

// watch begins to count the unused time of q, from now.
func (x *expiries) watch(e *engine, q *meta.Queue) {
	if q.Settings.ExpiresMillis == nil {
		return
	}
	after := time.Duration(*q.Settings.ExpiresMillis) * time.Millisecond
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.mu.timers == nil {
		x.mu.timers = map[record.LogID]clock.Timer{}
	}
	if t := x.mu.timers[q.Log]; t != nil {
		t.Reset(after)
		return
	}
	x.mu.timers[q.Log] = e.options.Clock.AfterFunc(after, func() { x.fire(e, q, after) })
}

func (x *expiries) fire(e *engine, q *meta.Queue, after time.Duration) {
	if e.closing.Load() {
		return
	}
	info := describe(q)
	if e.expected(q.Log) {
		e.fill(&info, q)
		if info.Consumers == 0 {
			e.deleteQueue(q.Namespace, q.Name)
		}
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	if info.Consumers > 0 && x.mu.timers[q.Log] != nil {
		x.mu.timers[q.Log].Reset(after)
		return
	}
	delete(x.mu.timers, q.Log)
}

// touchQueue notes a use of q: a declaration, an attachment, a pull.
func (e *engine) touchQueue(q *meta.Queue) {
	if q.Settings.ExpiresMillis != nil {
		e.expiry.watch(e, q)
	}
}

// consumerGone follows the end of a consumer; left are those still attached, or
// negative if that is not known.
func (e *engine) consumerGone(a *Attachment, left int) {
	q := e.queueOf(a.log)
	if q == nil {
		return
	}
	e.touchQueue(q)
	if left == 0 && q.AutoDelete {
		e.deleteQueue(q.Namespace, q.Name)
	}
}
