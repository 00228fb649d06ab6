package amqp091

import (
	"sync"

	"weir/internal/proto/amqp091/codec"
)

// replyBytesMax bounds encoded replies that wait for the socket. A client that
// asks without reading the answers is not read from beyond it.
const replyBytesMax = 1 << 20

// Spare outbox slices larger than these are not kept between bursts.
const (
	spareItemsMax = 4096
	spareBytesMax = 64 << 10
)

type itemKind uint8

const (
	itemFrames    itemKind = iota // frames[from:to]
	itemDelivery                  // basic.deliver of data
	itemStream                    // basic.deliver of data, which has the offset from
	itemGet                       // basic.get-ok of data; from holds the messages left
	itemAck                       // basic.ack of the confirms from..tag
	itemNack                      // basic.nack of the confirms from..tag
	itemReply                     // basic.deliver of data, a direct reply outside the byte window
	itemHeartbeat                 // a heartbeat frame
	itemDropped                   // nothing to send: from bytes were delivered in vain
)

// item is one thing to send.
type item struct {
	kind        itemKind
	redelivered bool
	channel     uint16
	count       uint32 // earlier deliveries
	tag         uint64
	from, to    uint64
	consumer    string
	data        []byte // record
	index, size uint32 // of the message in it; its part of the byte window
}

// outbox is what engine goroutines, the reader and the writer share.
//
// Invariant: items refer to frames in ascending, non-overlapping ranges.
type outbox struct {
	sync.Mutex
	items  []item
	frames []byte
	// generation counts how often the writer took all items, so that indexes
	// into items can be told from stale ones.
	generation uint64

	replyBytes int // of itemReply

	running   bool // the writer goroutine exists
	parked    bool // and waits for wake
	quit      bool // it ends at the next pause, to be started again when needed
	finishing bool // it ends when there is nothing left to write
	closed    bool // the socket is, nothing is sent any more
	wrote     bool // something was written since the last tick
	wake      chan struct{}
	done      chan struct{} // closed by the writer when it ends; replaced when it starts

	room sync.Cond // signals less waiting, completions, and closed

	// Requests to the reader goroutine.
	gone   []*consumer // ended by the broker
	forced string      // reason to close the connection with
	shrink bool        // the read buffer is idle
}

func (o *outbox) init() {
	o.wake = make(chan struct{}, 1)
	o.room.L = &o.Mutex
}

// beginFramesLocked returns the buffer to append frames to; endFramesLocked
// takes it back.
func (o *outbox) beginFramesLocked() []byte { return o.frames }

func (o *outbox) endFramesLocked(frames []byte) {
	from := uint64(len(o.frames))
	o.frames = frames
	to := uint64(len(frames))
	if n := len(o.items); n > 0 && o.items[n-1].kind == itemFrames {
		o.items[n-1].to = to
		return
	}
	o.items = append(o.items, item{kind: itemFrames, from: from, to: to})
}

// send queues a method.
func (c *conn) send(channel uint16, m codec.Method) {
	o := &c.out
	o.Lock()
	o.endFramesLocked(codec.AppendMethod(o.beginFramesLocked(), channel, m))
	c.wakeWriterLocked()
	o.Unlock()
}

// confirmLocked queues an ack or nack of the confirms from..to of a channel, and
// widens the one before where that is still waiting.
func (o *outbox) confirmLocked(ch *channel, kind itemKind, from, to uint64) {
	if kind == itemAck && ch.ackItem > 0 && ch.ackGeneration == o.generation {
		if last := &o.items[ch.ackItem-1]; last.tag+1 == from {
			last.tag = to
			return
		}
	}
	o.items = append(o.items, item{kind: kind, channel: ch.number, from: from, tag: to})
	ch.ackItem, ch.ackGeneration = 0, o.generation
	if kind == itemAck {
		ch.ackItem = len(o.items)
	}
}

// wakeWriterLocked makes sure that a writer looks at the items.
func (c *conn) wakeWriterLocked() {
	o := &c.out
	switch {
	case o.closed:
	case !o.running:
		o.running = true
		o.done = make(chan struct{})
		go c.writeLoop(o.done)
	case o.parked:
		o.unparkLocked()
	}
}

// unparkLocked wakes the writer. The channel has room: only who clears parked
// sends, and the writer sets it again after it has received.
func (o *outbox) unparkLocked() {
	o.parked = false
	o.wake <- struct{}{}
}

// discardLocked forgets everything that waits.
func (o *outbox) discardLocked() {
	o.items, o.frames, o.gone = nil, nil, nil
	o.generation++
}
