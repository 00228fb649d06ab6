package kafka

import "time"

const (
	handshakeTimeout = 10 * time.Second
	idleTimeout      = 10 * time.Minute
)

// wait lets the client be silent for so long from now on. The time is set anew
// only when a good part of it may have gone: it is asked for with every request.
func (c *conn) wait() {
	limit := c.server.options.IdleTimeout
	if c.session == nil {
		limit = c.server.options.HandshakeTimeout
	}
	now := c.server.options.Clock.Now()
	if limit == c.limit && now.Sub(c.waited) < limit/16 && !now.Before(c.waited) {
		return
	}
	c.limit, c.waited = limit, now
	_ = c.net.SetDeadline(now.Add(limit))
	c.server.mu.Lock()
	defer c.server.mu.Unlock()
	if c.server.mu.draining {
		_ = c.net.SetReadDeadline(time.Unix(1, 0))
	}
}
