package listen

import (
	"context"
	"net"
	"runtime"
)

// Handshakes is how many TLS handshakes may compute at the same time, over several
// doors. One that waits for its client does not count: whoever says nothing, or does
// not read, keeps nobody else out. It is safe for concurrent use; nil is no limit.
type Handshakes struct{ places chan struct{} }

// NewHandshakes returns a limit of so many; 0 is one for each processor.
func NewHandshakes(most int) *Handshakes {
	if most <= 0 {
		most = runtime.GOMAXPROCS(0)
	}
	return &Handshakes{places: make(chan struct{}, most)}
}

// begin returns the connection to speak TLS on. The handshake waits for its turns
// until ctx ends.
func (h *Handshakes) begin(ctx context.Context, conn net.Conn) *turns {
	t := &turns{Conn: conn, ctx: ctx}
	if h != nil {
		t.places = h.places
	}
	return t
}

// turns is a connection whose handshake has a place while it computes: from when
// something was read until it writes or reads again. What it computes between a
// write and the next read is next to nothing. It belongs to the goroutine of the
// handshake until end.
type turns struct {
	net.Conn
	ctx    context.Context
	places chan struct{} // nil without a limit, and after the handshake
	has    bool
}

func (t *turns) Read(p []byte) (int, error) {
	t.give()
	n, err := t.Conn.Read(p)
	if n == 0 || t.places == nil {
		return n, err
	}
	select {
	case t.places <- struct{}{}:
		t.has = true
		// Whoever gives a place up has the next one run before all else that is ready:
		// in a storm the places would pass from hand to hand while the broker waits.
		runtime.Gosched()
		return n, err
	case <-t.ctx.Done():
		return 0, context.Cause(t.ctx)
	}
}

func (t *turns) Write(p []byte) (int, error) {
	t.give()
	return t.Conn.Write(p)
}

func (t *turns) give() {
	if t.has {
		<-t.places
		t.has = false
	}
}

// end makes it the connection alone.
func (t *turns) end() {
	t.give()
	t.ctx, t.places = nil, nil
}
