package broker

import "sync"

// CreditPool bounds the leases of several attachments together.
type CreditPool struct {
	mu struct {
		sync.Mutex
		limit   int64 // 0 is no bound
		taken   int64
		waiting []*Attachment
		last    *Attachment // that took room
		woken   int         // that waited and have not come back yet
	}
}

// NewCreditPool returns a pool of limit leases; 0 is no bound.
func (s *Session) NewCreditPool(limit int64) *CreditPool {
	p := &CreditPool{}
	p.mu.limit = limit
	return p
}

// SetLimit changes the bound. Leases beyond it stay; no new ones are given.
func (p *CreditPool) SetLimit(n int64) {
	p.mu.Lock()
	p.mu.limit = n
	p.mu.Unlock()
	p.give(0)
}

// take takes room for one lease, or notes that a waits for it. Who has just had
// room lets those go first who were waiting.
func (p *CreditPool) take(a *Attachment) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.mu.limit != 0 && p.mu.taken >= p.mu.limit {
		p.mu.waiting = append(p.mu.waiting, a)
		return false
	}
	switch {
	case p.mu.limit == 0:
	case p.mu.last != a:
		p.mu.woken = max(p.mu.woken-1, 0)
	case p.mu.woken > 0:
		p.mu.woken = 0 // once: they may have nothing to take any more
		a.resume()
		return false
	}
	p.mu.last = a
	p.mu.taken++
	return true
}

// open says whether there is room, or notes that a waits for it.
func (p *CreditPool) open(a *Attachment) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.mu.limit == 0 || p.mu.taken < p.mu.limit {
		return true
	}
	p.mu.waiting = append(p.mu.waiting, a)
	return false
}

// give puts back room for n leases and lets those go on that wait.
func (p *CreditPool) give(n int64) {
	p.mu.Lock()
	p.mu.taken -= n
	var resume []*Attachment
	if p.mu.limit == 0 || p.mu.taken < p.mu.limit {
		resume, p.mu.waiting = p.mu.waiting, nil
		p.mu.woken = len(resume)
	}
	p.mu.Unlock()
	for _, a := range resume {
		a.resume()
	}
}

// resume takes a back into the hand-out.
func (a *Attachment) resume() { a.host.submit(nil, []op{{kind: opResume, attachment: a}}) }

// forget drops a from those that wait.
func (p *CreditPool) forget(a *Attachment) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i, w := range p.mu.waiting {
		if w == a {
			p.mu.waiting = append(p.mu.waiting[:i:i], p.mu.waiting[i+1:]...)
			return
		}
	}
}
