package amqp091

import (
	"cmp"
	"net"
	"slices"

	"weir/internal/broker"
	"weir/internal/proto/amqp091/codec"
)

// admitChannel makes a new channel visible.
func (c *conn) admitChannel(ch *channel) {
	c.out.Lock()
	defer c.out.Unlock()
	if c.channels == nil {
		c.channels = map[uint16]*channel{}
	}
	c.channels[ch.number] = ch
	c.retired.PartsOpened++
}

// retireChannel takes a channel away and keeps what it counted.
func (c *conn) retireChannel(ch *channel) {
	c.out.Lock()
	defer c.out.Unlock()
	c.reportLocked()
	delete(c.channels, ch.number)
	c.retireLocked(ch)
}

// retireChannels takes all channels away.
func (c *conn) retireChannels() {
	c.out.Lock()
	defer c.out.Unlock()
	c.reportLocked()
	for _, ch := range c.channels {
		c.retireLocked(ch)
	}
	c.channels = nil
}

func (c *conn) retireLocked(ch *channel) {
	c.retired.PartsClosed++
	c.retired.Add(&ch.traffic)
	ch.traffic = broker.Traffic{}
}

// pending is what listings show of an open transaction.
type pending struct {
	open           bool
	messages, acks int
}

// countPublish notes a publish without a lock: the next flush reports it.
func (ch *channel) countPublish(routed int, mandatory, replied bool) {
	count(&ch.fresh, routed, mandatory, replied)
	ch.touch()
}

// touch makes the next flush report the channel.
func (ch *channel) touch() {
	if !ch.touched {
		ch.touched = true
		ch.conn.touched = append(ch.conn.touched, ch)
	}
}

func count(f *broker.Traffic, routed int, mandatory, replied bool) {
	f.Published++
	f.Routed += uint64(routed)
	if routed == 0 && !replied {
		if mandatory {
			f.Returned++
		} else {
			f.Unroutable++
		}
	}
}

// reportLocked makes the counts of this batch visible. The reader calls it.
func (c *conn) reportLocked() {
	for i, ch := range c.touched {
		if ch.confirm {
			ch.fresh.PublishedConfirm = ch.fresh.Published
		}
		ch.traffic.Add(&ch.fresh)
		ch.published = ch.publisher.Sequence()
		if t := ch.tx; t != nil {
			ch.pending = pending{true, int(t.fresh.Published), len(t.acks)}
		}
		ch.fresh, ch.touched = broker.Traffic{}, false
		c.touched[i] = nil
	}
	c.touched = c.touched[:0]
}

func (ch *channel) countDeliveriesLocked(ds []broker.Delivery, noAck bool) {
	t := &ch.traffic
	if noAck {
		t.DeliveredAuto += uint64(len(ds))
	} else {
		t.Delivered += uint64(len(ds))
	}
	for i := range ds {
		if ds[i].Redelivered {
			t.Redelivered++
		}
	}
}

func (ch *channel) countPull(got, noAck, redelivered bool) {
	ch.conn.out.Lock()
	defer ch.conn.out.Unlock()
	t := &ch.traffic
	switch {
	case !got:
		t.PulledEmpty++
		return
	case noAck:
		t.PulledAuto++
	default:
		t.Pulled++
	}
	if redelivered {
		t.Redelivered++
	}
}

// notePrefetch remembers what listings show.
func (ch *channel) notePrefetch(m *codec.BasicQos) {
	ch.conn.out.Lock()
	defer ch.conn.out.Unlock()
	if m.Global {
		ch.shared = m.PrefetchCount
	} else {
		ch.perConsumer = m.PrefetchCount
	}
}

// Traffic implements broker.Describer.
func (c *conn) Traffic() broker.Traffic {
	c.out.Lock()
	defer c.out.Unlock()
	t := c.retired
	t.BytesReceived, t.BytesSent = c.bytesIn.Load(), c.bytesOut.Load()
	for _, ch := range c.channels {
		t.Add(&ch.traffic)
	}
	return t
}

// Describe implements broker.Describer.
func (c *conn) Describe() broker.SessionDetail {
	d := broker.SessionDetail{
		State: stateRunning.String(), Secure: c.tls, Mechanism: c.mechanism, FrameBytesMax: c.frameMax.Load(),
		PartsMax: uint32(c.channelMax), Heartbeat: c.heartbeat,
		BytesReceived: c.bytesIn.Load(), BytesSent: c.bytesOut.Load(),
	}
	if a, ok := c.net.LocalAddr().(*net.TCPAddr); ok {
		d.Local = a.AddrPort()
	}
	c.out.Lock()
	defer c.out.Unlock()
	switch {
	case c.out.closed || c.out.finishing:
		d.State = stateClosing.String()
	case c.held:
		d.State = "blocked"
	}
	for _, ch := range c.channels {
		if !ch.closed {
			d.Parts = append(d.Parts, ch.describeLocked())
		}
	}
	slices.SortFunc(d.Parts, func(a, b broker.Part) int { return cmp.Compare(a.Number, b.Number) })
	return d
}

func (ch *channel) describeLocked() broker.Part {
	p := broker.Part{
		Number: uint32(ch.number), Confirming: ch.confirm, Prefetch: uint32(ch.perConsumer), SharedPrefetch: uint32(ch.shared),
		Transacting: ch.pending.open, UncommittedMessages: uint64(ch.pending.messages), UncommittedSettles: uint64(ch.pending.acks),
		Unsettled: uint64(ch.unacked.open), Traffic: ch.traffic,
	}
	for i := range ch.unacked.holders {
		if k := ch.unacked.holders[i].consumer; k != nil && !k.over {
			p.Consumers++
		}
	}
	// A completion may come before its publish is reported.
	if ch.confirm && ch.published > ch.completedLast {
		p.Unconfirmed = ch.published - ch.completedLast
	}
	return p
}
