package kafka

import (
	"errors"
	"io"
	"os"
	"time"

	"weir/internal/proto/kafka/group"
)

// readFull reads what the client sends.
func (c *conn) readFull(b []byte) error {
	_, err := io.ReadFull(c.reader, b)
	return err
}

// watch tells when the client goes away while a request of it is parked. Until
// stop has returned nobody else may read.
func (c *conn) watch() (gone <-chan struct{}, stop func()) {
	left, done := make(chan struct{}), make(chan struct{})
	if c.reader.Buffered() > 0 {
		return left, func() {}
	}
	go func() {
		defer close(done)
		if _, err := c.reader.Peek(1); err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
			close(left)
		}
	}()
	return left, func() {
		_ = c.net.SetReadDeadline(time.Unix(1, 0))
		<-done
		_ = c.net.SetReadDeadline(time.Time{})
		c.waited = time.Time{}
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
