package kafka

import (
	"errors"
	"io"
	"os"
	"time"

	"weir/internal/proto/kafka/group"
)

// readFull reads what the client sends, beginning with what was read ahead.
func (c *conn) readFull(b []byte) error {
	if c.hasAhead && len(b) > 0 {
		c.hasAhead, b[0] = false, c.ahead[0]
		b = b[1:]
	}
	_, err := io.ReadFull(c.net, b)
	return err
}

// watch tells when the client goes away while a request of it is parked. Until
// stop has returned nobody else may read.
func (c *conn) watch() (gone <-chan struct{}, stop func()) {
	left, done := make(chan struct{}), make(chan struct{})
	if c.hasAhead {
		return left, func() {}
	}
	go func() {
		defer close(done)
		n, err := c.net.Read(c.ahead[:])
		c.hasAhead = n > 0
		if n == 0 && err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
			close(left)
		}
	}()
	return left, func() {
		_ = c.net.SetReadDeadline(time.Unix(1, 0))
		<-done
		_ = c.net.SetReadDeadline(time.Time{})
	}
}

// park waits for the answer of a ticket. A client that goes away meanwhile is not
// waited for by its group.
func (c *conn) park(name string, t group.Ticket, answer <-chan group.Answer) (group.Answer, error) {
	select {
	case a := <-answer:
		return a, nil
	default:
	}
	gone, stop := c.watch()
	defer stop()
	select {
	case a := <-answer:
		return a, nil
	case <-c.ended:
	case <-gone:
	}
	k := c.server.groups
	err := k.inGroup(k.ended, name, func(h *hosted) {
		delete(h.waiting, t)
		if h.classic != nil {
			h.classic.Abandon(k.now(), t)
		}
	})
	return group.Answer{}, errors.Join(errEnded, err)
}
