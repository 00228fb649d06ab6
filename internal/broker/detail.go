package broker

import (
	"crypto/tls"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"
)

// Describer tells what only a session's dialect knows of it. Its methods are
// called from any goroutine, also after the session has ended, and must not
// block.
type Describer interface {
	// Describe tells everything, for a listing.
	Describe() SessionDetail
	// Traffic sums over the session's parts, also those that are gone.
	Traffic() Traffic
}

// SessionDetail is what a dialect says of one of its connections.
type SessionDetail struct {
	State         string // "running", or what keeps it from that
	Local         netip.AddrPort
	Secure        *tls.ConnectionState // nil without TLS
	Mechanism     string               // of the login
	FrameBytesMax uint32               // 0 without a limit
	PartsMax      uint32               // 0 without a limit
	Heartbeat     time.Duration        // 0 without heartbeats
	BytesReceived uint64
	BytesSent     uint64
	Parts         []Part // by number
}

// Part is one of the independent streams a dialect runs inside a connection.
type Part struct {
	Number      uint32
	Consumers   int
	Confirming  bool   // the client waits for confirms
	Transacting bool   // what it does counts when it is committed
	Prefetch    uint32 // of consumers to come; 0 is unlimited
	// SharedPrefetch bounds all consumers of the part together; 0 is unlimited.
	SharedPrefetch                          uint32
	Unsettled, Unconfirmed                  uint64
	UncommittedMessages, UncommittedSettles uint64 // of an open transaction
	Traffic                                 Traffic
}

// Traffic counts messages since a session or a part of it began.
type Traffic struct {
	PartsOpened, PartsClosed uint64
	BytesReceived, BytesSent uint64

	Published, PublishedConfirm uint64 // all; those a confirm was asked for
	Confirmed                   uint64
	Routed                      uint64 // to queues; a message may go to several
	Returned, Unroutable        uint64 // reached no queue: given back; dropped

	Delivered, DeliveredAuto uint64 // to be settled; settled by being delivered
	Pulled, PulledAuto       uint64 // likewise, one by one
	PulledEmpty              uint64
	Redelivered              uint64 // of all these
	Accepted                 uint64
}

// Add adds u to t.
func (t *Traffic) Add(u *Traffic) {
	t.PartsOpened += u.PartsOpened
	t.BytesReceived += u.BytesReceived
	t.BytesSent += u.BytesSent
	t.PartsClosed += u.PartsClosed
	t.Published += u.Published
	t.PublishedConfirm += u.PublishedConfirm
	t.Confirmed += u.Confirmed
	t.Routed += u.Routed
	t.Returned += u.Returned
	t.Unroutable += u.Unroutable
	t.Delivered += u.Delivered
	t.DeliveredAuto += u.DeliveredAuto
	t.Pulled += u.Pulled
	t.PulledAuto += u.PulledAuto
	t.PulledEmpty += u.PulledEmpty
	t.Redelivered += u.Redelivered
	t.Accepted += u.Accepted
}

// DialectTraffic counts the sessions of one dialect and what they did.
type DialectTraffic struct {
	Opened, Open uint64 // sessions
	Traffic
}

// census counts sessions by dialect.
//
// Invariant: a session's traffic is in gone, or the session is registered.
type census struct {
	mu struct {
		sync.Mutex
		gone map[string]*DialectTraffic
	}
}

func (c *census) of(dialect string) *DialectTraffic {
	d := c.mu.gone[dialect]
	if d == nil {
		if c.mu.gone == nil {
			c.mu.gone = map[string]*DialectTraffic{}
		}
		d = &DialectTraffic{}
		c.mu.gone[dialect] = d
	}
	return d
}

// churn counts what happened to queues since the start.
type churn struct{ declared, created, deleted atomic.Uint64 }

// register makes a session visible.
func (e *engine) register(s *Session) {
	e.census.mu.Lock()
	defer e.census.mu.Unlock()
	e.census.of(s.options.Dialect).Opened++
	e.sessions.add(s)
}

// unregister keeps what the session counted.
func (e *engine) unregister(s *Session) {
	e.census.mu.Lock()
	defer e.census.mu.Unlock()
	if d := s.options.Describer; d != nil {
		t := d.Traffic()
		e.census.of(s.options.Dialect).Add(&t)
	}
	e.sessions.remove(s)
}

// Traffic counts sessions and messages since the start, by dialect. Its cost
// grows with the number of sessions.
func (b *Broker) Traffic() map[string]DialectTraffic {
	e := b.engine
	var live []*Session
	e.census.mu.Lock()
	out := make(map[string]DialectTraffic, len(e.census.mu.gone))
	for dialect, d := range e.census.mu.gone {
		out[dialect] = *d
	}
	e.sessions.each(func(s *Session) { live = append(live, s) })
	e.census.mu.Unlock()
	for _, s := range live {
		d := out[s.options.Dialect]
		d.Open++
		if s.options.Describer != nil {
			t := s.options.Describer.Traffic()
			d.Add(&t)
		}
		out[s.options.Dialect] = d
	}
	return out
}
