package bench

import (
	"encoding/binary"
	"math"
	"sync"
	"sync/atomic"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"weir/internal/proto/amqp091/codec"
)

const (
	// A body begins with the time it was due, unix nanoseconds, and a word of
	// 16 bits of stream, one for each template of each producer, and 48 of sequence.
	payloadBytes = 16
	streamsMax   = 1 << 16
	// A message whose confirm lags behind those of later ones does not stop the
	// producer before so many windows.
	ringFactor = 8
	// Messages written with one system call at most.
	batchMax = 256
	// Latencies are kept from a microsecond to a minute, with three digits.
	latencyMax = int64(time.Minute / time.Microsecond)
	digits     = 3
)

func newHistogram() *hdrhistogram.Histogram { return hdrhistogram.New(1, latencyMax, digits) }

// producer publishes to one queue, or to one exchange.
type producer struct {
	run    *run
	client *client
	number int
	due    []int64 // ring: when a message was due, 0 once it is confirmed

	templates  []template // the sender's
	turn       int        // which of them is next
	sent       int64
	committing atomic.Int64 // sent before the last commit
	confirmed  atomic.Int64
	floor      atomic.Int64 // everything before it is confirmed
	highest    int64        // tag confirmed; the receiver's
	nacked     atomic.Int64
	latency    *hdrhistogram.Histogram // the receiver's
	delay      *hdrhistogram.Histogram // the sender's: from when a message was due until it was sent

	mu   sync.Mutex
	room sync.Cond
	err  error
}

func newProducer(r *run, number int) (*producer, error) {
	c, err := dial(r.options.URL)
	if err != nil {
		return nil, err
	}
	p := &producer{run: r, client: c, number: number, latency: newHistogram(), delay: newHistogram()}
	p.room.L = &p.mu
	o := &r.options
	switch {
	case o.Transaction > 0:
		err = c.call(channel, &codec.TxSelect{}, &codec.TxSelectOk{})
	case o.Confirms > 0:
		err = c.call(channel, &codec.ConfirmSelect{}, &codec.ConfirmSelectOk{})
	}
	if err != nil {
		return nil, err
	}
	if n := o.window(); n > 0 {
		window := 1
		for window < ringFactor*n {
			window *= 2
		}
		p.due = make([]int64, window)
	}
	for i := range o.kinds() {
		p.templates = append(p.templates, r.template(number, i, c.frameMax))
	}
	return p, nil
}

// sendLoop publishes until the run says stop.
func (p *producer) sendLoop() error {
	o := &p.run.options
	interval := 0.0
	if o.Rate > 0 {
		interval = float64(time.Second) * float64(o.Producers) / o.Rate
	}
	// Producers start apart, so that open-loop load is even.
	begin := float64(time.Now().UnixNano()) + interval*float64(p.number)/float64(max(o.Producers, 1))
	for !p.run.stopped() {
		n := int64(batchMax)
		if o.window() > 0 {
			if n = p.waitForRoom(); n == 0 {
				break
			}
		}
		now := time.Now().UnixNano()
		if interval > 0 {
			due := int64(math.Floor((float64(now)-begin)/interval)) + 1 - p.sent
			if due <= 0 {
				p.run.sleep(time.Duration(begin + float64(p.sent)*interval - float64(now)))
				continue
			}
			n = min(n, due)
		}
		n = p.run.claim(min(n, batchMax))
		if n == 0 {
			break
		}
		if err := p.publish(n, now, begin, interval); err != nil {
			return err
		}
	}
	return nil
}

// fill publishes n messages as fast as the broker takes them.
func (p *producer) fill(n int64) error {
	for n > 0 {
		room := int64(batchMax)
		if p.run.options.window() > 0 {
			if room = p.waitForRoom(); room == 0 {
				p.mu.Lock()
				defer p.mu.Unlock()
				return p.err
			}
		}
		room = min(room, batchMax, n)
		if err := p.publish(room, time.Now().UnixNano(), 0, 0); err != nil {
			return err
		}
		n -= room
	}
	return nil
}

// waitForRoom returns how many more confirms may be outstanding; in transactions
// it waits until the last is committed.
func (p *producer) waitForRoom() int64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	for {
		n := int64(p.run.options.window()) - (p.sent - p.confirmed.Load())
		n = min(n, int64(len(p.due))-(p.sent-p.floor.Load()))
		if p.run.options.Transaction > 0 && p.sent != p.confirmed.Load() {
			n = 0
		}
		if p.err != nil || p.run.stopped() {
			return 0
		}
		if n > 0 {
			return n
		}
		p.room.Wait()
	}
}

func (p *producer) publish(n, now int64, begin, interval float64) error {
	out := p.client.out[:0]
	for range n {
		due := now
		if interval > 0 {
			due = int64(begin + float64(p.sent)*interval)
			if p.run.measuring() {
				record(p.delay, now-due)
			}
		}
		t := &p.templates[p.turn]
		start := len(out)
		out = append(out, t.frame...)
		body := out[start+t.stamp:]
		binary.LittleEndian.PutUint64(body, uint64(due))
		binary.LittleEndian.PutUint64(body[8:], uint64(p.number*len(p.templates)+p.turn)<<48|t.sent)
		t.sent++
		if p.turn++; p.turn == len(p.templates) {
			p.turn = 0
		}
		if p.due != nil {
			atomic.StoreInt64(p.slot(p.sent), due)
		}
		p.sent++
	}
	if p.run.options.Transaction > 0 {
		out = codec.AppendMethod(out, channel, &codec.TxCommit{})
		p.committing.Store(p.sent)
	}
	p.client.out = out
	_, err := p.client.conn.Write(out)
	p.run.published.Add(n)
	return err
}

// receiveLoop takes in confirms until the connection ends.
func (p *producer) receiveLoop() error {
	err := p.receive()
	p.mu.Lock()
	p.err = err
	p.room.Broadcast()
	p.mu.Unlock()
	return err
}

func (p *producer) receive() error {
	for {
		f, err := p.client.frame()
		if err != nil {
			return err
		}
		if f.Type != codec.FrameMethod {
			continue
		}
		switch id := methodID(f.Payload); id {
		case codec.IDBasicAck, codec.IDBasicNack:
			tag := int64(binary.BigEndian.Uint64(f.Payload[4:]))
			if id == codec.IDBasicNack {
				p.nacked.Add(1)
			}
			p.confirm(tag, f.Payload[12]&1 != 0)
		case codec.IDTxCommitOk:
			p.confirm(p.committing.Load(), true)
		default:
			if err := closed(id, f.Payload); err != nil {
				return err
			}
		}
		if !p.client.pending() {
			p.mu.Lock()
			p.room.Broadcast()
			p.mu.Unlock()
		}
	}
}

// confirm notes that tag, or everything up to it, is confirmed. What goes to
// several queues is confirmed in any order.
func (p *producer) confirm(tag int64, multiple bool) {
	now := time.Now().UnixNano()
	floor := p.floor.Load()
	from := tag - 1
	if multiple {
		from = floor
	}
	measured := p.run.measuring()
	n := int64(0)
	for s := from; s < tag; s++ {
		due := atomic.SwapInt64(p.slot(s), 0)
		if due == 0 {
			continue // already, by itself
		}
		n++
		if measured {
			record(p.latency, now-due)
		}
	}
	p.highest = max(p.highest, tag)
	for floor < p.highest && atomic.LoadInt64(p.slot(floor)) == 0 {
		floor++
	}
	p.floor.Store(floor)
	p.confirmed.Add(n)
}

func (p *producer) slot(s int64) *int64 { return &p.due[int(s)&(len(p.due)-1)] }

// record keeps a latency of so many nanoseconds.
func record(h *hdrhistogram.Histogram, nanos int64) {
	micros := min(max(nanos/1000, 1), latencyMax)
	if err := h.RecordValue(micros); err != nil {
		panic(err) // within bounds by the line above
	}
}
