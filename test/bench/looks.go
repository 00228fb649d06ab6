package main

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"weir/internal/bench"
	"weir/test/bench/report"
)

// look is something measured once, not in rounds.
type look struct {
	name, title string
	takes       time.Duration // about
	run         func(s *settings, l *report.Look) error
}

var looks = []look{
	{"idle", "Idle process, then idle connections", 10 * time.Second, idle},
	{"declare", "Declaring durable queues, from 20 connections", 40 * time.Second, declareQueues},
	{"backlog", "Ten consumers join a backlog while publishing goes on", 50 * time.Second, backlog},
	{"startup", "Start-up with messages stored", 40 * time.Second, startup},
	{"kill", "kill -9 under load with messages stored, then started again", 3 * time.Minute, killed},
}

// look runs one and keeps what it has found.
func (s *settings) look(l *look) error {
	fmt.Printf("\n%s: %s\n", l.name, l.title)
	found := report.Look{Name: l.name, Title: l.title, At: time.Now().UTC().Truncate(time.Second), Figures: report.Figures{}}
	if err := l.run(s, &found); err != nil {
		return err
	}
	for _, line := range found.Text {
		fmt.Printf("  %s\n", line)
	}
	for _, row := range found.Rows {
		fmt.Printf("  %s\n", strings.Join(row, " | "))
	}
	s.results.AddLook(found)
	return s.keep()
}

func idle(s *settings, l *report.Look) error {
	weir, ready, err := startWeir(s.binary, filepath.Join(s.work, "idle"))
	if err != nil {
		return err
	}
	defer weir.stop()
	begin := weir.rss()
	var conns []*amqp.Connection
	for range s.idle {
		c, err := amqp.Dial(weir.url)
		if err != nil {
			return fmt.Errorf("connection %d: %w", len(conns), err)
		}
		conns = append(conns, c)
	}
	each := (weir.rss() - begin) * 1024 / float64(len(conns))
	l.Text = []string{
		fmt.Sprintf("Ready after %d ms on an empty store; RSS %.1f MiB.", ready.Milliseconds(), begin),
		fmt.Sprintf("%d idle connections: RSS %.1f MiB, %.1f KiB per connection.", len(conns), weir.rss(), each),
	}
	l.Figures["rss"], l.Figures["connection_kib"] = begin, each
	for _, c := range conns {
		if err := c.Close(); err != nil {
			return err
		}
	}
	return nil
}

func declareQueues(s *settings, l *report.Look) error {
	weir, _, err := startWeir(s.binary, filepath.Join(s.work, "declare"))
	if err != nil {
		return err
	}
	defer weir.stop()
	rabbit, err := s.peers.get(classic)
	if err != nil && !errors.Is(err, errSkipped) {
		return err
	}
	l.Header = []string{"broker", "queues", "per second", "server CPU µs each", "RSS growth KiB each"}
	rates := map[*process]float64{}
	for _, p := range []*process{weir, rabbit} {
		if p == nil {
			continue
		}
		n := s.queues
		if p == rabbit {
			n = s.queues / 10 // at its rate the whole number would take minutes
		}
		cpu, rss, begin := p.cpu(), p.rss(), time.Now()
		if err := declareOn(p.url, n); err != nil {
			return err
		}
		rates[p] = float64(n) / time.Since(begin).Seconds()
		l.Rows = append(l.Rows, []string{
			p.name, strconv.Itoa(n), fmt.Sprintf("%.0f", rates[p]),
			fmt.Sprintf("%.0f", (p.cpu()-cpu)*1e6/float64(n)), fmt.Sprintf("%.2f", (p.rss()-rss)*1024/float64(n)),
		})
	}
	if rabbit == nil {
		return nil
	}
	l.Figures["ratio"] = rates[weir] / rates[rabbit]
	return s.peers.stop() // with its queues
}

func declareOn(target string, n int) error {
	const connections = 20
	var wg sync.WaitGroup
	failures := make(chan error, connections)
	for k := range connections {
		wg.Go(func() {
			c, err := amqp.Dial(target)
			if err != nil {
				failures <- err
				return
			}
			ch, err := c.Channel()
			for i := k; i < n && err == nil; i += connections {
				_, err = ch.QueueDeclare(fmt.Sprintf("declared-%07d", i), true, false, false, false, nil)
			}
			if err == nil {
				err = c.Close()
			}
			failures <- err
		})
	}
	wg.Wait()
	close(failures)
	for err := range failures {
		if err != nil {
			return err
		}
	}
	return nil
}

// backlog fills a queue, then lets consumers join while a producer goes on at a
// fixed rate, and looks at the slowest second of that producer.
func backlog(s *settings, l *report.Look) error {
	weir, _, err := startWeir(s.binary, filepath.Join(s.work, "backlog"))
	if err != nil {
		return err
	}
	defer weir.stop()
	begin := time.Now()
	if err := s.store(weir, s.backlog); err != nil {
		return err
	}
	l.Text = append(l.Text, fmt.Sprintf("%d messages of 1 KB published in %.1f s; RSS %.0f MiB.", s.backlog, time.Since(begin).Seconds(), weir.rss()))
	const rate = 20_000.0
	publish := func() (bench.Report, error) {
		return s.runBench(weir, []string{"--keep", "--consumers", "0", "--size", "1024", "--rate", fmt.Sprint(rate)})
	}
	alone, err := publish()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	var consumed atomic.Int64
	if err := join(ctx, weir.url, 10, &consumed); err != nil {
		return err
	}
	joined, err := publish()
	if err != nil {
		return err
	}
	l.Header = []string{fmt.Sprintf("producer at %.0f/s", rate), "published/s", "slowest second", "confirm p99 µs"}
	row := func(name string, r bench.Report) {
		l.Rows = append(l.Rows, []string{name, fmt.Sprintf("%.0f", r.PublishRate), fmt.Sprintf("%.0f", r.SlowestRate), fmt.Sprint(r.Confirm.P99)})
	}
	row("alone", alone)
	row("with 10 consumers draining", joined)
	dip := 100 * max(alone.PublishRate-joined.PublishRate, 0) / alone.PublishRate
	l.Figures["dip"] = dip
	l.Text = append(l.Text, fmt.Sprintf("The publish rate dipped by %.1f %%; meanwhile %d messages were consumed.", dip, consumed.Load()))
	return nil
}

// store publishes so many messages of 1 KB to the queue bench-0 and leaves them.
func (s *settings) store(p *process, n int64, flags ...string) error {
	args := []string{
		"bench", "--url", p.url, "-q", "--keep", "--consumers", "0", "--size", "1024",
		"--messages", fmt.Sprint(n), "--duration", "0", "--warmup", "0",
	}
	if out, err := exec.Command(s.binary, append(args, flags...)...).CombinedOutput(); err != nil {
		return fmt.Errorf("fill: %w: %s", err, tail(string(out)))
	}
	return nil
}

func join(ctx context.Context, target string, n int, consumed *atomic.Int64) error {
	for range n {
		c, err := amqp.Dial(target)
		if err != nil {
			return err
		}
		ch, err := c.Channel()
		if err != nil {
			return err
		}
		if err := ch.Qos(1000, 0, false); err != nil {
			return err
		}
		ds, err := ch.ConsumeWithContext(ctx, "bench-0", "", false, false, false, false, nil)
		if err != nil {
			return err
		}
		go func() {
			for d := range ds {
				if consumed.Add(1); d.DeliveryTag%100 == 0 {
					if d.Ack(true) != nil {
						return
					}
				}
			}
		}()
	}
	return nil
}

func startup(s *settings, l *report.Look) error {
	data := filepath.Join(s.work, "startup")
	weir, _, err := startWeir(s.binary, data)
	if err != nil {
		return err
	}
	if err := s.store(weir, s.stored); err != nil {
		return err
	}
	weir.kill()
	for _, how := range []string{"after kill -9", "after a clean stop"} {
		again, ready, err := startWeir(s.binary, data)
		if err != nil {
			return err
		}
		if l.Figures["seconds"] == 0 {
			l.Figures["seconds"] = ready.Seconds()
		}
		l.Text = append(l.Text, fmt.Sprintf("With %d messages of 1 KB stored, %s: ready after %d ms, RSS %.0f MiB.", s.stored, how, ready.Milliseconds(), again.rss()))
		if err := again.stop(); err != nil {
			return err
		}
	}
	return nil
}
