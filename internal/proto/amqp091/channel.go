package amqp091

import (
	"weir/internal/broker"
	"weir/internal/proto/amqp091/codec"
	"weir/internal/proto/amqp091/native"
)

// channel is one channel of a connection.
//
// Fields belong to the connection's reader but for the group guarded by the
// outbox mutex, which deliveries and completions touch too.
type channel struct {
	conn    *conn
	number  uint16
	closing bool // channel.close sent: everything but close-ok is ignored

	publisher *broker.Publisher
	puller    *broker.Puller
	content   content // of a publish under way
	outgoing  broker.Outgoing
	headers   native.Headers
	scratch   []byte // rewritten properties

	prefetch  uint16 // of consumers to come; 0 is unlimited
	pool      *broker.CreditPool
	lastQueue string // declared last: what an empty queue name means
	consumers map[string]*consumer
	reply     *replyConsumer
	ranges    []settlement   // scratch
	tx        *transaction   // nil: not transactional
	fresh     broker.Traffic // counted since the last flush
	touched   bool           // and to be reported by it

	// Guarded by the outbox mutex.
	closed        bool
	holding       bool   // cancels are kept back
	cancels       []byte // frames of those
	traffic       broker.Traffic
	perConsumer   uint16 // prefetch, for listings
	shared        uint16 // prefetch of the channel
	confirm       bool
	published     uint64 // sequence
	pending       pending
	completedLast uint64 // sequence
	nextTag       uint64 // delivery tag given last
	unacked       unacked
	ackItem       int // 1 + index of the last ack in the outbox, while it is at ackGeneration
	ackGeneration uint64
}

// channelOpen opens a channel that is not open.
func (c *conn) channelOpen(number uint16, arguments []byte) *exception {
	var m codec.ChannelOpen
	if err := m.Decode(arguments); err != nil {
		return undecodable(arguments)
	}
	if len(c.channels) >= int(c.channelMax) {
		e := raise(codeNotAllowed, "number of channels opened (%d) has reached the negotiated channel_max (%d)",
			len(c.channels), c.channelMax)
		return e
	}
	if err := c.session.AddPart(); err != nil {
		return c.exception(err)
	}
	ch := &channel{conn: c, number: number}
	ch.publisher, ch.puller = c.session.Publisher(ch.completed), c.session.Puller()
	c.admitChannel(ch)
	c.highest = max(c.highest, number)
	c.send(number, &codec.ChannelOpenOk{})
	return nil
}

// release gives up everything the channel holds. The caller has set closed.
func (ch *channel) release() {
	for _, consumer := range ch.consumers {
		consumer.ended.Store(true)
	}
	ch.closeReply()
	ch.conn.out.Lock()
	holders := ch.unacked.takeHolders()
	ch.conn.out.Unlock()
	for _, h := range holders {
		h.attachment.ReleaseAll()
	}
	ch.consumers, ch.reply, ch.pool, ch.tx = nil, nil, nil, nil
	ch.content = content{}
}

// close ends the channel for the engine; its number stays taken until close-ok.
func (ch *channel) close() {
	ch.conn.out.Lock()
	ch.closed = true
	ch.conn.out.Unlock()
	ch.release()
	ch.conn.session.Flush()
}

// remove frees the channel's number.
func (ch *channel) remove() {
	c := ch.conn
	c.retireChannel(ch)
	c.session.RemovePart()
	c.last = nil
}

// frameClosing handles a frame on a channel that waits for close-ok.
func (ch *channel) frameClosing(f *codec.Frame) *exception {
	if f.Type != codec.FrameMethod {
		return nil
	}
	id, _, err := codec.MethodID(f.Payload)
	switch {
	case err != nil:
		return nil
	case id == codec.IDChannelCloseOk:
		ch.remove()
	case id == codec.IDChannelClose:
		ch.conn.send(ch.number, &codec.ChannelCloseOk{})
	}
	return nil
}

// frame handles a frame on an open channel.
func (ch *channel) frame(f *codec.Frame, ahead []byte) *exception {
	switch f.Type {
	case codec.FrameHeader:
		return ch.contentHeader(f.Payload)
	case codec.FrameBody:
		return ch.contentBody(f.Payload)
	}
	id, arguments, err := codec.MethodID(f.Payload)
	if err != nil {
		return raise(codeFrameError, "type %d, %s: unknown_frame", f.Type, octets(f.Payload))
	}
	if ch.content.stage != contentNone {
		return ch.content.interrupted()
	}
	if id == codec.IDBasicPublish {
		return ch.basicPublish(arguments, ahead).caused(id)
	}
	return ch.method(id, arguments).caused(id)
}

// method handles every method without content.
func (ch *channel) method(id codec.ID, arguments []byte) *exception {
	switch id.Class() {
	case codec.IDChannelOpen.Class():
		return ch.channelMethod(id, arguments)
	case codec.IDExchangeDeclare.Class():
		return ch.exchangeMethod(id, arguments)
	case codec.IDQueueDeclare.Class():
		return ch.queueMethod(id, arguments)
	case codec.ClassBasic:
		return ch.basicMethod(id, arguments)
	case codec.IDConfirmSelect.Class():
		return ch.confirmMethod(id, arguments)
	case codec.IDTxSelect.Class():
		return ch.txMethod(id, arguments)
	case codec.IDAccessRequest.Class():
		return ch.accessMethod(id, arguments)
	}
	return unexpectedMethod(id)
}

// unexpectedMethod is the exception for a method that no client may send here.
func unexpectedMethod(id codec.ID) *exception {
	if codec.New(id) == nil {
		return raise(codeCommandInvalid, "unknown method %v", id)
	}
	return raise(codeCommandInvalid, "unimplemented method")
}

// reply sends the answer of a synchronous method unless the client waived it.
func (ch *channel) answer(noWait bool, m codec.Method) {
	if !noWait {
		ch.conn.send(ch.number, m)
	}
}

// exception maps a refusal of the waist.
func (ch *channel) exception(e *broker.Error) *exception {
	if e == nil {
		return nil
	}
	return ch.conn.exception(e)
}
