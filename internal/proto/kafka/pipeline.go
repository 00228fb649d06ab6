package kafka

import (
	"errors"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// pipelineMax is how many requests of a connection may wait for the disk at once.
const pipelineMax = 64

// pipeline are answers that come later: requests to produce wait for the disk
// while the ones behind them are read, and are answered in order. Its goroutine
// exists while there is something to answer.
type pipeline struct {
	mu      sync.Mutex
	changed sync.Cond // with mu
	waiting []deferred
	running bool
	err     error
}

// deferred is a request whose answer is there when ready is closed.
type deferred struct {
	request request
	ready   <-chan struct{}
	answer  func() (kmsg.Response, error)
}

// countdown is closed when everything that was added, and the first one, has
// finished.
type countdown struct {
	left atomic.Int32
	over chan struct{}
}

func newCountdown() *countdown {
	c := &countdown{over: make(chan struct{})}
	c.left.Store(1)
	return c
}

func (c *countdown) add() { c.left.Add(1) }

func (c *countdown) finish() {
	if c.left.Add(-1) == 0 {
		close(c.over)
	}
}

func (p *pipeline) init() { p.changed.L = &p.mu }

// later hands a request over. Earlier ones are answered first.
func (c *conn) later(r *request, ready <-chan struct{}, answer func() (kmsg.Response, error)) error {
	p := &c.pipeline
	p.mu.Lock()
	defer p.mu.Unlock()
	for len(p.waiting) >= pipelineMax && p.err == nil {
		p.changed.Wait()
	}
	if p.err != nil {
		return p.err
	}
	l := deferred{*r, ready, answer}
	l.request.body = nil // it is read by now, and its memory used again
	p.waiting = append(p.waiting, l)
	if !p.running {
		p.running = true
		go c.answerLater()
	}
	return nil
}

// answerLater answers until nothing waits. After an error the rest is only waited
// for.
func (c *conn) answerLater() {
	p := &c.pipeline
	p.mu.Lock()
	defer p.mu.Unlock()
	for len(p.waiting) > 0 {
		first := p.waiting[0].ready
		p.mu.Unlock()
		<-first
		p.mu.Lock()
		n := 1 // those that are ready by now go in one write
		for n < len(p.waiting) && isClosed(p.waiting[n].ready) {
			n++
		}
		batch := slices.Clone(p.waiting[:n])
		failed := p.err
		p.mu.Unlock()
		if failed == nil {
			failed = c.answerAll(batch)
		}
		p.mu.Lock()
		if failed != nil && p.err == nil {
			p.err = failed
			_ = c.net.Close() // frees who reads the next request
		}
		clear(p.waiting[:n])
		if p.waiting = p.waiting[n:]; len(p.waiting) == 0 {
			p.waiting = nil
		}
		p.changed.Broadcast()
	}
	p.running = false
	p.changed.Broadcast()
}

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// answerAll writes the answers of requests that are ready.
func (c *conn) answerAll(batch []deferred) error {
	b := c.out[:0]
	for i := range batch {
		answer, err := batch[i].answer()
		if err != nil {
			return errors.Join(err, c.send(b))
		}
		if answer != nil {
			answer.SetVersion(batch[i].request.version)
			b = appendAnswer(b, &batch[i].request, answer, false)
		}
	}
	if len(b) == 0 {
		return nil
	}
	return c.send(b)
}

// answered returns when nothing waits any more.
func (c *conn) answered() error {
	p := &c.pipeline
	p.mu.Lock()
	defer p.mu.Unlock()
	for p.running {
		p.changed.Wait()
	}
	return p.err
}
