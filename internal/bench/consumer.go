package bench

import (
	"encoding/binary"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"weir/internal/proto/amqp091/codec"
)

// consumer consumes one queue.
type consumer struct {
	run     *run
	client  *client
	reject  bool // everything, unread
	latency *hdrhistogram.Histogram
	check   checker
	unacked int
	tag     uint64
	body    int64 // bytes of the current message still to come
	fresh   bool  // its first body frame has not come yet
	again   bool  // it is flagged redelivered
}

func newConsumer(r *run, queue string, reject bool) (*consumer, error) {
	c, err := dial(r.options.URL)
	if err != nil {
		return nil, err
	}
	k := &consumer{run: r, client: c, reject: reject, latency: newHistogram(), check: checker{next: map[uint16]uint64{}}}
	o := &r.options
	if o.Prefetch > 0 {
		if err := c.call(channel, &codec.BasicQos{PrefetchCount: uint16(min(o.Prefetch, 65535))}, &codec.BasicQosOk{}); err != nil {
			return nil, err
		}
	}
	consume := &codec.BasicConsume{Queue: queue, ConsumerTag: "bench", NoAck: o.Prefetch == 0}
	return k, c.call(channel, consume, &codec.BasicConsumeOk{})
}

// loop consumes until the connection ends.
func (k *consumer) loop() error {
	var n int64
	for {
		f, err := k.client.frame()
		if err != nil {
			return err
		}
		switch f.Type {
		case codec.FrameMethod:
			id := methodID(f.Payload)
			if id != codec.IDBasicDeliver {
				if err := closed(id, f.Payload); err != nil {
					return err
				}
				continue
			}
			at := 5 + int(f.Payload[4])
			k.tag = binary.BigEndian.Uint64(f.Payload[at:])
			k.again = f.Payload[at+8]&1 != 0
		case codec.FrameHeader:
			k.body, k.fresh = int64(binary.BigEndian.Uint64(f.Payload[4:])), true
		case codec.FrameBody:
			if k.fresh && len(f.Payload) >= payloadBytes && !k.reject {
				k.measure(f.Payload)
			}
			k.fresh = false
			if k.body -= int64(len(f.Payload)); k.body <= 0 {
				n++
				k.unacked++
			}
		}
		if !k.client.pending() {
			if !k.reject {
				k.run.consumed.Add(n)
			}
			n = 0
			if err := k.acknowledge(); err != nil {
				return err
			}
		}
	}
}

// acknowledge acks, or rejects, what is due, with one method for all of it.
func (k *consumer) acknowledge() error {
	o := &k.run.options
	if o.Prefetch == 0 || k.unacked < min(o.AckEvery, max(o.Prefetch/2, 1)) {
		return nil
	}
	k.unacked = 0
	var m codec.Method = &codec.BasicAck{DeliveryTag: k.tag, Multiple: true}
	if k.reject {
		m = &codec.BasicNack{DeliveryTag: k.tag, Multiple: true}
	}
	_, err := k.client.conn.Write(codec.AppendMethod(k.client.out[:0], channel, m))
	return err
}

func (k *consumer) measure(payload []byte) {
	due := int64(binary.LittleEndian.Uint64(payload))
	word := binary.LittleEndian.Uint64(payload[8:])
	stream := uint16(word >> 48)
	k.check.see(stream, word&(1<<48-1), k.again)
	if highest := k.run.options.Priorities; highest > 1 && int(stream)%highest != highest-1 {
		return
	}
	if k.run.measuring() {
		record(k.latency, time.Now().UnixNano()-due)
	}
}

// checker compares sequences with what is due next in each stream.
type checker struct {
	next                map[uint16]uint64
	gaps, repeated, old uint64
}

// see counts a sequence: ahead of its turn a gap, behind it a repetition, which
// is no surprise (old) where the broker says that it delivers again.
func (c *checker) see(stream uint16, sequence uint64, redelivered bool) {
	next, known := c.next[stream]
	switch {
	case !known || sequence == next:
	case sequence > next:
		c.gaps += sequence - next
	case redelivered:
		c.old++
		return
	default:
		c.repeated++
		return
	}
	c.next[stream] = sequence + 1
}
