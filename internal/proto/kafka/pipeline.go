package kafka

import (
	"sync"

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

// deferred is a request whose answer is there when ready returns.
type deferred struct {
	request request
	ready   func() (kmsg.Response, error)
}

func (p *pipeline) init() { p.changed.L = &p.mu }

// later hands a request over. Earlier ones are answered first.
func (c *conn) later(r *request, ready func() (kmsg.Response, error)) error {
	p := &c.pipeline
	p.mu.Lock()
	defer p.mu.Unlock()
	for len(p.waiting) >= pipelineMax && p.err == nil {
		p.changed.Wait()
	}
	if p.err != nil {
		return p.err
	}
	l := deferred{*r, ready}
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
		l := p.waiting[0]
		p.mu.Unlock()
		answer, err := l.ready()
		p.mu.Lock()
		if err == nil && answer != nil && p.err == nil {
			p.mu.Unlock()
			answer.SetVersion(l.request.version)
			err = c.write(&l.request, answer, false)
			p.mu.Lock()
		}
		if err != nil && p.err == nil {
			p.err = err
			_ = c.net.Close() // frees who reads the next request
		}
		p.waiting[0] = deferred{}
		if p.waiting = p.waiting[1:]; len(p.waiting) == 0 {
			p.waiting = nil
		}
		p.changed.Broadcast()
	}
	p.running = false
	p.changed.Broadcast()
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
