package bench

import (
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// drainTime is how long consumers may take to empty the queues after the last
// publish.
const drainTime = 30 * time.Second

// Latency is a distribution in microseconds.
type Latency struct {
	Count int64 `json:"count"`
	P50   int64 `json:"p50_us"`
	P95   int64 `json:"p95_us"`
	P99   int64 `json:"p99_us"`
	P999  int64 `json:"p999_us"`
	Max   int64 `json:"max_us"`
}

// Report is what a run measured.
type Report struct {
	Seconds     float64 `json:"seconds"` // measured, without warm-up
	Published   int64   `json:"published"`
	Confirmed   int64   `json:"confirmed"`
	Nacked      int64   `json:"nacked"`
	Consumed    int64   `json:"consumed"`
	PublishRate float64 `json:"publish_rate"`
	ConsumeRate float64 `json:"consume_rate"`
	Confirm     Latency `json:"confirm"`     // of commits, with transactions
	EndToEnd    Latency `json:"end_to_end"`  // of the highest priority, with priorities
	SendDelay   Latency `json:"send_delay"`  // at a fixed rate: from when a message was due until it was sent
	Gaps        uint64  `json:"gaps"`        // sequences that did not come in their turn
	Repeated    uint64  `json:"repeated"`    // that came again, unannounced
	Redelivered uint64  `json:"redelivered"` // that came again, flagged so
	ClientCPU   float64 `json:"client_cpu_seconds"`
	ClientMicro float64 `json:"client_us_per_message"`
	ServerCPU   float64 `json:"server_cpu_seconds,omitempty"` // of ServerPID, from warm-up until all is consumed
	ServerMicro float64 `json:"server_us_per_message,omitempty"`
	SlowestRate float64 `json:"slowest_second_publish_rate"`
}

type run struct {
	options   Options
	producers []*producer
	consumers []*consumer
	published atomic.Int64
	consumed  atomic.Int64
	claimed   atomic.Int64
	measured  atomic.Bool
	done      chan struct{}
	stop      sync.Once
}

// Run carries o out. It ends early when ctx does.
func Run(ctx context.Context, o Options) (*Report, error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	r := &run{options: o, done: make(chan struct{})}
	if err := r.declare(); err != nil {
		return nil, err
	}
	report, err := r.measure(ctx)
	if !o.Keep {
		err = errors.Join(err, r.remove())
	}
	return report, err
}

func (r *run) stopped() bool {
	select {
	case <-r.done:
		return true
	default:
		return false
	}
}

func (r *run) end() {
	r.stop.Do(func() { close(r.done) })
	for _, p := range r.producers {
		p.mu.Lock()
		p.room.Broadcast()
		p.mu.Unlock()
	}
}

func (r *run) sleep(d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-r.done:
	}
}

// claim takes n of the messages still to publish.
func (r *run) claim(n int64) int64 {
	if r.options.Messages == 0 {
		return n
	}
	over := r.claimed.Add(n) - r.options.Messages
	return max(n-max(over, 0), 0)
}

func (r *run) measuring() bool { return r.measured.Load() }

// measure connects everybody, lets them run and adds up.
func (r *run) measure(ctx context.Context) (*Report, error) {
	o := &r.options
	for i := range o.Producers {
		p, err := newProducer(r, i)
		if err != nil {
			return nil, err
		}
		r.producers = append(r.producers, p)
	}
	failures := make(chan error, 2*o.Producers+2*o.Consumers)
	var senders, receivers sync.WaitGroup
	for _, p := range r.producers {
		receivers.Go(func() { failures <- p.receiveLoop() })
	}
	if err := r.fill(); err != nil {
		return nil, err
	}
	if err := r.consume(); err != nil {
		return nil, err
	}
	for _, k := range r.consumers {
		receivers.Go(func() { failures <- k.loop() })
	}
	for _, p := range r.producers {
		senders.Go(func() {
			if err := p.sendLoop(); err != nil {
				failures <- err
			}
		})
	}
	report := r.watch(ctx, &senders)
	for _, p := range r.producers {
		report.Confirmed += p.confirmed.Load()
		report.Nacked += p.nacked.Load()
		if err := p.client.conn.Close(); err != nil {
			return nil, err
		}
	}
	for _, k := range r.consumers {
		if err := k.client.conn.Close(); err != nil {
			return nil, err
		}
	}
	receivers.Wait()
	close(failures)
	r.sum(report)
	for err := range failures {
		if errors.Is(err, io.EOF) {
			err = errors.New("the broker closed a connection")
		}
		if err != nil && !errors.Is(err, net.ErrClosed) { // which is our own doing
			return report, err
		}
	}
	return report, nil
}

// fill publishes the backlog before there are consumers.
func (r *run) fill() error {
	if r.options.Backlog == 0 {
		return nil
	}
	filled := make(chan error, len(r.producers))
	for _, p := range r.producers {
		go func() { filled <- p.fill(r.options.Backlog / int64(len(r.producers))) }()
	}
	var err error
	for range r.producers {
		err = errors.Join(err, <-filled)
	}
	return err
}

// consume attaches the consumers, and those that reject what the others get.
func (r *run) consume() error {
	for i := range r.options.Consumers {
		k, err := newConsumer(r, r.lastQueue(i), false)
		if err != nil {
			return err
		}
		r.consumers = append(r.consumers, k)
		if r.options.DeadLetter != deadByReject {
			continue
		}
		if k, err = newConsumer(r, r.queue(i), true); err != nil {
			return err
		}
		r.consumers = append(r.consumers, k)
	}
	return nil
}

// watch runs the clock: warm-up, measurement, drain.
func (r *run) watch(ctx context.Context, senders *sync.WaitGroup) *Report {
	o := &r.options
	sent := make(chan struct{})
	go func() { senders.Wait(); close(sent) }()
	begin := time.Now()
	var from mark
	report := &Report{SlowestRate: -1}
	last := r.mark()
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	measure := func() { from = r.mark(); r.measured.Store(true) }
	if o.Warmup == 0 {
		measure()
	}
	for running := true; running; {
		select {
		case <-ctx.Done():
			running = false
		case <-sent:
			running = o.Producers == 0
		case <-tick.C:
			now := r.mark()
			s := now.since(last)
			s.At, last = time.Since(begin), now
			if o.Progress != nil {
				o.Progress(s)
			}
			if r.measuring() && (report.SlowestRate < 0 || s.Published < report.SlowestRate) {
				report.SlowestRate = s.Published
			}
			if !r.measuring() && s.At >= o.Warmup {
				measure()
			}
			running = o.Duration == 0 || s.At < o.Warmup+o.Duration
		}
		if o.Producers == 0 && o.Messages > 0 && r.consumed.Load() >= o.Messages {
			running = false
		}
	}
	to := r.mark()
	rates := to.since(from)
	report.Seconds = to.at.Sub(from.at).Seconds()
	report.PublishRate, report.ConsumeRate = rates.Published, rates.Consumed
	report.ClientCPU = to.cpu - from.cpu
	if n := max(to.published-from.published, to.consumed-from.consumed); n > 0 {
		report.ClientMicro = report.ClientCPU * 1e6 / float64(n)
	}
	r.end()
	senders.Wait()
	r.drain()
	end := r.mark()
	report.ServerCPU = end.server - from.server
	if n := end.messages(from); n > 0 {
		report.ServerMicro = report.ServerCPU * 1e6 / n
	}
	return report
}

// drain waits for outstanding confirms and, with consumers, deliveries.
func (r *run) drain() {
	late := time.Now().Add(drainTime)
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for time.Now().Before(late) {
		settled := len(r.consumers) == 0 || r.consumed.Load() >= r.published.Load()-r.options.kept()
		for _, p := range r.producers {
			p.mu.Lock()
			settled = settled && (r.options.window() == 0 || p.err != nil || p.confirmed.Load() >= p.sent)
			p.mu.Unlock()
		}
		if settled || len(r.producers) == 0 {
			return
		}
		<-tick.C
	}
}

func (r *run) sum(report *Report) {
	report.Published, report.Consumed = r.published.Load(), r.consumed.Load()
	confirm, end, delay := newHistogram(), newHistogram(), newHistogram()
	for _, p := range r.producers {
		confirm.Merge(p.latency)
		delay.Merge(p.delay)
	}
	for _, k := range r.consumers {
		end.Merge(k.latency)
		report.Gaps += k.check.gaps
		report.Repeated += k.check.repeated
		report.Redelivered += k.check.old
	}
	report.Confirm, report.EndToEnd, report.SendDelay = summary(confirm), summary(end), summary(delay)
}

func summary(h *hdrhistogram.Histogram) Latency {
	return Latency{
		Count: h.TotalCount(), P50: h.ValueAtQuantile(50), P95: h.ValueAtQuantile(95), P99: h.ValueAtQuantile(99),
		P999: h.ValueAtQuantile(99.9), Max: h.Max(),
	}
}
