package main

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os/exec"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"weir/test/bench/report"
)

// kcat reads a filled topic with librdkafka.
func kcat(s *settings, p *process) (report.Figures, error) {
	if _, err := exec.LookPath("kcat"); err != nil {
		return nil, fmt.Errorf("%w: no kcat in PATH", errSkipped)
	}
	topic, records, err := s.filledTopic(p)
	if err != nil {
		return nil, err
	}
	m := newMeter(p)
	m.note(0)
	if _, err := follow(exec.Command("kcat", "-C", "-b", p.kafka, "-t", topic, "-o", "beginning", "-e", "-q", "-f", ""), func(string) {}); err != nil {
		return nil, fmt.Errorf("kcat: %w", err)
	}
	m.note(float64(records))
	f, _, err := m.figures(0)
	if err != nil {
		return nil, err
	}
	return perGB(f), nil
}

// manyTopics produces to so many topics of one partition.
func manyTopics(count int) loader {
	return func(s *settings, p *process) (report.Figures, error) {
		c, err := kgo.NewClient(kgo.SeedBrokers(p.kafka), kgo.MaxBufferedRecords(200_000), kgo.ProducerBatchCompression(kgo.NoCompression()), kgo.ProducerLinger(5*time.Millisecond))
		if err != nil {
			return nil, err
		}
		defer c.Close()
		names := make([]string, count)
		for i := range names {
			names[i] = fmt.Sprintf("many-%d-%d", time.Now().UnixNano(), i)
		}
		if err := createTopics(c, 1, names...); err != nil {
			return nil, err
		}
		if _, err := produceFor(c, names, time.Second); err != nil { // learns where they are
			return nil, err
		}
		m := newMeter(p)
		m.note(0)
		n, err := produceFor(c, names, time.Duration(s.seconds)*time.Second)
		if err != nil {
			return nil, err
		}
		m.note(n)
		f, _, err := m.figures(0)
		return f, errors.Join(err, deleteTopics(p, names...))
	}
}

func produceFor(c *kgo.Client, names []string, d time.Duration) (float64, error) {
	var failed error
	var once sync.Once
	n := 0
	for end := time.Now().Add(d); time.Now().Before(end); {
		for range 1000 {
			r := &kgo.Record{Topic: names[n%len(names)], Key: binary.BigEndian.AppendUint64(nil, uint64(n)), Value: make([]byte, 92)}
			c.Produce(context.Background(), r, func(_ *kgo.Record, err error) {
				if err != nil {
					once.Do(func() { failed = err })
				}
			})
			n++
		}
	}
	err := c.Flush(context.Background())
	return float64(n), errors.Join(err, failed)
}

// paced produces so many records of 1 KB a second and measures how old they are
// when they are consumed, from when they were due and not from when they were sent.
func paced(rate int) loader {
	return func(s *settings, p *process) (report.Figures, error) {
		topic, err := newTopic(p, partitions)
		if err != nil {
			return nil, err
		}
		c, err := kgo.NewClient(kgo.SeedBrokers(p.kafka), kgo.ProducerBatchCompression(kgo.NoCompression()), kgo.ProducerLinger(time.Millisecond),
			kgo.DefaultProduceTopic(topic), kgo.ConsumeTopics(topic), kgo.FetchMaxWait(100*time.Millisecond))
		if err != nil {
			return nil, err
		}
		defer c.Close()
		warm, total := rate*s.warmup, rate*(s.warmup+s.seconds)
		delays := make(chan []float64, 1)
		go func() { delays <- openLoop(c, rate, warm, total) }()
		ctx, cancel := context.WithTimeout(context.Background(), time.Duration(s.seconds+s.warmup+30)*time.Second)
		defer cancel()
		var ages []float64
		m := newMeter(p)
		for n := 0; n < total; {
			fetched := c.PollFetches(ctx)
			if err := fetched.Err(); err != nil {
				return nil, err
			}
			now := time.Now().UnixNano()
			before := n
			fetched.EachRecord(func(r *kgo.Record) {
				if n++; n > warm {
					ages = append(ages, float64(now-int64(binary.BigEndian.Uint64(r.Value)))/1000)
				}
			})
			if before < warm && n >= warm || n >= total {
				m.note(float64(n))
			}
		}
		f, _, err := m.figures(0)
		if err != nil {
			return nil, err
		}
		f["end_p99"], f["end_p999"], f["send_delay_p99"] = report.Quantile(ages, 0.99), report.Quantile(ages, 0.999), report.Quantile(<-delays, 0.99)
		return f, deleteTopics(p, topic)
	}
}

// openLoop sends each record when it is due, whatever has become of the others,
// and returns how many microseconds late it was with those after the warm-up.
func openLoop(c *kgo.Client, rate, warm, total int) []float64 {
	var late []float64
	begin := time.Now()
	for i := 0; i < total; {
		for due := int(time.Since(begin).Seconds() * float64(rate)); i < min(due, total); i++ {
			at := begin.Add(time.Duration(float64(i) / float64(rate) * float64(time.Second)))
			body := make([]byte, 1024)
			binary.BigEndian.PutUint64(body, uint64(at.UnixNano()))
			c.Produce(context.Background(), &kgo.Record{Value: body}, nil)
			if i >= warm {
				late = append(late, float64(time.Since(at).Microseconds()))
			}
		}
		time.Sleep(time.Millisecond)
	}
	return late
}
