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

// watch begins to count the unused time of q from now, if the queue expires.
func (x *expiries) watch(e *engine, q *meta.Queue) {
	millis := q.Effective().ExpiresMillis
	x.mu.Lock()
	defer x.mu.Unlock()
	t := x.mu.timers[q.Log]
	switch {
	case millis == nil && t != nil: // a policy has gone
		t.Stop()
		delete(x.mu.timers, q.Log)
	case millis == nil:
	case t != nil:
		t.Reset(time.Duration(*millis) * time.Millisecond)
	default:
		if x.mu.timers == nil {
			x.mu.timers = map[record.LogID]clock.Timer{}
		}
		x.mu.timers[q.Log] = e.options.Clock.AfterFunc(time.Duration(*millis)*time.Millisecond, func() { x.fire(e, q) })
	}
}

func (x *expiries) fire(e *engine, q *meta.Queue) {
	if e.closing.Load() {
		return
	}
	info := describe(q)
	millis := q.Effective().ExpiresMillis
	if millis != nil && e.expected(q.Log) {
		e.fill(&info, q)
		if info.Consumers == 0 {
			e.deleteQueue(q.Namespace, q.Name)
		}
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	if millis != nil && info.Consumers > 0 && x.mu.timers[q.Log] != nil {
		x.mu.timers[q.Log].Reset(time.Duration(*millis) * time.Millisecond)
		return
	}
	delete(x.mu.timers, q.Log)
}

// touchQueue notes a use of q: a declaration, an attachment, a pull.
func (e *engine) touchQueue(q *meta.Queue) {
	if q.Effective().ExpiresMillis != nil {
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
